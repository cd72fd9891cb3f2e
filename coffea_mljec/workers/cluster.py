"""Any dask cluster: its workers looked at before the work and during it, the work done again when its scheduler is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from coffea.processor import DaskExecutor, accumulate
from coffea.processor.executor import _compression_wrapper, _decompress, _reduce

from coffea_mljec import defaults
from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.support.progress import Bar, progress
from coffea_mljec.workers.environment import address_of, check_workers
from coffea_mljec.workers.guard import part_of
from coffea_mljec.workers.local_cluster import warn_if_open
from coffea_mljec.workers.watch import Watch, states_of, within

__all__ = ["RECONNECTIONS", "ClusterExecutor", "deaths"]

RECONNECTIONS = 3
"""How often work begins anew because its scheduler was lost."""


@dataclass
class ClusterExecutor(DaskExecutor):
    """coffea's DaskExecutor, which checks the workers first, notices a hang and survives the loss of its scheduler.

    A worker that dies is dask's own business: its tasks go to another one. When the client loses the scheduler, all
    that was done in this call is lost; the executor waits until the client is connected again and has workers, and
    starts the call afresh.

    It works as coffea's does, with its `heavy_input`, `treereduction`, `compression`, `priority` and `retries`. The
    waiting is its own: coffea's ends with the result or never, and its progress bar needs a client that stays open.

    Parameters
    ----------
    client : distributed.Client
    wait : float, optional
        Seconds to wait for a first worker, for a lost connection, and for workers that do nothing though there is
        work; `coffea_mljec.defaults.WORKER_PATIENCE` by default. A batch system whose queue is long takes more.
    """

    wait: float | None = None

    def __call__(self, items: Iterable[Any], function: Callable[[Any], Any], accumulator: Any) -> tuple[Any, int]:
        """As every executor of coffea: the accumulated results, and 0.

        Raises
        ------
        InputError
            If there is no client.
        WorkerError
            If no worker comes, a worker has another coffea-mljec, a chunk kills its workers, the workers that there are
            do nothing, or the scheduler is gone.

        Warns
        -----
        OpenClusterWarning
            If the scheduler takes work from everybody who can reach it.
        """
        if self.client is None:
            raise InputError(
                "there is no dask client: give ClusterExecutor(client=Client(...)), or run on local processes."
            )
        items = list(items)
        if not items:
            return accumulator, 0
        address = address_of(self.client)  # a client that has lost its scheduler no longer knows it
        for _ in range(RECONNECTIONS):
            self.await_connection(address)
            warn_if_open(address)
            # A closed connection is an OSError here; those of the work itself come back as results.
            with suppress(CancelledError, OSError):
                check_workers(self.client, self.patience)
                return accumulate([self._result(items, function)], accumulator), 0
        raise WorkerError(
            f"the connection to the scheduler {address} was lost {RECONNECTIONS} times while the work "
            f"was going on ({len(items)} {self.unit}s, the first {part_of(items[0])}): look at the scheduler's log, "
            "then run again with --resume."
        )

    @property
    def patience(self) -> float:
        """Seconds to wait where nothing moves."""
        return defaults.WORKER_PATIENCE if self.wait is None else self.wait

    def _result(self, items: list[Any], function: Callable[[Any], Any]) -> Any:
        """Send the items, wait and fetch what all of them add up to."""
        from distributed.scheduler import KilledWorker

        with progress(self.desc, len(items), f"{self.unit}s", shown=self.status) as bar:
            done = _Done(bar)
            last, item_of = self._sent(items, function, done)
            watch = Watch(self.client, self.patience)

            def look() -> None:
                number = done.number if self.status else "not all"
                watch.look(f"{number} of {len(items)} {self.unit}s are done", last.status == "finished")

            try:
                return _decompress(within(watch.interval, last.result, look))
            except KilledWorker as killed:
                raise WorkerError(deaths(killed, item_of.get(killed.task))) from None
            except BaseException:
                # What waits for the result still holds it: without this, workers would go on.
                with suppress(Exception):
                    within(watch.interval, last.cancel)
                raise

    def _sent(
        self, items: list[Any], function: Callable[[Any], Any], done: Callable[[Any], None]
    ) -> tuple[Any, dict[Any, Any]]:
        """The future of the sum over all items, and which key is which item.

        Nobody holds the futures of single items: what they give leaves its worker once it is added up.
        """
        client: Any = self.client
        whole = _compression_wrapper(self.compression, function, name=self.function_name)
        given: Iterable[Any] = items
        if self.heavy_input is not None:
            # Not by client.scatter, which a worker that comes later knows nothing of (coffea issue 465).
            given = zip(items, repeat(client.submit(_same, self.heavy_input)), strict=False)
        options = {"priority": self.priority, "retries": self.retries}
        work = client.map(whole, list(given), pure=self.heavy_input is not None, **options)
        item_of = {future.key: item for future, item in zip(work, items, strict=True)}
        if self.status:
            for future in work:
                future.add_done_callback(done)
        while len(work) > 1:
            parts = [work[first : first + self.treereduction] for first in range(0, len(work), self.treereduction)]
            work = client.map(_reduce(self.compression), parts, pure=True, **options)
        return work[0], item_of

    def await_connection(self, address: str) -> None:
        """Wait for a connection that was lost; raises WorkerError where it does not come back."""
        client: Any = self.client
        give_up = time.monotonic() + self.patience
        while not self._answers():
            if client.status in ("closing", "closed") or time.monotonic() > give_up:
                raise WorkerError(
                    f"the scheduler {address} is gone: the connection was lost while the work was going on, and it "
                    "does not answer, or the client was closed. Start a cluster and run again with --resume, where "
                    "there is one."
                )
            time.sleep(0.1)

    def _answers(self) -> bool:
        # A client may think for a moment that it is still connected.
        if getattr(self.client, "status", "") != "running":
            return False
        try:
            states_of(self.client, self.patience / 2)
        except OSError:
            return False
        return True


def _same(thing: Any) -> Any:
    return thing


class _Done:
    """Counts the futures that have ended well."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.number = 0

    def __call__(self, future: Any) -> None:
        if future.status == "finished":
            self.number += 1
            self.bar.advance()


def deaths(killed: Any, item: Any) -> str:
    """What is said of an item (None: a sum of results) that killed its workers."""
    what = "a sum of results" if item is None else part_of(item)
    return (
        f"{what}: {killed.allowed_failures + 1} workers died while they had it in work, the last one "
        f"{killed.last_worker.address}. It takes more memory than a worker has (give fewer events at a time with "
        "--chunk-size) or crashes while the file is read; the worker's log says which."
    )
