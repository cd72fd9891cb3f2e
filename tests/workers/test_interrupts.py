"""A command that is told to end: within seconds nothing of it is left, no process and no half-written file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE, wait_until

psutil = pytest.importorskip("psutil")
pytestmark = pytest.mark.slow
START = "from coffea_mljec.cli import main; main()"


class Command:
    """``mljec apply`` on copies of the sample, in a group of processes and a folder for temporary files of its own."""

    def __init__(self, sample: Path, folder: Path, *options: str) -> None:
        self.output, self.temporary = folder / "friends", folder / "tmp"
        self.temporary.mkdir()
        self.output.mkdir()
        names = [folder / f"{number}.root" for number in range(20)]
        for name in names:
            name.symlink_to(sample)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from coffea_mljec.cli import main; main()",
                "apply",
                *names,
                "-o",
                self.output,
                *options,
            ],
            env=os.environ | {"TMPDIR": str(self.temporary)},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_files(self) -> None:
        """Until it is writing."""
        wait_until(lambda: any(self.output.glob(".*.part")) or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()[1]

    def living(self) -> list[Any]:
        """Its group."""
        group = self.process.pid
        found = []
        for one in psutil.process_iter():
            try:
                if os.getpgid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def left_behind(self) -> list[str]:
        """Files that are not whole friend trees."""
        files = [*self.output.iterdir(), *self.temporary.rglob("*")]
        return [str(path) for path in files if not path.name.endswith("_mljec.root")]


@pytest.fixture
def command(sample: Path, tmp_path: Path) -> Any:
    started: list[Command] = []

    def start(*options: str) -> Command:
        started.append(Command(sample, tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        for process in one.living():
            process.kill()
        one.process.communicate()


@pytest.mark.parametrize(
    ("number", "status", "options"),
    [
        (signal.SIGTERM, 143, ("--workers", "2")),
        pytest.param(signal.SIGINT, 130, ("--workers", "2"), marks=pytest.mark.faults),
        pytest.param(signal.SIGTERM, 143, (), marks=pytest.mark.faults),
        pytest.param(signal.SIGTERM, 143, ("--workers", "2", "--executor", "dask"), marks=pytest.mark.faults),
        pytest.param(signal.SIGINT, 130, ("--workers", "2", "--executor", "dask"), marks=pytest.mark.faults),
    ],
)
def test_a_command_that_is_told_to_end(command, number, status, options):
    if "dask" in options:
        pytest.importorskip("distributed")
        pytest.importorskip("cryptography")
    running = command(*options)
    running.wait_for_files()
    assert len(running.living()) >= (2 if options else 1)
    if number == signal.SIGINT:
        os.killpg(running.process.pid, number)  # as a terminal does
    else:
        running.process.send_signal(number)
    said = running.process.communicate(timeout=PATIENCE)[1]
    assert "Traceback" not in said, said
    assert running.process.returncode == status
    wait_until(lambda: not running.living())
    assert running.left_behind() == []
