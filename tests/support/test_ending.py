"""Processes that are told to end, or whose parent has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE, wait_until

WRITES = """
import os, signal, sys, time
from pathlib import Path
from coffea_mljec.support.atomic import whole_file
from coffea_mljec.support.ending import end_on_signals, serve_parent
{how}()
with whole_file(Path(sys.argv[1]) / "x"):
    (Path(sys.argv[1]) / "ready").write_text(str(os.getpid()))
    time.sleep({patience})
"""
STARTS = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]]).wait()
"""


def started(tmp_path: Path, *command: str) -> tuple[subprocess.Popen[bytes], int]:
    """A command, and the process that says it is ready."""
    process = subprocess.Popen([sys.executable, "-c", command[0], str(tmp_path), *command[1:]])
    ready = tmp_path / "ready"
    wait_until(lambda: ready.exists() and ready.read_text() != "")
    assert len(list(tmp_path.glob(".x.*.part"))) == 1
    return process, int(ready.read_text())


@pytest.mark.parametrize(
    ("how", "number", "ignored"),
    [
        ("end_on_signals", signal.SIGTERM, signal.SIGHUP),
        ("end_on_signals", signal.SIGHUP, signal.SIGTERM),
        ("serve_parent", signal.SIGTERM, signal.SIGINT),
    ],
)
def test_nothing_half_written_stays(tmp_path, how, number, ignored):
    # What the tests themselves ignore, under nohup, a child would ignore too.
    as_usual = signal.signal(number, signal.SIG_DFL)
    before = signal.signal(ignored, signal.SIG_IGN if how == "end_on_signals" else signal.default_int_handler)
    process, _ = started(tmp_path, WRITES.format(how=how, patience=PATIENCE))
    signal.signal(ignored, before)
    signal.signal(number, as_usual)
    process.send_signal(ignored)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 128 + number
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]


def test_a_worker_ends_with_its_parent(tmp_path):
    parent, child = started(tmp_path, STARTS, WRITES.format(how="serve_parent", patience=PATIENCE))
    parent.kill()
    parent.wait(PATIENCE)

    def gone() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    wait_until(gone)
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
