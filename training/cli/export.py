"""``python -m training export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder to write.")],
    evaluation: Annotated[
        Path | None, typer.Option(help="card.json of an evaluation: its figures go into the card.")
    ] = None,
) -> None:
    """Write what was trained as a model folder (model.onnx + card.json)."""
    from training.learning.export import export

    folder = export(run, output, evaluation)
    typer.echo(f"exported: {folder}; use it with coffea_mljec.MLJEC({str(folder)!r}) or mljec apply --model {folder}")
