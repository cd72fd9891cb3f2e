"""How long a test waits: no statement about speed, but a last resort against hanging on a machine that is busy."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["PATIENCE", "wait_until"]

PATIENCE = 1200
"""Seconds."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Look every 20 ms whether the condition holds; fail after `PATIENCE`."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, f"waited {PATIENCE} s in vain"
        time.sleep(0.02)
