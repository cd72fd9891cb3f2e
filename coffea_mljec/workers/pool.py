"""Work on many files by several processes, its results in the files' order."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

import loky

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.support.ending import serve_parent

__all__ = ["cause_of", "end", "in_order"]

_GRACE = 5.0
"""Seconds in which a process that was told to end removes its unfinished files."""

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
    pool = loky.get_reusable_executor(workers, initializer=serve_parent, env={"OMP_NUM_THREADS": "1"})
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
    except (KeyboardInterrupt, SystemExit):
        end(pool)  # without this, Python waits for what is under way
        raise
    finally:
        for _, future in running:
            future.cancel()


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


def _killed(items: Sequence[Any], workers: int, error: BaseException) -> str:
    under_way = ", ".join(map(str, items[:workers]))
    return (
        f"a process died while {under_way} were under way ({cause_of(error)}). It ran out of memory (give fewer "
        "--workers) or crashed. What was finished stays in the cache or production, if there is one"
    )
