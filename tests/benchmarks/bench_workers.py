"""What `apply` takes of a worker: its first call, memory over many chunks, threads side by side."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

import coffea_mljec as mljec
from coffea_mljec.nano import JetChunk
from tests.benchmarks.material import events_of
from tests.benchmarks.places import ROOT
from tests.benchmarks.timing import Topic
from tests.benchmarks.watched import resident

__all__ = ["first_call", "memory", "threads"]

MEMORY = 200.0
"""MB that a call may take beyond its inputs."""
GROWTH = 10.0
"""MB that a process may grow by over all chunks."""
_WARM = 50
"""Chunks before the first that counts: caches fill."""

_FIRST_CALL = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
started = time.perf_counter()
from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema
coffea = time.perf_counter()
import coffea_mljec as mljec
imported = time.perf_counter()
events = NanoEventsFactory.from_root({sys.argv[1]: "Events"}, schemaclass=PFNanoAODSchema, entry_stop=200).events()
corrector = mljec.MLJEC(sys.argv[2])
for branch in corrector.required_branches(events):
    table, _, field = branch.partition("_")
    if field and table in events.fields and field in events[table].fields:
        events[table][field].layout.to_packed()
read = time.perf_counter()
corrector.apply(events)
first = time.perf_counter()
corrector.apply(events)
print(json.dumps({
    "import coffea.nanoevents": coffea - started, "import coffea_mljec after it": imported - coffea,
    "first": first - read, "second apply": time.perf_counter() - first,
}))
"""


def first_call(file: Path, models: Sequence[str], rounds: int) -> list[Topic]:
    """Seconds until a fresh process has corrected its first chunk, by the clock on the wall."""
    topics = []
    for name in models:
        values: dict[str, list[float]] = {}
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                for kernels in ("compiled", "in the cache"):  # the first process fills the cache for the second
                    spent = _in_process(_FIRST_CALL, [str(file), name], {"NUMBA_CACHE_DIR": cache})
                    values.setdefault(f"first apply, kernels {kernels}", []).append(spent["first"])
            for what in ("import coffea.nanoevents", "import coffea_mljec after it", "second apply"):
                values.setdefault(what, []).append(spent[what])
        ways = {way: values[way] for way in ("first apply, kernels in the cache", *values)}
        topics.append(Topic(f"first call, {name}", "s", ways, note=f"200 events of {file.name}, columns in memory."))
    return topics


def _in_process(code: str, arguments: list[str], environment: dict[str, str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def memory(file: Path, models: Sequence[str], chunks: int = 200) -> list[Topic]:
    """MB that a process grows by over ``chunks`` chunks of many sizes, after some before them, and at most beyond a
    large chunk's inputs.

    Each model has a process of its own: what an earlier measurement left in the heap would be used again unseen.
    """
    topics = []
    for name in models:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            values = fresh.submit(_memory, file, name, name.startswith("particlenet"), chunks).result()
        limits = {way: GROWTH if way.startswith("grown") else MEMORY for way in values}
        topics.append(Topic(f"resident memory, {name}, {file.name}", "MB", values, limits=limits))
    return topics


def _memory(file: Path, model: str, heavy: bool, chunks: int) -> dict[str, list[float]]:
    warnings.simplefilter("ignore")
    corrector = mljec.MLJEC(model)
    events = events_of(file)
    stop = 60 if heavy else 400
    corrector(events_of(file, entry_stop=2))  # compiles
    peaks = []
    for share in (8, 1):
        part = events_of(file, entry_stop=(300 if heavy else len(events)) // share)
        for branch in corrector.required_branches(part):
            table, _, field = branch.partition("_")
            if field and table in part.fields and field in part[table].fields:
                part[table][field].layout.to_packed()
        _tidy()
        Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts anew
        before = resident("VmHWM")
        corrector(part)
        peaks.append(resident("VmHWM") - before)
    del part
    before = 0.0
    for chunk in range(-_WARM, chunks):
        if not chunk:
            _tidy()
            before = resident()
        start = chunk * 7 % (len(events) - stop)
        corrector(events_of(file, entry_start=start, entry_stop=start + 1 + chunk * 37 % stop))
    _tidy()
    return {
        f"grown over {chunks} chunks": [resident() - before],
        "at most above the inputs, an eighth of the chunk": [peaks[0]],
        "at most above the inputs, the whole chunk": [peaks[1]],
    }


def _tidy() -> None:
    """Give back what is free: all that is taken after it is seen, and what grows is in use."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def threads(file: Path, rounds: int) -> list[Topic]:
    """Batches side by side on the cores of this machine, by the clock on the wall; the numbers must be the same."""
    events = events_of(file)
    counts = [n for n in (1, 2, 4, 8) if n <= (os.cpu_count() or 1)]
    correctors = {n: mljec.MLJEC("pfn-r-lite", threads=n) for n in counts}
    results = {n: ak.flatten(corrector(events).pt).to_numpy() for n, corrector in correctors.items()}
    for values in results.values():
        np.testing.assert_array_equal(values, results[1])
    chunk = JetChunk.of(events)
    times: dict[str, list[float]] = {f"threads={n}": [] for n in counts}
    for _ in range(rounds):
        for n, corrector in correctors.items():
            start = time.perf_counter()
            corrector.pipeline.correction.network.evaluate(chunk)
            times[f"threads={n}"].append(1e6 * (time.perf_counter() - start) / len(chunk))
    note = f"features and network, wall clock; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    return [Topic("threads side by side", "us/jet", times, note=note)]
