"""How pools of processes end: within seconds, and why they did."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Any

__all__ = ["cause_of", "end"]

_GRACE = 5.0
"""Seconds in which a process that was told to end removes its unfinished files."""


def end(pool: Any) -> None:
    """End the processes of a loky pool within seconds: they are told to, and killed if they do not."""
    processes = list(pool._processes.values())
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    pool.shutdown(wait=True, kill_workers=True)


def cause_of(error: BaseException) -> str:
    """Why a process died, as far as its pool knows: one line."""
    cause = str(error.__cause__ or error).strip().splitlines()
    return cause[-1] if cause else "no reason"
