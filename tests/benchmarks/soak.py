"""Two thousand chunks on two dask workers: is memory flat, does a session leak, does it get slower? ``make soak``.

    python -m tests.benchmarks.soak [-o build/soak] [--chunks 2000] [--workers 2] [--events 100]

Chunks of the bundled sample go through `coffea_mljec.workers` with PFN-r Lite. Every chunk notes its time, its worker's
resident memory and, now and then, how many onnxruntime sessions live there; Ctrl-C ends it with a report of what was
done. Report (report.md, report.json, soak.png) and chunks.jsonl go to the output folder; the exit status is 1 if
something was found.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uproot
from coffea import processor

import coffea_mljec as mljec
from coffea_mljec import workers
from tests.benchmarks.places import ROOT, SAMPLE
from tests.benchmarks.watched import Watched, read_notes

__all__ = ["Verdict", "judged", "run"]

GROWTH = 20.0
"""MB that a worker may grow by from the second tenth of its chunks to the last."""
SLOWER = 0.10
"""Share of the first tenth's throughput by which the last tenth may be slower."""
TENTHS = 10


@dataclass(frozen=True)
class Verdict:
    """What the notes of a soak say.

    Attributes
    ----------
    throughput : list of float
        Jets a second, of all workers together, in each tenth of the chunks.
    milliseconds : list of float
        Median of a chunk, in each tenth.
    resident : dict of str to list of float
        Process -> median MB in each tenth of its chunks.
    sessions : dict of str to int
        Process -> most onnxruntime sessions that were alive in it at a time.
    growth, slower : float
        MB from the second tenth to the last, of the worker that grew most; 1 - last tenth / first tenth.
    """

    chunks: int
    jets: int
    seconds: float
    throughput: list[float]
    milliseconds: list[float]
    resident: dict[str, list[float]]
    sessions: dict[str, int]
    growth: float
    slower: float

    @property
    def findings(self) -> dict[str, bool]:
        """What was asked -> whether it is so."""
        last = 1 - self.slower
        return {
            f"memory is flat: the worker that grew most grew by {self.growth:.1f} MB from the second tenth to the last "
            f"(limit {GROWTH:g})": self.growth <= GROWTH,
            f"one session a process: at most {max(self.sessions.values())} alive": set(self.sessions.values()) == {1},
            f"throughput is stable: the last tenth has {100 * last:.0f} % of the first one's (limit "
            f"{100 * (1 - SLOWER):.0f})": self.slower <= SLOWER,
        }  # fmt: skip


def judged(notes: Sequence[dict[str, Any]], started: float) -> Verdict:
    """Judge the notes of all chunks, in the order of time; ``started`` is when the first chunk was handed out."""
    if len(notes) < 2 * TENTHS:
        raise ValueError(f"a soak is judged by tenths, each of two chunks at least: got {len(notes)} chunks")
    ended = np.array([note["ended"] for note in notes])
    jets = np.array([note["jets"] for note in notes])
    seconds = np.array([note["seconds"] for note in notes])
    parts = np.array_split(np.arange(len(notes)), TENTHS)
    began = [started, *(ended[part[-1]] for part in parts[:-1])]
    throughput = [float(jets[part].sum() / (ended[part[-1]] - at)) for part, at in zip(parts, began, strict=True)]
    resident: dict[str, list[float]] = {}
    sessions: dict[str, int] = {}
    for process in dict.fromkeys(note["process"] for note in notes):
        own = [note for note in notes if note["process"] == process]
        memory = np.array_split(np.array([note["resident"] for note in own]), min(TENTHS, len(own)))
        resident[str(process)] = [float(np.median(part)) for part in memory]
        sessions[str(process)] = max(note["sessions"] or 0 for note in own)
    growth = max(values[-1] - values[min(1, len(values) - 1)] for values in resident.values())
    return Verdict(
        len(notes), int(jets.sum()), float(ended[-1] - started), throughput,
        [1e3 * float(np.median(seconds[part])) for part in parts], resident, sessions, growth,
        1 - throughput[-1] / throughput[0],
    )  # fmt: skip


