"""One and two local dask workers, and what a chunk costs that does nothing."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from coffea import processor

import coffea_mljec as mljec
from coffea_mljec import workers
from coffea_mljec.nano import quiet_coffea
from tests.benchmarks.timing import Topic
from tests.benchmarks.watched import Empty, Watched

__all__ = ["local_workers", "overhead", "scaling"]


@contextmanager
def local_workers(*counts: int) -> Iterator[dict[int, workers.ClusterExecutor]]:
    """An executor on a local cluster for each number of workers, of one thread each; all warmed up."""
    with ExitStack() as stack:
        found = {}
        for count in counts:
            client = stack.enter_context(workers.local_cluster(count))
            client.register_plugin(workers.WarmUp(mljec.MLJEC("pfn-r-lite")))
            client.register_plugin(workers.StopProfiler())
            found[count] = workers.ClusterExecutor(client=client, status=False, retries=0)
        yield found


def links(folder: Path, file: Path, number: int) -> dict[str, list[str]]:
    """A fileset of one file under many names, so that it is read again."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"{file.stem}-{n:03d}.root" for n in range(number)]
    for name in names:
        name.unlink(missing_ok=True)
        name.symlink_to(file)
    return {"linked": list(map(str, names))}


def scaling(folder: Path, file: Path, rounds: int, files: int = 18) -> list[Topic]:
    """PFN-r Lite over the same chunks on one and on two workers, by the clock on the wall; two should take half.

    The same work in one and two plain processes, which say nothing to each other, is what the machine allows.
    """
    fileset = links(folder / "scaling", file, files)
    inner = Watched(mljec.MLJEC("pfn-r-lite"), os.devnull)
    times: dict[str, list[float]] = {}
    with local_workers(1, 2) as executors, ExitStack() as stack:
        plan = workers.plan_of(executors[1], fileset, chunk_size=500)
        alone = {
            count: stack.enter_context(ProcessPoolExecutor(count, mp_context=get_context("spawn"))) for count in (1, 2)
        }
        for number in range(rounds + 1):
            for count in (2, 1):
                spent = {}
                start = time.perf_counter()
                jets = workers.process(executors[count], plan, inner).result["finite"]
                spent[f"{count} worker{'s' if count > 1 else ''}"] = time.perf_counter() - start
                start = time.perf_counter()
                assert sum(alone[count].map(_by_itself, fileset["linked"])) == jets
                spent[f"{count} plain process{'es' if count > 1 else ''}"] = time.perf_counter() - start
                if number:  # the first round warms up
                    for way, seconds in spent.items():
                        times.setdefault(way, []).append(1e6 * seconds / jets)
    allowed = np.median(times["1 plain process"]) / np.median(times["2 plain processes"])
    note = (
        f"reading and apply through coffea_mljec.workers, {len(plan.chunks)} chunks, wall clock; load of the machine "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, on which the scheduler runs too. "
        f"Plain processes, without any scheduler: two are {allowed:.2f} times one."
    )
    return [Topic("dask workers", "us/jet", times, {"1 worker": 1.9}, note)]


def _by_itself(file: str) -> int:
    """Jets of a file, corrected in this process."""
    warnings.simplefilter("ignore")
    quiet_coffea()
    here = processor.IterativeExecutor(status=False, retries=0)
    plan = workers.plan_of(here, {"linked": [file]}, chunk_size=500)
    return int(workers.process(here, plan, Watched(mljec.MLJEC("pfn-r-lite"), os.devnull)).result["finite"])


def overhead(folder: Path, file: Path, rounds: int, chunks: int = 100) -> list[Topic]:
    """Milliseconds a chunk that does nothing takes on the same way: coffea's, dask's and the scheduler's part."""
    fileset = links(folder / "overhead", file, 10)
    here = processor.IterativeExecutor(status=False, retries=0)
    times: dict[str, list[float]] = {}
    with local_workers(1, 2) as executors:
        plan = workers.plan_of(here, fileset, chunk_size=_events(here, fileset) // (chunks // 10))
        n = len(plan.chunks)
        for number in range(rounds + 1):
            found = {}
            for title, executor, count in (
                ("one worker of a dask cluster", executors[1], 1),
                ("two workers, of each one's time", executors[2], 2),
                ("no cluster: coffea opens the file", here, 1),
            ):
                start, busy = time.perf_counter(), time.process_time()
                workers.process(executor, plan, Empty())
                found[title] = 1e3 * (time.perf_counter() - start) * count / n
                if count == 2:
                    found["scheduler and client, processor time"] = 1e3 * (time.process_time() - busy) / n
            if number:
                for title, value in found.items():
                    times.setdefault(title, []).append(value)
    note = (
        f"{n} chunks of a processor that does nothing, through coffea_mljec.workers, wall clock where nothing else is "
        "said. Scheduler and client share a process here."
    )
    return [Topic("overhead of a chunk", "ms/chunk", times, note=note)]


def _events(executor: Any, fileset: dict[str, list[str]]) -> int:
    """Events of one file."""
    (chunk,) = workers.plan_of(executor, {"one": fileset["linked"][:1]}, chunk_size=1_000_000_000).chunks
    return int(chunk.entrystop)
