"""``python -m training evaluate-dijets``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import named

__all__ = ["command"]


def command(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="name=run or model, the first is compared with; name=A,B where parts of the data have their own; "
            "{data} stands for the sample's name."
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            help="name=simulated events to judge on, a folder, file or pattern; name=A,B of parts; repeat it."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for table, numbers and figure.")],
    replicas: Annotated[int, typer.Option(min=2, help="Resamplings of the events behind the errors.")] = 100,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Judge networks on dijets by the truth: resolution, closure, flavours, and the resolution that dijets show.

    Where events are few, two networks learn from a half each, and each is judged on the other's: x=runs/a,runs/b and
    --data y=half-b,half-a.
    """
    from training.evaluate.dijets import judge
    from training.evaluate.dijets_parts import corrections_of, network_of
    from training.evaluate.dijets_report import write_report

    places = named(runs, "RUNS", "a name and a folder, before=runs/pfn-sigma")
    results, events = {}, {}
    for name, value in named(data, "--data", "a name and a folder, pileup50=productions/pileup50").items():
        networks = {
            run: [network_of(Path(path)) for path in of_run.replace("{data}", name).split(",")]
            for run, of_run in places.items()
        }
        dijets, corrections = corrections_of(networks, [Path(path) for path in value.split(",")], not quiet)
        results[name], events[name] = judge(dijets, corrections, replicas), len(dijets)
    write_report(output, results, events)
    typer.echo((output / "dijets.md").read_text())
    typer.echo(f"written: {output}/dijets.md, dijets.json, dijets.png")
