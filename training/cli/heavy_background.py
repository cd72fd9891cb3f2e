"""``python -m training heavy-background``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import Scheduler, Workers, workplace

__all__ = ["command"]


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if absent.")],
    scatters: Annotated[int, typer.Option(min=100, help="Hard scatters that are embedded.")] = 6000,
    density: Annotated[float, typer.Option(help="Charged background particles a unit of pseudorapidity.")] = 1800.0,
    radius: Annotated[list[float] | None, typer.Option(help="Radius of the jets; repeat it. 0.2, 0.4, 0.6.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes of the networks over the training jets.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed.")] = 1,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Embed charged jets in a thermal background and subtract it by area, by multiplicity and by learning."""
    from training.applications.heavy_background import heavy_background

    radii = tuple(radius or (0.2, 0.4, 0.6))
    with workplace(workers, scheduler) as place:
        heavy_background(output, scatters, density, radii, epochs, seed, place, not quiet)
    typer.echo((output / "report.md").read_text())
    typer.echo(f"written: {output / 'report.md'}, results.json, heavy_background.png")
