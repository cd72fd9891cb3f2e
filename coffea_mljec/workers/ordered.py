"""Work on any dask cluster whose results are wanted one by one, in the order of the items."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import cloudpickle

from coffea_mljec.errors import WorkerError
from coffea_mljec.workers.cluster import RECONNECTIONS, ClusterExecutor, deaths
from coffea_mljec.workers.environment import address_of, check_workers
from coffea_mljec.workers.local_cluster import warn_if_open
from coffea_mljec.workers.parcel import packed
from coffea_mljec.workers.place import here
from coffea_mljec.workers.watch import Watch, states_of, within

__all__ = ["cluster_in_order"]


def cluster_in_order(
    executor: ClusterExecutor, function: Callable[[Any], Any], items: Sequence[Any], name: str
) -> Generator[Any]:
    """Yield ``function(item)`` of every item, in their order; see `coffea_mljec.workers.pool.in_order`.

    A worker that dies is replaced by dask: its items go to another one. Where the scheduler is lost, what is not yet
    yielded is done again once it is back.

    Parameters
    ----------
    executor : ClusterExecutor
    function : callable
        Sent once to each worker. Its module is found on workers as it is here: installed, or in this checkout, which
        workers see.
    items : sequence
    name : str
        What an error calls the function.

    Raises
    ------
    WorkerError
        If no worker comes, an item kills its workers, nothing moves, or the scheduler is gone. What the function raises
        passes through, at its item's turn.
    """
    work = _Work(packed(function, name), _package_of(function))
    address = address_of(executor.client)
    warn_if_open(address)
    left = deque(items)
    for _ in range(RECONNECTIONS):
        executor.await_connection(address)
        under_way: deque[tuple[Any, Any]] = deque()
        error: Exception | None = None
        try:
            check_workers(executor.client, executor.patience)
            for good, answer in _answers(executor, work, left, under_way):
                if not good:
                    error = answer
                    break
                yield answer
                left.popleft()
        except (CancelledError, OSError):  # the connection's: those of the work are answers
            continue
        finally:
            with suppress(Exception):
                within(executor.patience / 10, partial(_cancel, [future for _, future in under_way]))
        if error is not None:
            raise error
        return
    raise WorkerError(
        f"the connection to the scheduler {address} was lost {RECONNECTIONS} times, the last one while {left[0]} was "
        "under way: look at the scheduler's log. Start a cluster and run again with --resume, where there is one."
    )


def _answers(
    executor: ClusterExecutor, work: _Work, items: Sequence[Any], under_way: deque[tuple[Any, Any]]
) -> Generator[tuple[bool, Any]]:
    """What `_called` gives for every item, in their order."""
    from distributed.scheduler import KilledWorker

    client: Any = executor.client
    watch = Watch(client, executor.patience)
    of_all = client.submit(_same, work, pure=False)  # not by scatter, which workers that come later know nothing of
    waiting = iter(list(items))
    while True:
        threads = sum(state["nthreads"] for state in states_of(client, executor.patience).values())
        for item in islice(waiting, max(0, 2 * threads + 1 - len(under_way))):
            under_way.append((item, client.submit(_called, of_all, item, pure=False)))
        if not under_way:
            return
        item, future = under_way[0]
        try:
            yield within(watch.interval, future.result, partial(watch.look, f"{item} is not done"))
        except KilledWorker as killed:
            raise WorkerError(deaths(killed, item)) from None
        under_way.popleft()


def _cancel(futures: list[Any]) -> None:
    for future in futures:
        future.cancel()


class _Work:
    """A function on its way to workers, unpacked once on each.

    Parameters
    ----------
    content : bytes
        Its pickle.
    package : tuple of str
        Name of the package that it is from, and the folder of that.
    """

    def __init__(self, content: bytes, package: tuple[str, str]) -> None:
        self.content, self.package = content, package
        self._lock = threading.Lock()
        self._function: Callable[[Any], Any] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Work, (self.content, self.package)

    @property
    def function(self) -> Callable[[Any], Any]:
        """The function; WorkerError where its package is not to be found."""
        with self._lock:
            if self._function is None:
                self._find_package()
                self._function = cloudpickle.loads(self.content)
            return self._function

    def _find_package(self) -> None:
        name, folder = self.package
        if Path(folder, name).is_dir() and folder not in sys.path:
            sys.path.append(folder)
        try:
            import_module(name)
        except ImportError as error:
            raise WorkerError(
                f"{here()} cannot import {name} ({error}): it is looked for where it is installed and in {folder}, as "
                "on the machine that sends the work. Give workers the same folder, or start them in a checkout."
            ) from None


def _same(thing: Any) -> Any:
    return thing


def _called(work: _Work, item: Any) -> tuple[bool, Any]:
    """Whether it went well, and the result or error: dask would take an OSError of the work for one of its own."""
    try:
        return True, work.function(item)
    except Exception as error:
        return False, error


def _package_of(function: Any) -> tuple[str, str]:
    """The package of a function, or of what a partial one calls, and the folder that holds it."""
    module = getattr(function, "func", function).__module__
    name = module.partition(".")[0]
    file = getattr(sys.modules[name], "__file__", None)
    return name, "" if file is None else str(Path(file).resolve().parents[1])
