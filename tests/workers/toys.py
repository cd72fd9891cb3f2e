"""Processors small enough to know their answer, and to misbehave on demand; workers import them from here."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor


class Spectrum(processor.ProcessorABC):
    """Counts events, jets and the jets' pT, and notes in a folder which process did which chunk.

    Parameters
    ----------
    notes : path
        A folder that all processes see.
    kill : "once", "each" or "always", optional
        The second chunk of the file that ends in ``kill_file`` kills its process; "each": every later one does, once.
    stop_after : int, optional
        Chunks after which the run is interrupted, as by Ctrl-C.
    slow : float
        Seconds a chunk.
    hold_after : int, optional
        Chunks that were begun when the others wait for `release`.
    """

    def __init__(
        self,
        notes: Path,
        *,
        bins: int = 20,
        kill: str | None = None,
        kill_file: str = "b.root",
        stop_after: int | None = None,
        slow: float = 0.0,
        hold_after: int | None = None,
    ) -> None:
        self.bins = bins
        self.notes = str(notes)
        self.kill, self.kill_file = kill, kill_file
        self.stop_after = stop_after
        self.slow = slow
        self.hold_after = hold_after

    def process(self, events: Any) -> dict[str, Any]:
        where = events.metadata
        chunk = f"{Path(where['filename']).name}.{where['entrystart']}"
        if self.stop_after is not None and len(done(self.notes)) >= self.stop_after:
            raise KeyboardInterrupt
        note(self.notes, f"{chunk} {os.getpid()}")
        if self.kill and where["filename"].endswith(self.kill_file) and where["entrystart"] > 0:
            flag = Path(self.notes) / (f"killed-{chunk}" if self.kill == "each" else "killed")
            if self.kill == "always" or not flag.exists():
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.slow)
        while self.hold_after is not None and len(done(self.notes)) >= self.hold_after and not released(self.notes):
            time.sleep(0.02)
        return self.counted(events, self.bins)

    @staticmethod
    def counted(events: Any, bins: int = 20) -> dict[str, Any]:
        """What there is in some events."""
        pt = np.asarray(ak.flatten(events.Jet.pt))
        axis = hist.axis.Regular(bins, 0, 400, name="pt", label="pT (GeV)")
        return {
            "events": len(events),
            "kinds": Counter(np.floor(pt / 100).astype(int).tolist()),
            "pt": hist.Hist(axis, storage="int64").fill(pt),
            "weighted": hist.Hist(axis, storage="weight").fill(pt, weight=pt),
        }

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return accumulator | {"finished": True}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        note(self.notes, f"unpickled {os.getpid()}")


class Meddling(Spectrum):
    """Does something to the file ``b.root`` when its second chunk is open and not yet read."""

    def __init__(self, notes: Path, fault: Callable[[Path], None]) -> None:
        super().__init__(notes)
        self.fault = fault

    def process(self, events: Any) -> dict[str, Any]:
        where, flag = events.metadata, Path(self.notes) / "meddled"
        if where["filename"].endswith("b.root") and where["entrystart"] == 20 and not flag.exists():
            flag.touch()
            self.fault(Path(where["filename"]))
        return super().process(events)


class Locked(Spectrum):
    """Cannot be pickled."""

    def __init__(self, notes: Path) -> None:
        super().__init__(notes)
        self.lock = threading.Lock()


class Broken(Spectrum):
    """Has a mistake in it."""

    def process(self, events: Any) -> dict[str, Any]:
        return {"ratio": len(events) / (len(events) - len(events))}


def note(folder: str, text: str) -> None:
    with open(Path(folder) / "log", "a") as file:
        file.write(text + "\n")


def release(folder: str | Path) -> None:
    """Let all chunks go on."""
    (Path(folder) / "released").touch()


def released(folder: str | Path) -> bool:
    return (Path(folder) / "released").exists()


def done(folder: str | Path) -> list[str]:
    """The chunks that were begun."""
    log = Path(folder) / "log"
    return [line for line in log.read_text().splitlines() if ".root." in line] if log.exists() else []


def unpickled(folder: Path) -> Counter[str]:
    """Process -> how often the processor arrived there."""
    lines = (folder / "log").read_text().splitlines()
    return Counter(line.split()[1] for line in lines if line.startswith("unpickled"))


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Bin for bin; weighted sums to 1e-12."""
    np.testing.assert_allclose(one["weighted"].values(flow=True), other["weighted"].values(flow=True), rtol=1e-12)
    assert one["events"] == other["events"] > 0
    assert one["kinds"] == other["kinds"]
    return bool(one["pt"] == other["pt"]) and one["pt"].sum(flow=True) > 0
