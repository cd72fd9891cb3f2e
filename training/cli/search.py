"""``python -m training search``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["command"]


def command(
    recipe: Annotated[Path, typer.Argument(help="Recipe to start from, such as training/configs/pfn-r-lite.yaml.")],
    trials: Annotated[int, typer.Option(min=1, help="Trainings in all, those of before included.")] = 20,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of a training, in place of the recipe's.")] = None,
    jets: Annotated[int | None, typer.Option(min=1, help="Training jets, in place of the recipe's.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads, in place of the recipe's.")] = None,
    production: Annotated[
        list[str] | None, typer.Option(help="ROOT files, folders, patterns or addresses, in place of the recipe's.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder for runs, in place of the recipe's.")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder that gets the study's table and figure.")] = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Search for better settings of a recipe; the study is RUNS/NAME-search and can be continued."""
    from coffea_mljec.support.atomic import make_folder
    from training.learning.recipe import TreesRecipe, read_recipe
    from training.learning.search import search

    start = read_recipe(recipe)
    given = {"productions": tuple(production or ()) or None, "runs": runs, "train_jets": jets}
    changes: dict[str, Any] = {setting: value for setting, value in given.items() if value is not None}
    trees = isinstance(start, TreesRecipe)
    limits = {("rounds" if trees else "max_epochs"): epochs, "threads": threads}
    known = {setting: value for setting, value in limits.items() if value is not None}
    settings = start.trees if isinstance(start, TreesRecipe) else start.learning
    changes["trees" if trees else "learning"] = settings.model_dump() | known
    folder = search(read_recipe(recipe, **changes), trials, not quiet)
    if report is not None:
        make_folder(report)
        for name in ("study.csv", "study.md", "study.png"):
            shutil.copy(folder / name, report / f"{start.name}.{name.rpartition('.')[2]}")
    typer.echo((folder / "study.md").read_text())
    typer.echo(f"study: {folder}")
