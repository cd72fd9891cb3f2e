"""``python -m training redraw``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(folder: Annotated[Path, typer.Argument(help="What `python -m training evaluate` wrote.")]) -> None:
    """Draw the figures of an evaluation again, from its numbers: the jets are not needed."""
    from training.evaluate.figures import redraw

    written = redraw(folder)
    typer.echo(f"written to {folder}: {', '.join(path.name for path in written)}")
