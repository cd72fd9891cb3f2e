"""``python -m training train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.errors import InputError

__all__ = ["command"]


def command(
    recipe: Annotated[Path, typer.Argument(help="Recipe: YAML or TOML, such as training/configs/pfn-r-lite.yaml.")],
    resume: Annotated[bool, typer.Option(help="Go on after the last finished epoch of this recipe's run.")] = False,
    max_minutes: Annotated[float | None, typer.Option(help="End when this time is over.")] = None,
    production: Annotated[
        list[str] | None, typer.Option(help="ROOT files, folders, patterns or addresses, in place of the recipe's.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder for runs, in place of the recipe's.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of torch, in place of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the recipe's.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of run and model, in place of the recipe's.")] = None,
    features: Annotated[str | None, typer.Option(help="A named feature set, in place of the recipe's.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="Finished run, model folder or bundled model whose weights are the start.")
    ] = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Train a network, or boosted trees, as the recipe says; the run's folder is RUNS/NAME."""
    from training.learning.recipe import TreesRecipe, read_recipe
    from training.learning.run_folder import describe_run, read_run
    from training.learning.train import train

    read = read_recipe(recipe)
    given = {
        "productions": tuple(production or ()) or None, "runs": runs, "seed": seed, "name": name, "features": features,
    }  # fmt: skip
    changes: dict[str, Any] = {setting: value for setting, value in given.items() if value is not None}
    limits = {name: value for name, value in (("max_minutes", max_minutes), ("threads", threads)) if value is not None}
    if isinstance(read, TreesRecipe):
        if start_from is not None:
            raise InputError("--start-from is for networks: trees grow from nothing")
        if "max_minutes" in limits:
            raise InputError("--max-minutes is for networks: the trees of a recipe are limited by its trees.rounds")
        changes["trees"] = read.trees.model_dump() | limits
    else:
        start = {} if start_from is None else {"start_from": start_from}
        changes["learning"] = read.learning.model_dump() | limits | start
    folder = train(read_recipe(recipe, **changes), resume=resume, progress=not quiet)
    typer.echo(describe_run(read_run(folder)))
    typer.echo(f"trained: {folder}; next: python -m training export {folder} -o FOLDER")
