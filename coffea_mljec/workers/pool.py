"""Work on many files by several processes, its results in the files' order."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

import loky

from coffea_mljec.errors import InputError, WorkerError

__all__ = ["cause_of", "in_order"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Sequence[Item], workers: int = 1) -> Generator[Result]:
    """Yield ``function(item)`` of every item, in their order.

    Twice as many items as processes are under way at most: a slow consumer finds few results in memory, and little is
    lost when it stops. The processes serve the next call too, unless they idle for ten seconds: starting one takes
    seconds.

    Parameters
    ----------
    function : callable
        With more than one worker it is pickled.
    items : sequence
        With more than one worker they are pickled.
    workers : int
        Processes; 1 works in this one. Their linear algebra has one thread each.

    Raises
    ------
    InputError
        If there is less than one worker. What ``function`` raises passes through, at its item's turn.
    WorkerError
        If a process is killed; what was under way is named.
    """
    if workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")
    if workers == 1 or len(items) < 2:
        yield from map(function, items)
        return
    # loky starts fresh processes: a forked one hangs once its parent has read a file by uproot's threads.
    pool = loky.get_reusable_executor(workers, initializer=_ignore_interrupts, env={"OMP_NUM_THREADS": "1"})
    waiting = iter(items)
    running: deque[tuple[Item, Future[Result]]] = deque()
    try:
        while True:
            running.extend((item, pool.submit(function, item)) for item in islice(waiting, 2 * workers - len(running)))
            if not running:
                return
            yield running[0][1].result()
            running.popleft()
    except BrokenProcessPool as error:
        raise WorkerError(_killed([item for item, _ in running], workers, error)) from None
    finally:
        for _, future in running:
            future.cancel()


def _ignore_interrupts() -> None:
    # Ctrl-C goes to the whole group of processes: only the parent acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def cause_of(error: BaseException) -> str:
    """Why a process died, as far as its pool knows: one line."""
    cause = str(error.__cause__ or error).strip().splitlines()
    return cause[-1] if cause else "no reason"


def _killed(items: Sequence[Any], workers: int, error: BaseException) -> str:
    under_way = ", ".join(map(str, items[:workers]))
    return (
        f"a process died while {under_way} were under way ({cause_of(error)}). It ran out of memory (give fewer "
        "--workers) or crashed. What was finished stays in the cache or production, if there is one"
    )
