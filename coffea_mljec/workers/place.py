"""Where this code runs, in words that lead a person to the machine."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

__all__ = ["here"]


def here() -> str:
    """Name this process: a dask worker by its address and name, any other by its number and host."""
    process = f"process {os.getpid()} on {socket.gethostname()}"
    worker = _dask_worker()
    return process if worker is None else f"worker {worker.address} ({worker.name}, {process})"


def _dask_worker() -> Any:
    # A process that never imported distributed is no worker of it, and need not import it to learn that.
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_worker()
    except (ValueError, AttributeError):  # not on a worker, or not in one of its tasks
        return None
