"""``python -m training evaluate-masses``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from coffea_mljec.defaults import REPLICAS
from training import defaults

__all__ = ["command"]

LABEL = "coffea-mljec simulation"


def command(
    productions: Annotated[list[Path], typer.Argument(help="Test events: folders, files or patterns.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for page, tables, numbers and figures.")],
    models: Annotated[str, typer.Option(help="Bundled names or model folders, with commas.")],
    collection: Annotated[
        Literal["FatJet", "Jet"], typer.Option(help="AK8 jets, or AK4 jets and their pairs.")
    ] = "FatJet",
    jec: Annotated[
        Path | None,
        typer.Option(help="Folder with the jets' text payloads; for AK8 jets the soft-drop correction among them."),
    ] = None,
    replicas: Annotated[int, typer.Option(min=2, help="Bootstrap resamples behind the errors.")] = REPLICAS,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Compare networks with the standard path by energy and mass of jets, and by the peaks of W, Z, H and top."""
    from coffea_mljec.report import write_report
    from training.dataset.files import sources_of
    from training.evaluate.masses import judge_masses, with_soft_drop
    from training.evaluate.providers import open_providers
    from training.simulate.nanoaod import algorithm_of

    files = [Path(path) for path in sources_of(productions)]
    large = collection == "FatJet"
    levels = jec or (defaults.JEC_AK8 if large else defaults.JEC)
    algorithm = defaults.LARGE if large else algorithm_of(files[0])
    providers = open_providers([name for name in models.split(",") if name], levels, algorithm)
    if large:
        providers = with_soft_drop(providers, levels)
    summary = judge_masses(files, providers, replicas, not quiet, collection)
    write_report({"mass": summary}, output, formats=("png",), label=LABEL, energy=13.6 if large else 13.0)
    typer.echo(f"written: {output}/table.md, numbers.json, report.html and plots")
