"""``python -m training export-weaver``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    model: Annotated[str, typer.Argument(metavar="NAME|PATH", help="A bundled model or a model folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")],
    length: Annotated[int, typer.Option(min=1, help="Constituents of a jet at most, of each collection.")] = 256,
) -> None:
    """Write a model for servers that run weaver's networks: padded tensors and preprocess.json."""
    from training.learning.export_weaver import export_weaver

    card = export_weaver(model, output, length).card
    inputs = ", ".join(f"{tensor.name} ({len(tensor.variables)})" for tensor in card.tensors)
    typer.echo(f"exported: {output}; inputs {inputs}; outputs {', '.join(o.name for o in card.outputs)}")
