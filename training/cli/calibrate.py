"""``python -m training calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    folder: Annotated[Path, typer.Argument(help="A production.")],
    jec: Annotated[Path, typer.Option(help="Folder of the derived correction.")],
) -> None:
    """Set Jet_pt, Jet_mass and Jet_rawFactor of a production's files by a standard correction."""
    from training.simulate.production import calibrate

    typer.echo(f"{calibrate(folder, jec)} files of {folder} corrected by {jec}")
