"""A first look at every file, where the work will run: what can be read, how many events, which chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from typing import Any
from uuid import UUID

from coffea.processor.executor import FileMeta

from coffea_mljec import defaults
from coffea_mljec.errors import DamagedFileError, InputError, WorkerError
from coffea_mljec.nano import open_nano
from coffea_mljec.nano.first_file import FirstFile
from coffea_mljec.nano.opening import PARQUET
from coffea_mljec.workers.fileset import Fileset, InputFile, input_files
from coffea_mljec.workers.first_files import first_files
from coffea_mljec.workers.guard import PACKAGE, Failure, Kind, as_failure, check_same_package

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes
    ----------
    chunks : list of coffea's WorkItem
    skipped : tuple of Failure
        Files that cannot be read.
    files : dict of str to str
        File -> its UUID and number of events: which file it is, whatever its name.
    format : str
        coffea's word: ``root`` or ``parquet``.
    first : dict of str to FirstFile
        Data set -> its first file that can be read.
    """

    chunks: list[Any]
    skipped: tuple[Failure, ...]
    files: dict[str, str]
    format: str = "root"
    first: dict[str, FirstFile] = field(default_factory=dict)


def plan_of(
    executor: Any,
    fileset: Fileset,
    *,
    treename: str = "Events",
    chunk_size: int = defaults.CHUNK_SIZE,
    skip_bad: bool = False,
) -> Plan:
    """Open every file once, on the workers, and divide its events into chunks.

    Parameters
    ----------
    executor : coffea executor
    fileset : mapping or path
        What to run on, in any form of coffea's: see `run`.
    treename : str
        Where the fileset names none.
    chunk_size : int
        Events a chunk, about.
    skip_bad : bool
        Leave out files that cannot be read and list them, instead of refusing.

    Raises
    ------
    InputError
        If there is no file, one is given twice, trees or formats are mixed, none can be read; without `skip_bad`, if
        any cannot.
    WorkerError
        If a worker cannot do the work.
    """
    files = {file.name: file for file in input_files(fileset, treename)}
    (tree,) = {file.treename for file in files.values()}
    looker = executor.copy(unit="file", desc="Looking at files", function_name="look")
    found: dict[str, tuple[int, bytes, str]] = {}
    bad: dict[str, Failure] = {}
    for _ in range(2):  # what cannot be read at once is tried again: a server may have been busy
        waiting = [name for name in files if name not in found]
        if not waiting:
            break
        seen, _ = looker(waiting, partial(_look, treename=tree, package=version(PACKAGE)), None)
        found |= seen.get("found", {})
        bad = {failure.file: failure for failure in seen.get("bad", ())}
        if any(failure.kind != Kind.file for failure in bad.values()):
            break
    for name in list(found):
        other = _other_file(files[name], *found[name])
        if other is not None:
            bad[name] = as_failure(other, name)
            del found[name]
    failures = [bad[name] for name in files if name in bad]
    if failures and (not skip_bad or not found or any(failure.kind != Kind.file for failure in failures)):
        lacking = any(failure.kind == Kind.worker for failure in failures)
        raise (WorkerError if lacking else InputError)("\n".join(str(failure) for failure in failures))
    chunks = [chunk for name in files if name in found for chunk in _chunks(files[name], *found[name][:2], chunk_size)]
    formats = sorted({kind for _, _, kind in found.values()})
    if len(formats) > 1:
        raise InputError(f"the files are {' and '.join(formats)}: coffea's Runner takes one format; run on each alone.")
    known = {name: f"{uuid.hex()}, {entries} events" for name, (entries, uuid, _) in found.items()}
    readable: dict[str, list[str]] = {}
    for name in files:
        if name in found:
            readable.setdefault(files[name].dataset, []).append(name)
    return Plan(chunks, tuple(failures), known, formats[0], first_files(executor, readable, tree))


def _chunks(file: InputFile, entries: int, uuid: bytes, chunk_size: int) -> Iterator[Any]:
    """coffea's chunks of each step; of the whole file, where it has none."""
    # coffea before 2026.4 knows no preload.
    preload = {} if file.preload is None else {"preload": file.preload}
    for start, stop in ((0, entries),) if file.steps is None else file.steps:
        known = file.metadata | {"numentries": stop - start, "uuid": uuid}
        step = FileMeta(file.dataset, file.name, file.treename, known, **preload)
        for chunk in step.chunks(chunk_size, align_clusters=False):
            yield replace(chunk, entrystart=start + chunk.entrystart, entrystop=start + chunk.entrystop)


def _other_file(file: InputFile, entries: int, uuid: bytes, kind: str) -> DamagedFileError | None:
    """What is wrong, if the steps of a fileset were made for another file than the one that was found."""
    # coffea gives Parquet, which has no UUID, one of another kind than ours.
    now = str(UUID(bytes=uuid))
    if kind == "root" and file.uuid is not None and file.uuid != now:
        why = f"its UUID is {now}, it was {file.uuid}"
    elif file.steps and file.steps[-1][1] > entries:
        why = f"it has {entries} events, and the steps go to {file.steps[-1][1]}"
    else:
        return None
    return DamagedFileError(f"{file.name} is another file than when the fileset was preprocessed ({why}): do it again.")


def _look(name: str, treename: str, package: str) -> dict[str, Any]:
    """One file: ``{"found": {name: (events, uuid, format)}}`` or ``{"bad": {failure}}``."""
    try:
        check_same_package(package)
        with open_nano(name, treename) as nano:
            return {
                "found": {name: (nano.entries, UUID(nano.uuid).bytes, "parquet" if nano.kind == PARQUET else "root")}
            }
    except Exception as error:
        return {"bad": {as_failure(error, name)}}
