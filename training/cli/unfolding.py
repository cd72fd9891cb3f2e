"""``python -m training unfolding``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import Scheduler, Workers, workplace

__all__ = ["command"]


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if absent.")],
    events: Annotated[
        int, typer.Option(min=300, help="Events of the simulation; half as many play the data.")
    ] = 10_000,
    model: Annotated[str | None, typer.Option(help="Model of the learnt correction; the default model.")] = None,
    bins: Annotated[int, typer.Option(min=2, help="Bins of each variable.")] = 8,
    replicas: Annotated[int, typer.Option(min=2, help="Bootstrap replicas behind the covariance.")] = 10,
    iterations: Annotated[int, typer.Option(min=1, help="Iterations of MultiFold.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed.")] = 1,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Unfold the leading jet's pT, mass and multiplicity event by event, with the standard and a learnt correction."""
    from training.applications.unfolding_study import Unfolding, unfolding

    with workplace(workers, scheduler) as place:
        unfolding(output, events, model, Unfolding(bins, replicas, iterations, seed, place, not quiet))
    typer.echo((output / "report.md").read_text())
    typer.echo(f"written: {output / 'report.md'}, results.json, unfolding.png and *_weights.root")
