"""A first look at every file, where the work will run: what can be read, how many events, which chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any
from uuid import UUID

from coffea.processor.executor import FileMeta

from coffea_mljec import defaults
from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.nano import open_nano
from coffea_mljec.nano.opening import PARQUET
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
    """

    chunks: list[Any]
    skipped: tuple[Failure, ...]
    files: dict[str, str]
    format: str = "root"


def plan_of(
    executor: Any,
    fileset: Mapping[str, Sequence[str]],
    *,
    treename: str = "Events",
    chunk_size: int = defaults.CHUNK_SIZE,
    skip_bad: bool = False,
) -> Plan:
    """Open every file once, on the workers, and divide its events into chunks.

    Parameters
    ----------
    executor : coffea executor
    fileset : mapping of str to sequence of str
        Dataset -> files, as the workers see them.
    treename : str
    chunk_size : int
        Events a chunk, about.
    skip_bad : bool
        Leave out files that cannot be read and list them, instead of refusing.

    Raises
    ------
    InputError
        If there is no file, one is given twice, none can be read; without `skip_bad`, if any cannot.
    WorkerError
        If a worker cannot do the work.
    """
    dataset_of = {str(name): dataset for dataset, names in fileset.items() for name in names}
    if not dataset_of:
        raise InputError("there are no files to run on: give at least one.")
    names = [str(name) for files in fileset.values() for name in files]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(names) > len(dataset_of) else []
    if repeated:
        raise InputError(f"given more than once: {', '.join(repeated)}; give each input file once.")
    looker = executor.copy(unit="file", desc="Looking at files", function_name="look")
    found: dict[str, tuple[int, bytes, str]] = {}
    bad: dict[str, Failure] = {}
    for _ in range(2):  # what cannot be read at once is tried again: a server may have been busy
        waiting = [name for name in dataset_of if name not in found]
        if not waiting:
            break
        seen, _ = looker(waiting, partial(_look, treename=treename, package=version(PACKAGE)), None)
        found |= seen.get("found", {})
        bad = {failure.file: failure for failure in seen.get("bad", ())}
        if any(failure.kind != Kind.file for failure in bad.values()):
            break
    failures = [bad[name] for name in dataset_of if name in bad]
    if failures and (not skip_bad or not found or any(failure.kind != Kind.file for failure in failures)):
        lacking = any(failure.kind == Kind.worker for failure in failures)
        raise (WorkerError if lacking else InputError)("\n".join(str(failure) for failure in failures))
    chunks: list[Any] = []
    for name in dataset_of:
        if name in found:
            entries, uuid, _ = found[name]
            meta = FileMeta(dataset_of[name], name, treename, {"numentries": entries, "uuid": uuid})
            chunks.extend(meta.chunks(chunk_size, align_clusters=False))
    formats = sorted({kind for _, _, kind in found.values()})
    if len(formats) > 1:
        raise InputError(f"the files are {' and '.join(formats)}: coffea's Runner takes one format; run on each alone.")
    files = {name: f"{uuid.hex()}, {entries} events" for name, (entries, uuid, _) in found.items()}
    return Plan(chunks, tuple(failures), files, *formats)


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
