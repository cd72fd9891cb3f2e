"""``mljec apply``: friend trees of corrected jets."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from coffea.processor import IterativeExecutor

from coffea_mljec.cli.options import (
    Collection,
    Inputs,
    Output,
    PublicKey,
    Running,
    StandardPath,
    Where,
    stored_regression,
)
from coffea_mljec.cli.terminal import err, out, say_skipped
from coffea_mljec.errors import InputError
from coffea_mljec.nano import FriendSummary, check_friend, friend_paths, write_friend
from coffea_mljec.status import Status
from coffea_mljec.support.atomic import make_folder
from coffea_mljec.support.progress import progress
from coffea_mljec.workers import Failure, as_failure, spread

__all__ = ["apply"]

Job = tuple[str, str]


def apply(
    inputs: Inputs,
    output: Output,
    *,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="A bundled model (see mljec models) or a model folder.")
    ] = None,
    public_key: PublicKey = None,
    regression: Annotated[
        str | None, typer.Option(metavar="NAME", help="A regression that the files store, such as PNet+neutrino.")
    ] = None,
    standard: StandardPath,
    where: Where,
    collection: Collection = "Jet",
    force: Annotated[bool, typer.Option("--force", help="Overwrite friend files that exist.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep friend files that exist, write the others.")] = False,
    running: Running,
) -> None:
    """Correct the jets of NanoAOD files; write one friend tree an input file, entry for entry.

    The default is the bundled model. With [bold]--jec[/] or [bold]--jec-json[/] alone it is the standard path; with
    [bold]--model[/] or [bold]--regression[/] as well, the standard path corrects the jets that those cannot treat.
    Of a network that gives neither pT nor mass, the friend trees hold its outputs beside the jets' momenta.
    Inputs are only read.

    [bold]Examples[/]

    mljec apply pfnano_*.root -o friends --workers 2

    mljec apply nano.root -o friends --jec-json jet_jerc.json.gz --tag Summer22_22Sep2023_V3_MC --algo AK4PFPuppi

    mljec apply nano.root -o friends --model pfn-r-lite --jec L1FastJet.txt --jec L2Relative.txt
    """
    provider = _provider(model, public_key, regression, standard.provider(), where)
    folder = make_folder(output)
    jobs = _jobs(friend_paths(inputs, folder), provider, collection, force, resume)
    if not jobs:
        out.print("nothing to do: every friend file exists.")
        return
    options: dict[str, Any] = {"collection": collection, "treename": running.tree, "chunk_size": running.chunk_size}
    with running.executor("file", "Correcting") as run:
        if isinstance(run, IterativeExecutor):
            results = _here(jobs, partial(_correct, corrector=provider, **options))
        else:
            results = spread(run, jobs, partial(_correct, **options), provider, provider.name)
    _report(results, running.skip_bad, folder)


def _provider(model: str | None, public_key: str | None, regression: str | None, standard: Any, where: Where) -> Any:
    from coffea_mljec import MLJEC, Network, defaults
    from coffea_mljec.models import open_model

    if regression is not None and model is not None:
        raise InputError("--model and --regression both correct the jets; give one of them.")
    by_network = regression is None and (model is not None or standard is None)
    options = where.options(by_network)
    if regression is not None:
        return stored_regression(regression, fallback=standard)
    if not by_network:
        return standard
    opened = open_model(model or defaults.MODEL, public_key)
    if opened.card.corrects:
        return MLJEC(opened, fallback=standard, **options)
    if standard is not None:
        raise InputError(
            f"model {opened.card.name!r} gives neither pT nor mass: it corrects no jets, so the standard path cannot "
            "stand in for it. Leave it out to write the network's outputs."
        )
    return Network(opened, **options)


def _jobs(paths: dict[str, Path], provider: Any, collection: str, force: bool, resume: bool) -> list[Job]:
    """Input and friend file of what is to be written; refuses before anything is done."""
    existing = {source: path for source, path in paths.items() if path.exists()}
    if existing and not (force or resume):
        names = [str(path) for path in existing.values()]
        raise InputError(
            f"{', '.join(names[:3])}{' and more' if len(names) > 3 else ''} exist already; give --force to "
            "overwrite them or --resume to keep them and write the others."
        )
    if force:
        return [(source, str(path)) for source, path in paths.items()]
    # A friend file has its name only when it is complete, so what exists is done, if it is what would be written now.
    for source, path in existing.items():
        check_friend(path, source, provider, collection)
    return [(source, str(path)) for source, path in paths.items() if source not in existing]


def _correct(job: Job, corrector: Any, **options: Any) -> dict[str, FriendSummary | Failure]:
    """Correct one file; what goes wrong is a result too, so that one bad file does not stop the others."""
    source, path = job
    try:
        return {source: write_friend(source, path, corrector, force=True, **options)}
    except Exception as error:
        return {source: as_failure(error, source)}


def _here(jobs: list[Job], work: Any) -> dict[str, FriendSummary | Failure]:
    """One process, one bar that counts events: it moves inside a large file too."""
    results: dict[str, FriendSummary | Failure] = {}
    with progress("Correcting", unit="events", console=err, transient=True) as bar:
        for number, job in enumerate(jobs, start=1):
            bar.restart(f"file {number}/{len(jobs)}")
            results |= work(job, progress=lambda done, total: bar.update(completed=done, total=total))
    return results


def _report(results: dict[str, FriendSummary | Failure], skip_bad: bool, folder: Path) -> None:
    from rich.table import Table

    done = [result for result in results.values() if isinstance(result, FriendSummary)]
    failed = sorted(result for result in results.values() if isinstance(result, Failure))
    if done:
        table = Table(box=None, pad_edge=False)
        for column in ("friend file", "events", "jets", "mljec_status"):
            # A path is to be copied: it is folded, never cut.
            table.add_column(column, overflow="fold")
        for summary in done:
            table.add_row(summary.path, str(summary.events), str(summary.jets), _words(summary.status))
        out.print(table)
    left_out = [failure for failure in failed if skip_bad and failure.kind == "file"]
    say_skipped(left_out, folder / "skipped.json")
    fatal = [failure for failure in failed if failure not in left_out]
    if fatal:
        text = "\n".join(map(str, fatal))
        raise RuntimeError(text) if any(failure.trace for failure in fatal) else InputError(text)


def _words(status: Counter[int]) -> str:
    """``applied 62, no_constituents 2``: how many jets carry each combination of bits."""
    parts = []
    for code, count in status.most_common():
        bits = " + ".join(bit.name.lower() for bit in Status(code) if bit.name) or "unchanged"
        parts.append(f"{bits}: {count}")
    return ", ".join(parts) or "no jets"
