"""A coffea processor over files, anywhere: exact results, or an error that names file and worker."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from coffea import processor

from coffea_mljec import defaults
from coffea_mljec.errors import InputError, MLJECError, WorkerError
from coffea_mljec.nano.first_file import FirstFile, deciding
from coffea_mljec.support.fingerprint import fingerprint
from coffea_mljec.workers.checkpoints import Checkpoints, Progress
from coffea_mljec.workers.cluster import ClusterExecutor
from coffea_mljec.workers.files import Plan, plan_of
from coffea_mljec.workers.fileset import Fileset
from coffea_mljec.workers.guard import PACKAGE, Failure, Kind, guarded, part_of
from coffea_mljec.workers.parcel import packed, parcelled
from coffea_mljec.workers.planned import check_same_file
from coffea_mljec.workers.processes import ProcessesExecutor
from coffea_mljec.workers.watch import states_of

__all__ = ["Outcome", "process", "run"]


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    Attributes
    ----------
    result
        What the processor accumulated, after its `postprocess`.
    skipped : tuple of Failure
        Files, and parts of files, that were left out because they could not be read.
    chunks : int
        How many chunks the result is made of.
    resumed : int
        How many of them came from checkpoints.
    """

    result: Any
    skipped: tuple[Failure, ...]
    chunks: int
    resumed: int


def run(
    where: Any,
    fileset: Fileset,
    inner: Any,
    *,
    treename: str = "Events",
    schema: Any = None,
    chunk_size: int | None = None,
    chunksize: int | None = None,
    skip_bad: bool = False,
    checkpoints: Checkpoints | None = None,
) -> Outcome:
    """Run a coffea processor over files with coffea's Runner.

    Parameters
    ----------
    where : distributed.Client or coffea executor
        A cluster, or anything else that coffea runs on.
    fileset : mapping or path
        Dataset -> files, as the workers see them, in any form of coffea's: a list; file -> tree; a dictionary with
        ``files`` and ``metadata``, which the events then carry; what coffea's ``dataset_tools.preprocess`` made, of
        which the steps are kept and the UUIDs checked; the path of a JSON file with one of these.
    inner : ProcessorABC or function of events
    treename : str
        Where the fileset names none.
    schema : class of coffea's BaseSchema, optional
        How the files are read; PFNanoAODSchema, which reads any NanoAOD, by default.
    chunk_size : int, optional
        Events a chunk, about; `coffea_mljec.defaults.CHUNK_SIZE` by default. Longer steps are divided.
    chunksize : int, optional
        The same, as coffea spells it.
    skip_bad : bool
        Leave out what cannot be read and list it, instead of refusing.
    checkpoints : Checkpoints, optional
        Where a run that is interrupted can be taken up again.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        With what the processor refused or what cannot be read, chunk by chunk; if the fileset mixes trees, formats or
        schemas, the processor cannot be pickled, no event could be read, or the checkpoints are of another
        configuration.
    WorkerError
        If a worker or the cluster cannot do the work.
    RuntimeError
        With the worker's traceback, for a mistake in the processor.
    """
    executor = where if isinstance(where, processor.executor.ExecutorBase) else ClusterExecutor(client=where)
    schema = _checked_schema(schema)
    size = _checked_size(chunk_size, chunksize)
    plan = plan_of(executor, fileset, treename=treename, chunk_size=size, skip_bad=skip_bad)
    return process(executor, plan, inner, schema=schema, skip_bad=skip_bad, checkpoints=checkpoints)


def _checked_schema(schema: Any) -> Any:
    from coffea.nanoevents import BaseSchema

    if schema is not None and not (isinstance(schema, type) and issubclass(schema, BaseSchema)):
        raise InputError(
            f"schema must be one class of coffea's BaseSchema, such as NanoAODSchema, for all files; got {schema!r}. "
            "Run datasets of different schemas on their own."
        )
    return schema


