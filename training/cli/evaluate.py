"""``python -m training evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coffea_mljec.defaults import REPLICAS
from training import defaults
from training.cli.options import Scheduler, Workers, named, workplace

__all__ = ["command"]


def command(
    productions: Annotated[list[Path], typer.Argument(help="Test productions: folders with ROOT files, or files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report.")],
    models: Annotated[str, typer.Option(help="Bundled names or model folders, smallest first, with commas.")],
    jec: Annotated[Path, typer.Option(help="Folder with the standard path's text payloads.")] = defaults.JEC,
    closure: Annotated[
        Path | None,
        typer.Option("--closures", help="Folder with the providers' closure payloads; OUTPUT/closures if absent."),
    ] = None,
    closure_from: Annotated[
        list[Path] | None, typer.Option(help="Training production from which missing closure payloads are derived.")
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="name=production: another sample, with the same closures; repeat it.")
    ] = None,
    seeds: Annotated[
        list[str] | None,
        typer.Option(help="model=folder,folder: the same model trained with other seeds, for the spread of its loss."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keeps what was computed of each file: an evaluation can go on.")
    ] = None,
    files: Annotated[int | None, typer.Option(min=1, help="Only so many files of each sample.")] = None,
    closure_files: Annotated[
        int | None,
        typer.Option(min=1, help="Derive closure payloads from only so many files: a slow network takes long."),
    ] = None,
    train_share: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Leave out of --closure-from what a training split of this share holds (0.8 in training/configs).",
        ),
    ] = 0.0,
    neutrinos: Annotated[
        bool,
        typer.Option("--neutrinos", help="Judge the pT with neutrinos, of networks that restore them; closures too."),
    ] = False,
    replicas: Annotated[int, typer.Option(min=2, help="Bootstrap resamples behind the errors.")] = REPLICAS,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Compare models with the standard path on a test production, and write the thesis's tables and figures."""
    from training.evaluate.workflow import evaluate

    others = named(variant, "--variant", "a name and a production, pileup50=productions/pileup50")
    again = named(seeds, "--seeds", "a model and model folders, pfn-r-lite=/tmp/lite-2,/tmp/lite-3")
    with workplace(workers, scheduler) as place:
        evaluate(
            productions,
            output,
            models=[name for name in models.split(",") if name],
            jec=jec,
            closure=closure or output / "closures",
            closure_from=closure_from or [],
            variants={name: Path(path) for name, path in others.items()},
            cache=cache,
            max_files=files,
            replicas=replicas,
            progress=not quiet,
            closure_files=closure_files,
            seeds={name: [folder for folder in folders.split(",") if folder] for name, folders in again.items()},
            workers=place,
            train_share=train_share,
            neutrinos=neutrinos,
        )
    typer.echo(f"written: {output / 'report.md'}, evaluation.json, card.json and figures")
