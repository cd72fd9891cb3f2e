"""Processes of this machine that were stopped for good: they are killed, so that others do their work."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coffea_mljec import defaults

__all__ = ["is_stopped", "stopped_ones_killed"]

_LOOKS = 10


def is_stopped(process: int) -> bool:
    """Whether a process was stopped by SIGSTOP or SIGTSTP, as Linux tells it; False where nobody knows."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "T"


@contextmanager
def stopped_ones_killed(processes: Callable[[], Iterable[int]]) -> Iterator[None]:
    """While the block runs, kill those processes that stay stopped for `coffea_mljec.defaults.WORKER_PATIENCE`.

    Ctrl-Z stops this process as well, which counts nothing then; ``fg`` lets all of them go on.

    Parameters
    ----------
    processes : callable
        Gives their numbers.
    """
    over = threading.Event()
    seen: Counter[int] = Counter()

    def look() -> None:
        while not over.wait(defaults.WORKER_PATIENCE / _LOOKS):
            for process in list(processes()):
                seen[process] = seen[process] + 1 if is_stopped(process) else 0
                if seen[process] >= _LOOKS:
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)

    looker = threading.Thread(target=look, daemon=True, name="coffea-mljec-looks-for-stopped-processes")
    looker.start()
    try:
        yield
    finally:
        over.set()
        looker.join()