def _checked_size(chunk_size: int | None, chunksize: int | None) -> int:
    if chunk_size is not None and chunksize is not None:
        raise InputError(f"chunk_size={chunk_size} and chunksize={chunksize} are the same; give one of them.")
    given = chunksize if chunk_size is None else chunk_size
    size = defaults.CHUNK_SIZE if given is None else given
    if size < 1:
        raise InputError(f"chunk_size must be 1 or more, got {size}.")
    return size


def process(
    executor: Any,
    plan: Plan,
    inner: Any,
    *,
    schema: Any = None,
    skip_bad: bool = False,
    checkpoints: Checkpoints | None = None,
) -> Outcome:
    """The second half of `run`, on a plan that `plan_of` made."""
    unfinished = _Unfinished(inner, plan.first)
    content = b"" if isinstance(executor, processor.IterativeExecutor) else packed(unfinished, type(inner).__name__)
    progress = Progress() if checkpoints is None else checkpoints.start(_configuration(plan, inner, schema))
    progress.skipped |= set(plan.skipped)
    left_out = {(failure.file, failure.start, failure.stop) for failure in progress.skipped}
    waiting = [chunk for chunk in plan.chunks if _key(chunk) not in progress.done | left_out]
    resumed = len(progress.done)
    # coffea's Runner itself sends a processor once to each dask worker, but with every chunk to a local process.
    with parcelled(content) if isinstance(executor, ProcessesExecutor) else nullcontext(unfinished) as sent:
        size = len(waiting) if checkpoints is None else 4 * _width(executor)
        while waiting:
            block, waiting = waiting[:size], waiting[size:]
            started = time.monotonic()
            whole = not waiting and not progress.done
            where = "" if whole else f" (from chunk {len(progress.done) + 1} of {len(plan.chunks)})"
            runner = _Attempts(executor.copy(desc=executor.desc + where), plan.format, schema, sent)
            _block(runner, block, progress, skip_bad)
            if waiting and checkpoints is not None:
                checkpoints.save(progress)
                # Blocks grow to the interval: at the end of each the workers wait for the slowest of them.
                took = max(time.monotonic() - started, 1e-3)
                size = max(1, min(4 * size, round(size * checkpoints.interval / took)))
    _check_complete(plan, progress)
    if progress.result is None:
        raise InputError("no event could be read:\n" + "\n".join(map(str, sorted(progress.skipped))))
    result = inner.postprocess(progress.result) if hasattr(inner, "postprocess") else progress.result
    return Outcome(result, tuple(sorted(progress.skipped)), len(progress.done), resumed)


@dataclass(frozen=True)
class _Attempts:
    """coffea's Runner, guarded."""

    executor: Any
    format: str
    schema: Any
    sent: Any

    def __call__(self, chunks: list[Any], attempt: int) -> Any:
        from coffea.nanoevents import PFNanoAODSchema

        executor = guarded(self.executor, attempt)
        runner = processor.Runner(executor=executor, schema=self.schema or PFNanoAODSchema, format=self.format)
        with _adding_up():
            return runner(chunks, self.sent)


def _block(attempts: _Attempts, chunks: list[Any], progress: Progress, skip_bad: bool) -> None:
    """Work on some chunks; a file that could not be read and a worker that could not work get a second attempt."""
    failures: list[Failure] = []
    for attempt in range(2):
        out = attempts(chunks, attempt)
        progress.done |= out.get("done", set())
        if "result" in out:
            with _adding_up():
                progress.result = processor.accumulate([out["result"]], progress.result)
        failures = sorted(out.get("failures", ()))
        again = {(failure.file, failure.start, failure.stop) for failure in failures}
        if not failures or any(failure.kind in (Kind.refused, Kind.fault) for failure in failures):
            break
        chunks = [chunk for chunk in chunks if _key(chunk) in again]
    fatal = [failure for failure in failures if not (skip_bad and failure.kind == Kind.file)]
    if not fatal:
        progress.skipped |= set(failures)
        return
    text = "\n".join(_once_a_message(fatal))
    if any(failure.kind == Kind.fault for failure in fatal):
        raise RuntimeError(text)
    raise (WorkerError if any(failure.kind == Kind.worker for failure in fatal) else InputError)(text)


