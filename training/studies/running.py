"""The trainings of a study: each finished, interrupted or new; then a model folder each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from coffea_mljec.errors import InputError
from coffea_mljec.models import open_model
from training.learning.export import export
from training.learning.recipe import AnyRecipe, Recipe, parse_recipe
from training.learning.run_folder import check_resumable, read_run
from training.learning.train import train
from training.studies.settings import Study
from training.studies.table import Row

__all__ = ["trained_rows"]


def trained_rows(study: Study, folder: Path, progress: bool) -> list[tuple[Row, str]]:
    """Train what is not trained yet; return a row of each variant, without measurements, and its model.

    Parameters
    ----------
    study : Study
    folder : Path
        The study's; gets ``runs`` and ``models``.
    progress : bool
        Whether to show progress.

    Raises
    ------
    InputError
        If a variant's run was made with other settings, or two have one name.
    """
    variants = study.recipes()
    found = []
    for number, (label, (settings, recipe)) in enumerate(variants.items(), start=1):
        if progress:
            typer.echo(f"variant {number} of {len(variants)}: {label}", err=True)
        run = trained(recipe, progress)
        found.append((_row(label, settings, read_run(run)), run))
    for run in study.runs:
        record = read_run(run)
        base = study.base()
        if isinstance(base, Recipe):
            # What a recipe says of a GPU is no variant.
            base = base.settled(gpu=record.get("device", "cpu") != "cpu")
        found.append((_row(record["recipe"]["name"], _differing(base, record["recipe"]), record), run))
    rows = [(row, str(export(run, folder / "models" / row.label))) for row, run in found]
    for name in study.models:
        card = open_model(name).card
        about = Row(card.name, {"model": card.name}, None, card.training.n_jets, card.parameters, None, float("nan"))
        rows.append((about, name))
    labels = [row.label for row, _ in rows]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise InputError(f"study {study.name!r} has two models called {', '.join(twice)}: rename one run")
    return rows


def trained(recipe: AnyRecipe, progress: bool) -> Path:
    """Return the run of a recipe: as it is where it is finished, else gone on with, else made.

    Raises
    ------
    InputError
        If the run was made with other settings.
    """
    folder = recipe.folder
    if not (folder / "recipe.yaml").is_file():
        return train(recipe, progress=progress)
    _check_settings(folder, recipe)
    if (folder / "run.json").is_file():
        return folder
    if (folder / "checkpoints" / "last.ckpt").is_file():
        return train(recipe, resume=True, progress=progress)
    # It ended before its first epoch did.
    (folder / "recipe.yaml").unlink()
    return train(recipe, progress=progress)


def _check_settings(folder: Path, recipe: AnyRecipe) -> None:
    """Refuse a run of other settings; a run made on a GPU has the recipe's settings for it."""
    try:
        check_resumable(folder, recipe.settled(gpu=False) if isinstance(recipe, Recipe) else recipe, True)
    except InputError:
        if not isinstance(recipe, Recipe) or not recipe.on_gpu:
            raise
        check_resumable(folder, recipe.settled(gpu=True), True)


def _row(label: str, settings: dict[str, Any], record: dict[str, Any]) -> Row:
    recipe = parse_recipe(record["recipe"])
    return Row(
        label, settings, record.get("scatters", {}).get("train"), record["jets"]["train"], record["parameters"],
        recipe.learning.flavour.weight if isinstance(recipe, Recipe) else None, float("nan"),
    )  # fmt: skip


_ELSEWHERE = ("name", "description", "sample", "productions", "cache", "runs", "on_gpu")
"""Settings that make no variant."""

_OF_MACHINES = ("learning.threads", "learning.accelerator", "learning.precision")


def _differing(base: AnyRecipe, content: dict[str, Any]) -> dict[str, Any]:
    """The settings, by their names with dots, in which a run differs from the study's recipe."""
    here, there = (_flat(one) for one in (content, base.model_dump(mode="json")))
    return {
        name: value
        for name, value in here.items()
        if there.get(name) != value and name.split(".")[0] not in _ELSEWHERE and name not in _OF_MACHINES
    }


def _flat(content: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in content.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return found
