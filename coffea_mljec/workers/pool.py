"""Work on many files by several processes or a dask cluster, its results in the files' order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

import loky

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.support.ending import serve_parent
from coffea_mljec.workers.cluster import ClusterExecutor
from coffea_mljec.workers.loky_end import cause_of, end
from coffea_mljec.workers.ordered import cluster_in_order

__all__ = ["Workers", "check_number", "in_order"]

Workers = int | ClusterExecutor
"""Where work runs: on so many processes of this machine, or on a cluster."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Sequence[Item], workers: Workers = 1) -> Generator[Result]:
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
    workers : int or ClusterExecutor
        Processes; 1 works in this one. Their linear algebra has one thread each. Or a cluster, whose workers see the
        files of this machine that function and items name.

    Raises
    ------
    InputError
        If there is less than one worker. What ``function`` raises passes through, at its item's turn.
    WorkerError
        If a process is killed; what was under way is named. Of a cluster, see `coffea_mljec.workers.ordered`.
    """
    check_number(workers)
    if isinstance(workers, ClusterExecutor):
        yield from cluster_in_order(workers, function, items, "the work")
        return
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


def check_number(workers: Workers) -> None:
    """Raise InputError for less than one process."""
    if isinstance(workers, int) and workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")


def _killed(items: Sequence[Any], workers: int, error: BaseException) -> str:
    under_way = ", ".join(map(str, items[:workers]))
    return (
        f"a process died while {under_way} were under way ({cause_of(error)}). It ran out of memory (give fewer "
        "--workers) or crashed. What was finished stays in the cache or production, if there is one"
    )
