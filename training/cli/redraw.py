"""``python -m training redraw``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    folder: Annotated[Path, typer.Argument(help="What `python -m training evaluate` or `study` wrote.")],
) -> None:
    """Draw the figures of an evaluation or a study again, from its numbers: the jets are not needed."""
    from training.evaluate.figures import redraw
    from training.studies.workflow import redraw_study

    written = redraw_study(folder) if (folder / "study.json").is_file() else redraw(folder)
    typer.echo(f"written to {folder}: {', '.join(path.name for path in written)}")
