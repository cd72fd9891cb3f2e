"""Work on many files by several processes, its results in the files' order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from coffea_mljec.errors import InputError

__all__ = ["in_order"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Sequence[Item], workers: int = 1) -> Iterator[Result]:
    """Yield ``function(item)`` of every item, in their order.

    Parameters
    ----------
    function : callable
        With more than one worker it is pickled: a function of a module, or a `functools.partial` of one.
    items : sequence
    workers : int
        Processes; 1 works in this one.

    Raises
    ------
    InputError
        If there is less than one worker. What ``function`` raises passes through, at its item's turn.
    """
    if workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")
    if workers == 1 or len(items) < 2:
        yield from map(function, items)
        return
    # Spawned: a forked process hangs once its parent has read a file by uproot's threads.
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        yield from pool.map(function, items)


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
