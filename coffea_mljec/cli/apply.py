"""``mljec apply``: friend trees of corrected jets."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.cli.executors import ExecutorKind, executor
from coffea_mljec.cli.options import (
    Algo,
    Collection,
    Inputs,
    Jec,
    JecJson,
    Output,
    Tag,
    Tree,
    Workers,
    standard_path,
    stored_regression,
)
from coffea_mljec.cli.terminal import err, out, output_folder
from coffea_mljec.errors import InputError, MLJECError
from coffea_mljec.io import FriendSummary, friend_paths, write_friend
from coffea_mljec.status import Status

__all__ = ["apply"]

Job = tuple[str, str]


def apply(
    inputs: Inputs,
    output: Output,
    model: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="A bundled model (see mljec models) or a model folder.")
    ] = None,
    regression: Annotated[
        str | None, typer.Option(metavar="NAME", help="A regression that the files store, such as PNet+neutrino.")
    ] = None,
    jec: Jec = None,
    jec_json: JecJson = None,
    tag: Tag = None,
    algo: Algo = None,
    collection: Collection = "Jet",
    kind: Annotated[
        ExecutorKind | None, typer.Option("--executor", help="Default: iterative, or futures with --workers above 1.")
    ] = None,
    workers: Workers = 1,
    force: Annotated[bool, typer.Option("--force", help="Overwrite friend files that exist.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep friend files that exist, write the others.")] = False,
    tree: Tree = "Events",
    chunk_size: Annotated[int, typer.Option(min=1, help="Events read at a time.")] = 50_000,
) -> None:
    """Correct the jets of NanoAOD files; write one friend tree an input file, entry for entry.

    The default is the bundled model. With [bold]--jec[/] or [bold]--jec-json[/] alone it is the standard path; with
    [bold]--model[/] or [bold]--regression[/] as well, the standard path corrects the jets that those cannot treat.
    Inputs are only read.

    [bold]Examples[/]

    mljec apply pfnano_*.root -o friends --workers 2

    mljec apply nano.root -o friends --jec-json jet_jerc.json.gz --tag Summer22_22Sep2023_V3_MC --algo AK4PFPuppi

    mljec apply nano.root -o friends --model pfn-r-lite --jec L1FastJet.txt --jec L2Relative.txt
    """
    provider = _provider(model, regression, standard_path(jec, jec_json, tag, algo))
    jobs = _jobs(friend_paths(inputs, output_folder(output)), force, resume)
    kind = kind or (ExecutorKind.futures if workers > 1 else ExecutorKind.iterative)
    work = partial(_correct, corrector=provider, collection=collection, treename=tree, chunk_size=chunk_size)
    if not jobs:
        out.print("nothing to do: every friend file exists.")
        return
    if kind is ExecutorKind.iterative and workers == 1:
        results = _here(jobs, work)
    else:
        with executor(kind, workers, unit="file", desc="Correcting") as run:
            results, _ = run(jobs, work, None)
    _report(results)


def _provider(model: str | None, regression: str | None, standard: Any) -> Any:
    from coffea_mljec import MLJEC
    from coffea_mljec.models import DEFAULT_MODEL

    if regression is not None:
        if model is not None:
            raise InputError("--model and --regression both correct the jets; give one of them.")
        return stored_regression(regression, fallback=standard)
    if model is None and standard is not None:
        return standard
    return MLJEC(model or DEFAULT_MODEL, fallback=standard)


def _jobs(paths: dict[str, Path], force: bool, resume: bool) -> list[Job]:
    """Input and friend file of what is to be written; refuses before anything is done."""
    existing = [str(path) for path in paths.values() if path.exists()]
    if existing and not (force or resume):
        raise InputError(
            f"{', '.join(existing[:3])}{' and more' if len(existing) > 3 else ''} exist already; give --force to "
            "overwrite them or --resume to keep them and write the others."
        )
    # A friend file has its name only when it is complete, so what exists is done.
    return [(source, str(path)) for source, path in paths.items() if force or not path.exists()]


def _correct(job: Job, corrector: Any, progress: Any = None, **options: Any) -> dict[str, FriendSummary | str]:
    """Correct one file; what this package refuses is a result, so that one bad file does not stop the others."""
    source, path = job
    try:
        return {source: write_friend(source, path, corrector, force=True, progress=progress, **options)}
    except MLJECError as error:
        return {source: str(error)}


def _here(jobs: list[Job], work: Any) -> dict[str, FriendSummary | str]:
    """One process, one bar that counts events: it moves inside a large file too."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    results: dict[str, FriendSummary | str] = {}
    name, unit = TextColumn("{task.description}"), TextColumn("events")
    columns = (name, BarColumn(), MofNCompleteColumn(), unit, TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("Correcting", total=None)
        for number, job in enumerate(jobs, start=1):
            bar.reset(task, description=f"file {number}/{len(jobs)}")
            results |= work(job, progress=lambda done, total: bar.update(task, completed=done, total=total))
    return results


def _report(results: dict[str, FriendSummary | str]) -> None:
    from rich.table import Table

    done = [result for result in results.values() if isinstance(result, FriendSummary)]
    failed = [result for result in results.values() if isinstance(result, str)]
    if done:
        table = Table(box=None, pad_edge=False)
        for column in ("friend file", "events", "jets", "mljec_status"):
            # A path is to be copied: it is folded, never cut.
            table.add_column(column, overflow="fold")
        for summary in done:
            table.add_row(summary.path, str(summary.events), str(summary.jets), _words(summary.status))
        out.print(table)
    if failed:
        raise InputError("\n".join(failed))


def _words(status: Counter[int]) -> str:
    """``applied 62, no_constituents 2``: how many jets carry each combination of bits."""
    parts = []
    for code, count in status.most_common():
        bits = " + ".join(bit.name.lower() for bit in Status(code) if bit.name) or "unchanged"
        parts.append(f"{bits}: {count}")
    return ", ".join(parts) or "no jets"
