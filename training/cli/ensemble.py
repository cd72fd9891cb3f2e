"""``python -m training ensemble``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    members: Annotated[list[Path], typer.Argument(help="Model folders, two or more, with the same inputs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder to write.")],
    name: Annotated[str | None, typer.Option(help="Name of the model; the folder's by default.")] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="card.json of an evaluation: its figures go into the card.")
    ] = None,
) -> None:
    """Join several networks into one model, which averages their logarithms of the correction."""
    from training.learning.ensemble import ensemble

    folder = ensemble(members, output, name or output.name, evaluation)
    typer.echo(f"{len(members)} networks joined: {folder}")