def _once_a_message(failures: list[Failure]) -> list[str]:
    """Each message with the first chunk that it is about, and how many more there are."""
    first: dict[tuple[str, str], Failure] = {}
    more: dict[tuple[str, str], int] = {}
    for failure in failures:
        key = (failure.file, failure.message)
        more[key] = more.get(key, -1) + 1
        first.setdefault(key, failure)
    rest = {key: f", and {count} more chunks of it" if count else "" for key, count in more.items()}
    return [f"{failure}{rest[key]}" for key, failure in first.items()]


class _Unfinished(processor.ProcessorABC):
    """A processor whose `postprocess` waits until all blocks are there, that sees no file but the planned one, and
    whose choices are those of the first file of the data set."""

    def __init__(self, inner: Any, first: Mapping[str, FirstFile]) -> None:
        self.inner = inner
        self.first = first

    def process(self, events: Any) -> Any:
        check_same_file(events)
        with deciding(self.first.get(events.metadata["dataset"])):
            return self.inner.process(events) if isinstance(self.inner, processor.ProcessorABC) else self.inner(events)

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


@contextmanager
def _adding_up() -> Iterator[None]:
    """The work's own errors come back as results: what is raised comes from adding results up."""
    try:
        yield
    except MLJECError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the results of two chunks do not add up ({error}): a processor must give histograms with the same axes, "
            "and containers of the same kind, for every chunk."
        ) from None


def _check_complete(plan: Plan, progress: Progress) -> None:
    """Every chunk is in the result or in the list of what was skipped."""
    accounted = progress.done | {(failure.file, failure.start, failure.stop) for failure in progress.skipped}
    lost = [chunk for chunk in plan.chunks if _key(chunk) not in accounted]
    if lost:
        raise WorkerError(
            f"{len(lost)} of {len(plan.chunks)} chunks are not in the result, the first {part_of(lost[0])}: the "
            "executor lost them. Run again."
        )


def _configuration(plan: Plan, inner: Any, schema: Any) -> dict[str, str]:
    """Everything on which a result depends, under names that a person knows."""
    try:
        settings = {name: fingerprint(value) for name, value in sorted(vars(inner).items())}
    except TypeError as error:
        raise InputError(f"{type(inner).__name__} cannot be sent to workers or kept in checkpoints: {error}.") from None
    described = {f"setting {name}": digest for name, digest in settings.items() if name != "providers"}
    for name, provider in getattr(inner, "providers", {}).items():
        described[f"correction {name!r}"] = fingerprint(provider)
    return described | {
        PACKAGE: version(PACKAGE),
        "processor": f"{type(inner).__module__}.{type(inner).__qualname__}",
        "files": fingerprint([(os.fspath(name), what) for name, what in plan.files.items()]),
        "chunks": fingerprint([_key(chunk) for chunk in plan.chunks]),
        "datasets": fingerprint([(chunk.dataset, chunk.usermeta) for chunk in plan.chunks]),
        "schema": "PFNanoAODSchema" if schema is None else schema.__qualname__,
    }


def _key(chunk: Any) -> tuple[str, int, int]:
    return chunk.filename, chunk.entrystart, chunk.entrystop


def _width(executor: Any) -> int:
    """How many chunks are worked on at a time."""
    client = getattr(executor, "client", None)
    if client is not None:
        try:
            return max(1, sum(state["nthreads"] for state in states_of(client, defaults.WORKER_PATIENCE).values()))
        except OSError:
            return 1  # the executor says what is the matter with its cluster
    return max(1, int(getattr(executor, "workers", 1)))