def in_blocks(source: Path, target: Path, events: int) -> int:
    """The same events with a basket a branch for so many of them, as in files of CMS; return how many blocks."""
    with uproot.open(source) as file:
        tree = file["Events"]
        counters = {f"n{name.partition('_')[0]}" for name in tree.keys()}  # noqa: SIM118 (no __iter__)
        arrays = {name: tree[name].array() for name in tree.keys() if name not in counters}  # noqa: SIM118
        total = tree.num_entries
    with uproot.recreate(target, compression=uproot.ZSTD(5)) as file:
        kinds = {name: array.type.content for name, array in arrays.items()}
        out = file.mktree("Events", kinds, counter_name=lambda branch: "n" + branch.partition("_")[0])
        for start in range(0, total, events):
            out.extend({name: array[start : start + events] for name, array in arrays.items()})
    return -(-total // events)


def run(client: Any, output: Path, chunks: int, events: int, profiler: bool = False) -> tuple[Verdict, bool]:
    """Correct ``chunks`` chunks of about ``events`` events; return the verdict and whether the result is exact.

    It is if the pT histogram of all chunks is that of one process, as many times as the sample was gone through. An
    interruption (Ctrl-C) ends the work; what was done is judged, and exactness is left open (False).
    """
    shutil.rmtree(output / "files", ignore_errors=True)
    (output / "files").mkdir(parents=True)
    notes = output / "chunks.jsonl"
    notes.unlink(missing_ok=True)
    sample = output / "sample.root"
    a_file = in_blocks(SAMPLE, sample, events)
    names = [output / "files" / f"sample-{number:04d}.root" for number in range(max(1, round(chunks / a_file)))]
    for name in names:
        name.symlink_to(sample.resolve())
    corrector = mljec.MLJEC("pfn-r-lite")
    client.register_plugin(workers.WarmUp(corrector))
    if not profiler:
        client.register_plugin(workers.StopProfiler())  # as the recipes of examples/clusters do
    size = {"chunk_size": events}
    here = processor.IterativeExecutor(status=False, retries=0)
    once = workers.run(here, {"sample": [str(sample)]}, Watched(corrector, os.devnull), **size).result
    fileset = {"sample": list(map(str, names))}
    started = time.time()
    try:
        done = workers.run(client, fileset, Watched(corrector, notes), **size).result
    except KeyboardInterrupt:
        return judged(read_notes(notes), started), False
    expected = once["pt"] * len(names)
    exact = np.array_equal(done["pt"].values(flow=True), expected.values(flow=True))
    return judged(read_notes(notes), started), bool(exact and done["finite"] == len(names) * once["finite"])


def report(verdict: Verdict, exact: bool, chunks: int) -> str:
    """The page, in markdown."""
    processes = list(verdict.resident)
    lines = [
        f"{verdict.chunks} chunks, {verdict.jets:,} jets in {verdict.seconds:.0f} s on {len(processes)} dask workers "
        "of one thread: PFN-r Lite through `coffea_mljec.workers`, files opened and read anew for every chunk. "
        f"Measured on {_machine()}.",
        "",
        f"| tenth | jets a second | ms a chunk | {' | '.join(f'MB, worker {n + 1}' for n in range(len(processes)))} |",
        f"|---:|---:|---:|{'---:|' * len(processes)}",
    ]  # fmt: skip
    for tenth in range(TENTHS):
        memory = [values[tenth] if tenth < len(values) else float("nan") for values in verdict.resident.values()]
        cells = [f"{verdict.throughput[tenth]:,.0f}", f"{verdict.milliseconds[tenth]:.1f}"]
        lines.append(f"| {tenth + 1} | {' | '.join([*cells, *(f'{value:.1f}' for value in memory)])} |")
    lines += ["", *(f"- {'yes' if so else 'NO'}: {what}" for what, so in verdict.findings.items())]
    lines.append(f"- {'yes' if exact else 'NO'}: the histogram is that of one process, bin for bin")
    if verdict.chunks < chunks:
        lines.append(f"- interrupted after {verdict.chunks} of {chunks} chunks")
    return "\n".join([*lines, "", "![Memory, time and throughput](soak.png)"]) + "\n"


def _machine() -> str:
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def draw(notes: Sequence[dict[str, Any]], verdict: Verdict, path: Path) -> None:
    """Resident memory and time of every chunk, throughput of every tenth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7), layout="constrained")
    memory, time_of, throughput = figure.subplots(3, 1)
    for number, process in enumerate(verdict.resident):
        own = [(n, note) for n, note in enumerate(notes) if str(note["process"]) == process]
        where, label = [n for n, _ in own], f"worker {number + 1}"
        memory.plot(where, [note["resident"] for _, note in own], label=label)
        time_of.plot(where, [1e3 * note["seconds"] for _, note in own], ".", markersize=2, label=label)
    memory.set(ylabel="resident memory (MB)", ylim=(0, None))
    memory.legend(loc="lower right")
    time_of.set(ylabel="time of a chunk (ms)", xlabel="chunk", ylim=(0, None))
    throughput.bar(range(1, TENTHS + 1), verdict.throughput)
    throughput.set(ylabel="jets a second", xlabel="tenth of the chunks")
    figure.savefig(path, dpi=110)


def main() -> int:
    """Return 0 if all is well, 1 if something was found or the work was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "soak")
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--events", type=int, default=100, help="events a chunk, about")
    parser.add_argument("--profiler", action="store_true", help="leave dask's profile of the workers on: memory grows")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    output = arguments.output
    with workers.local_cluster(arguments.workers) as client:
        verdict, exact = run(client, output, arguments.chunks, arguments.events, arguments.profiler)
    page = report(verdict, exact, arguments.chunks)
    (output / "report.md").write_text(page)
    content = asdict(verdict) | {"exact": exact, "findings": verdict.findings, "machine": _machine()}
    (output / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    draw(read_notes(output / "chunks.jsonl"), verdict, output / "soak.png")
    print(f"\n{page}\nwritten to {output}")
    return 0 if exact and all(verdict.findings.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
