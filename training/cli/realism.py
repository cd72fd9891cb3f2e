"""``python -m training realism``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training import defaults
from training.cli.options import Scheduler, Workers, workplace

__all__ = ["command"]


def command(
    productions: Annotated[list[Path], typer.Argument(help="Folders or files of simulated events.")],
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Test sample: other events, on which closure and counts are judged. May be repeated."),
    ] = None,
    jec: Annotated[Path, typer.Option(help="Folder of the standard correction's text files.")] = defaults.JEC,
    reference: Annotated[
        Path | None, typer.Option(help="Real PFNano file for the inputs' distributions; looked for by default.")
    ] = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if absent.")] = Path(
        "training/reports/realism"
    ),
) -> None:
    """Draw a simulated sample against the targets of CMS and the reference thesis: figures, a table of deviations."""
    from training.realism.row import FEW, MISS, PASS
    from training.realism.workflow import report_realism

    with workplace(workers, scheduler) as place:
        verdicts = report_realism(productions, test or [], jec, reference, output, place)
    typer.echo(
        f"{output / 'realism.md'}: {verdicts[PASS]} rows pass, {verdicts[MISS]} miss, "
        f"{verdicts[FEW]} have too few jets",
        err=True,
    )
