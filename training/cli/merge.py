"""``python -m training merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    folder: Annotated[Path, typer.Argument(help="A production.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The ROOT file to write.")],
    raw_pt: Annotated[float, typer.Option(help="Raw pT in GeV from which matched jets stay.")] = 8.0,
    unmatched_pt: Annotated[float, typer.Option(help="Raw pT in GeV from which unmatched jets stay.")] = 20.0,
    jec: Annotated[Path | None, typer.Option(help="Folder of a derived correction for the AK4 jets.")] = None,
    compression: Annotated[str, typer.Option(help="zstd (fast) or lzma (small).")] = "lzma",
) -> None:
    """Join a small production into one file, as it is shipped with the package."""
    from coffea_mljec.payloads import read_text
    from training.simulate.nanoaod import algorithm_of
    from training.simulate.production import correction_files
    from training.simulate.skim import merge

    files = sorted(folder.glob("*.root"))
    payload = read_text(correction_files(jec, algorithm_of(files[0]))) if jec is not None and files else None
    n_events = merge(files, output, raw_pt, unmatched_pt, payload, compression)
    typer.echo(f"{output}: {n_events} events, {output.stat().st_size / 1e6:.2f} MB")
