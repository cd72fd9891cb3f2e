"""``python -m training exchange``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    model: Annotated[str, typer.Argument(help="Bundled name or model folder.")],
    real: Annotated[list[Path], typer.Option(help="PFNano file with generator jets. May be repeated.")],
    simulated: Annotated[list[Path], typer.Option(help="Production or file of simulated events. May be repeated.")],
    neighbours: Annotated[int, typer.Option(min=1, help="Simulated jets that each jet exchanges with.")] = 24,
    cache: Annotated[Path, typer.Option(help="Keeps the prepared jets.")] = Path("productions/prepared"),
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if absent.")] = Path(
        "training/reports/realism"
    ),
) -> None:
    """Say which inputs move a network on real jets: exchange them for those of simulated jets of the same pT."""
    from training.realism.exchange import exchange, write_exchange

    found, *counts = exchange(model, real, simulated, cache, neighbours)
    path = write_exchange(found, model, real, (counts[0], counts[1]), output)
    typer.echo(path.read_text())
