"""``python -m training tagging``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import Scheduler, Workers, workplace

__all__ = ["command"]


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if absent.")],
    production: Annotated[
        list[Path] | None, typer.Option(help="Simulated PFNano, folder or file; repeat it. Without, it is simulated.")
    ] = None,
    events: Annotated[int, typer.Option(min=250, help="Events that are simulated.")] = 6000,
    top_scatters: Annotated[int, typer.Option(min=10, help="Hard scatters of top pairs, and of QCD.")] = 8000,
    top_file: Annotated[
        list[Path] | None, typer.Option(help="File of the top tagging reference set; repeat it. In place of Pythia's.")
    ] = None,
    top_jets: Annotated[int, typer.Option(min=100, help="Jets that are read of each of these files.")] = 20_000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training jets.")] = 15,
    seed: Annotated[int, typer.Option(help="Seed.")] = 1,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Train taggers: quark against gluon; b, c and light; top against QCD from four-momenta."""
    from training.applications.tagging import tagging

    with workplace(workers, scheduler) as place:
        tagging(
            output, production or [], events, top_scatters, top_file or [], top_jets, epochs, seed, place, not quiet
        )
    typer.echo((output / "report.md").read_text())
    typer.echo(f"written: {output / 'report.md'}, results.json, tagging.png")
