"""``python -m training prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from training.cli.options import Scheduler, Workers, workplace

__all__ = ["command"]


def command(
    recipe: Annotated[Path, typer.Argument(help="Recipe: YAML or TOML, such as training/configs/pfn-r-lite.yaml.")],
    production: Annotated[
        list[str] | None,
        typer.Option(help="ROOT files, folders, patterns or addresses (root://, https://), in place of the recipe's."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for prepared jets, in place of the recipe's.")] = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Select the jets of a recipe and compute their features; train finds them. Run again, it goes on."""
    from training.learning.recipe import read_recipe
    from training.learning.training_data import prepare_jets

    given = {"productions": tuple(production or ()) or None, "cache": cache}
    read = read_recipe(recipe, **{name: value for name, value in given.items() if value is not None})
    with workplace(workers, scheduler) as place:
        jets = prepare_jets(read, not quiet, place)
    files: dict[str, Any] = jets.description["shards"]
    typer.echo(f"{read.cache / jets.description['digest'][:16]}: {len(jets)} jets of {len(files)} files")
