"""One thread for the matrix products of numpy and scipy, for as long as somebody asks for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

__all__ = ["one_blas_thread"]

_LOCK = threading.Lock()
_state: dict[str, Any] = {"users": 0, "controller": None, "limit": ExitStack()}


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS libraries to one thread: on a shared worker node the other cores are somebody else's.

    BLAS knows one number for the whole process, so the first who enters sets it and the last who leaves restores what
    was there before; batches that run side by side share it.
    """
    with _LOCK:
        if not _state["users"]:
            if _state["controller"] is None:
                # A BLAS has to be loaded to be found: np.dot inside numba calls scipy's, numpy has one of its own.
                import scipy.linalg.cython_blas  # noqa: F401
                from threadpoolctl import ThreadpoolController

                _state["controller"] = ThreadpoolController()
            _state["limit"].enter_context(_state["controller"].limit(limits=1, user_api="blas"))
        _state["users"] += 1
    try:
        yield
    finally:
        with _LOCK:
            _state["users"] -= 1
            if not _state["users"]:
                _state["limit"].close()
