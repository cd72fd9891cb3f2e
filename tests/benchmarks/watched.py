"""A processor that corrects jets and notes, chunk by chunk, what that took of its process. Workers import it."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor

from coffea_mljec.models.engines.edgeconv import EdgeConvNetwork
from coffea_mljec.models.engines.pfn import PFNNetwork

__all__ = ["Empty", "Watched", "read_notes", "resident", "sessions"]

_EVERY = 20
"""Chunks of a process from one count of its sessions to the next: looking at every object takes 10 ms."""

_seen = 0


class Empty(processor.ProcessorABC):
    """Does nothing: what a chunk then takes is opening its file, and coffea's and dask's part."""

    def process(self, events: Any) -> dict[str, int]:
        return {"events": len(events)}

    def postprocess(self, accumulator: dict[str, int]) -> dict[str, int]:
        return accumulator


class Watched(processor.ProcessorABC):
    """Corrects the jets of a chunk, fills their pT, and writes a line about it.

    Parameters
    ----------
    provider : Provider
    notes : path
        A file that all workers of this machine append to.
    """

    def __init__(self, provider: Any, notes: str | os.PathLike[str]) -> None:
        self.provider = provider
        self.notes = os.fspath(notes)

    def process(self, events: Any) -> dict[str, Any]:
        started = time.perf_counter()
        pt = ak.flatten(self.provider.apply(events).pt).to_numpy()
        filled = hist.Hist(hist.axis.Regular(50, 0, 500, name="pt"), storage="int64").fill(pt)
        note = {"process": os.getpid(), "ended": time.time(), "seconds": time.perf_counter() - started, "jets": len(pt),
                "resident": resident(), "sessions": _counted()}  # fmt: skip
        with open(self.notes, "a") as file:  # one write a line: lines of two processes do not mix
            file.write(json.dumps(note) + "\n")
        return {"pt": filled, "events": len(events), "finite": int(np.isfinite(pt).sum())}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return accumulator


def read_notes(path: Path) -> list[dict[str, Any]]:
    """The lines that `Watched` wrote, in the order of time."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return sorted((json.loads(line) for line in lines), key=lambda note: note["ended"])


def resident(field: str = "VmRSS") -> float:
    """MB of this process: ``VmRSS`` now, ``VmHWM`` at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/self/status: this benchmark needs Linux")


def sessions() -> int:
    """Networks that are ready to run in this process, whoever made them: our own, and sessions of onnxruntime."""
    kinds: tuple[type, ...] = (EdgeConvNetwork, PFNNetwork)
    if "onnxruntime" in sys.modules:
        from onnxruntime import InferenceSession

        kinds = (*kinds, InferenceSession)
    # Not isinstance: that asks things for their class, and some answer with warnings.
    return sum(type(thing) in kinds for thing in gc.get_objects())


def _counted() -> int | None:
    """`sessions`, now and then."""
    global _seen
    _seen += 1
    return sessions() if _seen % _EVERY == 1 else None
