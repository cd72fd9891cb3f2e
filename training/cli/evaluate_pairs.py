"""``python -m training evaluate-pairs``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training import defaults
from training.cli.options import named

__all__ = ["command"]


def command(
    samples: Annotated[
        list[str], typer.Argument(help="name=files of simulated events with H to two quarks; a folder or a pattern.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for table, numbers and figure.")],
    models: Annotated[str, typer.Option(help="Bundled names or model folders, with commas.")],
    jec: Annotated[Path, typer.Option(help="Folder with the standard path's text payloads.")] = defaults.JEC,
    replicas: Annotated[int, typer.Option(min=2, help="Resamplings of the pairs behind the errors.")] = 100,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Compare networks with the standard path by the mass of the two jets of H to bb or cc.

    Generator jets stand beside them: what no correction of single jets can beat.
    """
    from training.dataset.files import sources_of
    from training.evaluate.pairs import judge_pairs, perfect, read_pairs
    from training.evaluate.pairs_report import write_pairs
    from training.evaluate.providers import open_providers
    from training.simulate.nanoaod import algorithm_of

    places = named(samples, "SAMPLES", "a name and files, 'H to bb=productions/bottom-test/*hbb.root'")
    files = {name: [Path(path) for path in sources_of([place])] for name, place in places.items()}
    first = next(iter(files.values()))[0]
    algorithm = algorithm_of(first)
    providers = open_providers([name for name in models.split(",") if name], jec, algorithm)
    judged = {**providers, **perfect(first)}
    pairs = {name: read_pairs(paths, judged, not quiet) for name, paths in files.items()}
    write_pairs(output, pairs, {name: judge_pairs(one, replicas) for name, one in pairs.items()})
    typer.echo((output / "pairs.md").read_text())
    typer.echo(f"written: {output}/pairs.md, pairs.json, pairs.png")
