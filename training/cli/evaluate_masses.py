"""``python -m training evaluate-masses``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coffea_mljec.defaults import REPLICAS
from training import defaults

__all__ = ["command"]

LABEL = "coffea-mljec simulation"


def command(
    productions: Annotated[list[Path], typer.Argument(help="Test events with AK8 jets: folders, files or patterns.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for page, tables, numbers and figures.")],
    models: Annotated[str, typer.Option(help="Bundled names or model folders, with commas.")],
    jec: Annotated[
        Path, typer.Option(help="Folder with the text payloads of AK8 jets, the soft-drop correction among them.")
    ] = defaults.JEC_AK8,
    replicas: Annotated[int, typer.Option(min=2, help="Bootstrap resamples behind the errors.")] = REPLICAS,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Compare networks with the standard path by energy and mass of large jets, and by the peaks of W, Z, H and top."""
    from coffea_mljec.report import write_report
    from training.dataset.files import sources_of
    from training.evaluate.masses import judge_masses, with_soft_drop
    from training.evaluate.providers import open_providers

    files = [Path(path) for path in sources_of(productions)]
    networks = open_providers([name for name in models.split(",") if name], jec, defaults.LARGE)
    summary = judge_masses(files, with_soft_drop(networks, jec), replicas, not quiet)
    write_report({"mass": summary}, output, formats=("png",), label=LABEL, energy=13.6)
    typer.echo(f"written: {output}/table.md, numbers.json, report.html and plots")
