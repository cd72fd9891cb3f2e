"""``python -m training convert``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import Scheduler, Workers, workplace

__all__ = ["Format", "command"]


class Format(StrEnum):
    """What is converted."""

    jetntuple = "jetntuple"


def command(
    kind: Annotated[Format, typer.Argument(metavar="FORMAT", help="jetntuple: CERN Open Data record 12100.")],
    files: Annotated[list[str], typer.Argument(help="The files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for files in PFNano's layout.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep files that exist, write the others.")] = False,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Turn public jet tuples into files that train, evaluate and apply read."""
    from training.opendata.convert import convert

    with workplace(workers, scheduler) as place:
        converted = convert(files, output, force=force, resume=resume, progress=not quiet, workers=place)
    for done in converted:
        typer.echo(f"{done.path}: {done.events} events, {done.jets} jets, {done.candidates} constituents")
