"""``python -m training evaluate-opendata``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coffea_mljec.defaults import REPLICAS
from training.cli.options import Scheduler, Workers, workplace

__all__ = ["command"]


def command(
    productions: Annotated[list[Path], typer.Argument(help="Converted tuples: folders with ROOT files, or files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report.")],
    models: Annotated[str, typer.Option(help="Bundled names or model folders, with commas.")],
    cache: Annotated[
        Path | None, typer.Option(help="Keeps what was computed of each file: an evaluation can go on.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=2, help="Bootstrap resamples behind the errors.")] = REPLICAS,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Compare models with the stored correction of CERN Open Data record 12100, in the published bins."""
    from training.opendata.comparison import compare

    given = [name for name in models.split(",") if name]
    with workplace(workers, scheduler) as place:
        report = compare(productions, output, given, cache=cache, replicas=replicas, workers=place, progress=not quiet)
    typer.echo(f"written: {report}, opendata.json")
