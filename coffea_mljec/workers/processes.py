"""Processes of this machine, replaced when one of them dies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import loky
from coffea.processor import FuturesExecutor, accumulate

from coffea_mljec.errors import WorkerError
from coffea_mljec.nano import quiet_coffea
from coffea_mljec.support.ending import serve_parent
from coffea_mljec.support.progress import progress
from coffea_mljec.workers.guard import part_of
from coffea_mljec.workers.loky_end import cause_of, end
from coffea_mljec.workers.stopped import stopped_ones_killed

__all__ = ["ProcessesExecutor", "processes"]


class Processes:
    """Worker processes, kept from call to call; new ones once they are broken."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._pool: Any = None

    def alive(self) -> Any:
        """A pool that works."""
        if self._pool is None or self._pool._flags.broken is not None:
            self._pool = loky.ProcessPoolExecutor(self.number, initializer=_start)
        return self._pool

    def numbers(self) -> list[int]:
        """The processes, by number."""
        return [] if self._pool is None else list(self._pool._processes)

    def close(self, at_once: bool) -> None:
        """End the processes, after their work or at once."""
        pool, self._pool = self._pool, None
        if pool is not None and at_once:
            end(pool)
        elif pool is not None:
            pool.shutdown(wait=True)


def _start() -> None:
    quiet_coffea()
    serve_parent()


@dataclass
class ProcessesExecutor(FuturesExecutor):
    """coffea's FuturesExecutor on processes of this machine that are replaced when one of them dies.

    What was in work when a process died is done again, one item at a time: the result is that of an undisturbed run, or
    an error that names the item which kills its process each time. A process that stays stopped counts as dead after
    `coffea_mljec.defaults.WORKER_PATIENCE`. `processes` makes one.
    """

    processes: Processes = field(default_factory=lambda: Processes(1))

    def __call__(self, items: Iterable[Any], function: Callable[[Any], Any], accumulator: Any) -> tuple[Any, int]:
        """As every executor of coffea: the accumulated results, and 0.

        Raises
        ------
        WorkerError
            If an item kills its process twice.
        """
        waiting = dict(enumerate(items))
        suspects: list[int] = []
        deaths = 0
        with progress(self.desc, len(waiting), f"{self.unit}s", shown=self.status) as bar:
            while waiting:
                batch = suspects[:1] or list(waiting)
                try:
                    pool = self.processes.alive()
                    futures: dict[Future[Any], int] = {pool.submit(function, waiting[n]): n for n in batch}
                    for future in loky.as_completed(list(futures)):
                        accumulator = accumulate([future.result()], accumulator)
                        del waiting[futures.pop(future)]
                        bar.advance()
                except BrokenProcessPool as error:
                    if suspects:
                        deaths += 1
                        if deaths > 1:
                            raise WorkerError(_killed(waiting[suspects[0]], error)) from None
                    else:
                        # Items are taken in their order: those in work were the first that are not done.
                        suspects = list(waiting)[: self.processes.number]
                else:
                    suspects, deaths = suspects[1:], 0
        return accumulator, 0


@contextmanager
def processes(number: int, **options: Any) -> Iterator[ProcessesExecutor]:
    """An executor on so many processes, which end with the context."""
    own = Processes(number)
    try:
        with stopped_ones_killed(own.numbers):
            yield ProcessesExecutor(workers=number, processes=own, **options)
    except BaseException:
        own.close(at_once=True)
        raise
    own.close(at_once=False)


def _killed(item: Any, error: BaseException) -> str:
    return (
        f"{part_of(item)}: twice the process that worked on it alone died ({cause_of(error)}). It "
        "ran out of memory (give fewer events at a time with --chunk-size) or crashed while reading the file."
    )
