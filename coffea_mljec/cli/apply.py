"""``mljec apply``: friend trees of corrected jets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from coffea.processor import IterativeExecutor

from coffea_mljec.cli.beside import Beside
from coffea_mljec.cli.first import First
from coffea_mljec.cli.options import (
    Collection,
    Inputs,
    Output,
    PublicKey,
    Running,
    Where,
)
from coffea_mljec.cli.regression import HELP, NamedRegression
from coffea_mljec.cli.standard_path import EraPath, FilePath, StandardPath
from coffea_mljec.cli.systematics import Systematics
from coffea_mljec.cli.terminal import err, out, say_skipped
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import FriendSummary, check_friend, friend_paths, write_friend
from coffea_mljec.nano.first_file import FirstFile, deciding
from coffea_mljec.payloads.correctionlib_content import parsed_once
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
    regression: Annotated[str | None, typer.Option(metavar="NAME", help=HELP)] = None,
    standard: StandardPath,
    systematics: Systematics,
    beside: Beside,
    where: Where,
    collection: Collection = "Jet",
    force: Annotated[bool, typer.Option("--force", help="Overwrite friend files that exist.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep friend files that exist, write the others.")] = False,
    running: Running,
) -> None:
    """Correct the jets of NanoAOD files; write one friend tree an input file, entry for entry.

    The default is the best bundled network that the first file can feed; all files get the same. With [bold]--era[/],
    [bold]--jec[/] or [bold]--jec-json[/] alone it is the standard path; with [bold]--model[/] or [bold]--regression[/]
    as well, the standard path corrects the jets that those cannot treat; a regression takes the JEC that it has for
    its jets. An era brings its uncertainties and smearing too, for its standard path and such regressions; the first
    file tells whether the events are data.
    [bold]--variations[/] and [bold]--met[/] add columns under the names of nanoAOD-tools; [bold]--veto-map[/] and
    [bold]--met-xy[/] are of an era.
    Of a network that gives neither pT nor mass, the friend trees hold its outputs beside the jets' momenta.
    Inputs are only read.

    [bold]Examples[/]

    mljec apply nano_*.root -o friends --era 2022EE --variations --met --met-xy --veto-map

    mljec apply pfnano_*.root -o friends --workers 2

    mljec apply nano.root -o friends --jec-json jet_jerc.json.gz --tag Summer22_22Sep2023_V3_MC --algo AK4PFPuppi

    mljec apply nano.root -o friends --model pfn-r-lite --jec L1FastJet.txt --jec L2Relative.txt

    mljec apply nano.root -o friends --regression PNet --jec-json jet_jerc_PNet.json.gz --tag Summer22_22Sep2023_V2_MC
    --algo AK4PFPuppi --uncertainties jet_jerc_PNet.json.gz --resolution jet_jerc_PNet.json.gz --variations --met
    """
    options: dict[str, Any] = {"collection": collection, "treename": running.tree, "chunk_size": running.chunk_size}
    with running.executor("file", "Correcting") as run:
        first = First(run, inputs, running.tree)
        with parsed_once():
            path = standard.chosen(first, collection)
            written = _written(model, public_key, regression, path, systematics, where, beside)
        folder = make_folder(output)
        paths = friend_paths(inputs, folder)
        written = written.decided(first, collection)
        jobs = _jobs(paths, written, collection, force, resume)
        if not jobs:
            out.print("nothing to do: every friend file exists.")
            return
        if isinstance(run, IterativeExecutor):
            results = _here(jobs, partial(_correct, written=written, **options))
        else:
            results = spread(run, jobs, partial(_correct, **options), written, written.corrector.name)
    _report(results, running.skip_bad, folder)


@dataclass(frozen=True)
class _Written:
    """What goes into the friend trees."""

    corrector: Any
    met: Any = None
    veto: Any = None
    variations: bool = False
    first: FirstFile | None = None
    """The file that chose the network, if none was named."""

    def decided(self, first: First, collection: str) -> _Written:
        """The same for all files, with the network that the first of them chooses if none was named."""
        corrector = first.decided(self.corrector, collection)
        return self if corrector is self.corrector else replace(self, corrector=corrector, first=first.file)

    def options(self) -> dict[str, Any]:
        return {"met": self.met, "veto": self.veto, "variations": self.variations}


def _written(
    model: str | None,
    public_key: str | None,
    regression: str | None,
    standard: FilePath | EraPath,
    systematics: Systematics,
    where: Where,
    beside: Beside,
) -> _Written:
    from coffea_mljec import FactorizedJEC, Network

    if regression is not None and model is not None:
        raise InputError("--model and --regression both correct the jets; give one of them.")
    named = None if regression is None else NamedRegression.of(regression)
    beside.check(standard)
    path = standard.provider(regressed=named is not None)
    by_network = named is None and (model is not None or path is None)
    algorithm, own = (standard.algo, not by_network) if named is None else named.algorithm(standard)
    if beside.variations:
        systematics.check_varied(standard, own, beside.met)
    varied = systematics.options(standard, algorithm, own=own)
    options = where.options(by_network)
    corrector: Any
    if named is not None:
        corrector = named.provider(standard, path, **varied)
    elif by_network:
        corrector = _by_network(model, public_key, path, options, varied)
    else:
        corrector = standard.provider(**varied)
    if isinstance(corrector, Network):
        if beside.met or varied:
            raise InputError(f"{corrector.name!r} corrects no jets: leave out what varies them, and --met.")
        return _Written(corrector)
    other = None if isinstance(corrector, FactorizedJEC) else path
    return _Written(corrector, beside.type1(corrector, other, standard), beside.veto(standard), beside.variations)


def _by_network(
    model: str | None, public_key: str | None, standard: Any, options: dict[str, Any], varied: dict[str, Any]
) -> Any:
    from coffea_mljec import MLJEC, Network
    from coffea_mljec.models import open_model

    if model is None:
        return MLJEC(fallback=standard, public_key=public_key, **options, **varied)
    opened = open_model(model, public_key)
    if opened.card.corrects:
        return MLJEC(opened, fallback=standard, **options, **varied)
    if standard is not None:
        raise InputError(
            f"model {opened.card.name!r} gives neither pT nor mass: it corrects no jets, so the standard path cannot "
            "stand in for it. Leave it out to write the network's outputs."
        )
    return Network(opened, **options)


def _jobs(paths: dict[str, Path], written: _Written, collection: str, force: bool, resume: bool) -> list[Job]:
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
        check_friend(path, source, written.corrector, collection, **written.options())
    return [(source, str(path)) for source, path in paths.items() if source not in existing]


def _correct(job: Job, written: _Written, **options: Any) -> dict[str, FriendSummary | Failure]:
    """Correct one file; what goes wrong is a result too, so that one bad file does not stop the others."""
    source, path = job
    try:
        with deciding(written.first):  # MET asks the corrector as it was given
            return {source: write_friend(source, path, written.corrector, force=True, **written.options(), **options)}
    except Exception as error:
        if written.first is not None and isinstance(error, MissingBranchError):
            error = MissingBranchError(
                f"{error} {written.corrector.name!r} was chosen by the first file, {written.first.name}, and all files "
                "get the same: name one that all can feed with --model, or run on each kind of file by itself."
            )
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
