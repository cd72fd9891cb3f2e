"""``python -m training derive``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.cli.options import Scheduler, Workers, workplace

__all__ = ["command"]


def command(
    inputs: Annotated[list[Path], typer.Argument(help="Files or folders of simulated events: training ones only.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if absent.")],
    provider: Annotated[
        str,
        typer.Option(
            help="'standard': the standard correction. A bundled model, a model folder or a folder of *.jec.txt: the "
            "closure and the resolution of that provider."
        ),
    ] = "standard",
    closure: Annotated[
        list[Path] | None, typer.Option(help="Other events, on which the closure is measured as well.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Campaign, version and MC; MLJECSim_V1_MC or MLJECSim-PROVIDER_V1_MC by default.")
    ] = None,
    algo: Annotated[
        str | None, typer.Option(help="Jet algorithm, part of the file names; the jets' own by default.")
    ] = None,
    collection: Annotated[str, typer.Option(help="Jet, or FatJet: AK8 PUPPI jets up to |eta| 2.5.")] = "Jet",
    cache: Annotated[
        Path | None, typer.Option(help="Folder that keeps each file's jets: an interrupted run goes on from there.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for closure tables and plots; the output by default.")
    ] = None,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    train_share: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Leave out what a training split of this share holds (0.8 in training/configs): for the "
            "closure of a network that was trained on these events.",
        ),
    ] = 0.0,
) -> None:
    """Derive a correction, its resolution and scale factors, as CMS's text files and as a correctionlib file."""
    from training.derive.workflow import derive_from_files

    with workplace(workers, scheduler) as place:
        derive_from_files(
            inputs, output, name, algo, closure or [], provider, cache, report, place, train_share, collection
        )
