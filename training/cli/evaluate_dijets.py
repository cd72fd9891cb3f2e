"""``python -m training evaluate-dijets``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import named

__all__ = ["command"]


def command(
    runs: Annotated[list[str], typer.Argument(help="name=folder of finished runs; the first is compared with.")],
    data: Annotated[list[str], typer.Option(help="name=folder or file of simulated events to judge on; repeat it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for table, numbers and figure.")],
    replicas: Annotated[int, typer.Option(min=2, help="Resamplings of the events behind the errors.")] = 100,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Judge networks on dijets by the truth: resolution, closure, flavours, and the resolution that dijets show."""
    from coffea_mljec.features import FeatureSet
    from training.dataset.dijets import read_dijets
    from training.evaluate.dijets import ETA_EDGES, PT_EDGES, judge
    from training.evaluate.dijets_report import write_report
    from training.learning.in_situ import log_corrections
    from training.learning.run_folder import read_network

    folders = named(runs, "RUNS", "a name and a folder, before=runs/pfn-sigma")
    networks = {name: read_network(Path(folder)) for name, folder in folders.items()}
    results, events = {}, {}
    for name, folder in named(data, "--data", "a name and a folder, pileup50=productions/pileup50").items():
        corrections = {}
        dijets = None
        for run, network in networks.items():
            features = FeatureSet.from_names({c: part.features for c, part in network.standardisations.items()})
            if dijets is None or dijets.jets.feature_set != features:
                dijets = read_dijets([Path(folder)], features, PT_EDGES, ETA_EDGES, truth=True, progress=not quiet)
            corrections[run] = log_corrections(network, dijets.jets)
        assert dijets is not None
        results[name], events[name] = judge(dijets, corrections, replicas), len(dijets)
    write_report(output, results, events)
    typer.echo((output / "dijets.md").read_text())
    typer.echo(f"written: {output}/dijets.md, dijets.json, dijets.png")
