"""``python -m training study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    study: Annotated[Path, typer.Argument(help="What is varied and judged on: YAML, see docs/howto/train.md.")],
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Train variants of a recipe and compare them on a test production; what is finished is kept."""
    from training.studies.settings import read_study
    from training.studies.workflow import run_study

    folder = run_study(read_study(study), not quiet)
    typer.echo((folder / "study.md").read_text())
    typer.echo(f"study: {folder}")
