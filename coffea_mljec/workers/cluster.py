"""Any dask cluster: its workers looked at before the work, the work done again when the connection is lost."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from coffea.processor import DaskExecutor

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.workers.guard import PACKAGE, part_of

__all__ = ["ClusterExecutor", "WorkerVersionWarning", "check_workers", "packages"]

_PACKAGES = ("coffea", "awkward", "uproot", "numpy", "numba", "onnxruntime", "correctionlib")
_RECONNECTIONS = 3


class WorkerVersionWarning(UserWarning):
    """A worker has another version of a package than the process that sends the work."""


@dataclass
class ClusterExecutor(DaskExecutor):
    """coffea's DaskExecutor, which checks the workers first and survives the loss of its scheduler.

    A worker that dies is dask's own business: its tasks go to another one. When the client loses the scheduler, all
    that was done in this call is lost; the executor waits until the client is connected again and has workers, and
    starts the call afresh.

    Parameters
    ----------
    client : distributed.Client
    wait : float
        Seconds to wait for a first worker, and for a lost connection.
    """

    wait: float = 60.0

    def __call__(self, items: Iterable[Any], function: Callable[[Any], Any], accumulator: Any) -> tuple[Any, int]:
        """As every executor of coffea: the accumulated results, and 0.

        Raises
        ------
        InputError
            If there is no client.
        WorkerError
            If no worker comes, a worker has another coffea-mljec, a chunk kills its workers, or the scheduler is gone.
        """
        if self.client is None:
            raise InputError(
                "there is no dask client: give ClusterExecutor(client=Client(...)), or run on local processes."
            )
        items = list(items)
        address = _address(self.client)  # a client that has lost its scheduler no longer knows it
        for _ in range(_RECONNECTIONS):
            try:
                check_workers(self.client, self.wait)
                result: tuple[Any, int] = super().__call__(items, function, accumulator)
                return result
            except (CancelledError, OSError):
                # A closed connection is an OSError here; those of the work itself come back as results.
                self._await_connection(address)
            except Exception as error:
                killed = _killed_worker(error)
                if killed is None:
                    raise
                raise WorkerError(_deaths(killed, str(error), items)) from None
        raise WorkerError(
            f"the connection to the scheduler {address} was lost {_RECONNECTIONS} times while the work "
            f"was going on ({len(items)} {self.unit}s, the first {part_of(items[0])}): look at the scheduler's log, "
            "then run again with --resume."
        )

    def _await_connection(self, address: str) -> None:
        give_up = time.monotonic() + self.wait
        while self.client.status != "running":
            if self.client.status in ("closing", "closed") or time.monotonic() > give_up:
                raise WorkerError(
                    f"the scheduler {address} is gone: the connection was lost while the work was going "
                    "on, and it does not answer. Start a cluster and run again with --resume."
                )
            time.sleep(0.1)


def packages() -> dict[str, str]:
    """Name -> version of what a correction's numbers depend on, in this process; "" for what cannot be imported."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in (PACKAGE, *_PACKAGES):
        try:
            found[name] = "" if sys.modules.get(name, name) is None else version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def check_workers(client: Any, wait: float = 60.0) -> None:
    """Compare the packages of all workers with those of this process.

    Parameters
    ----------
    client : distributed.Client
    wait : float
        Seconds to wait for a first worker.

    Raises
    ------
    WorkerError
        If there are no workers, or one lacks a package or has another coffea-mljec; the message names it.

    Warns
    -----
    WorkerVersionWarning
        For other versions of other packages: numbers may differ in their last digits.
    """
    try:
        client.wait_for_workers(1, timeout=wait)
    except (TimeoutError, OSError):
        raise WorkerError(
            f"the cluster at {_address(client)} has no workers after {wait:g} s: scale it (cluster.scale(2)), or look "
            "at the queue of the batch system."
        ) from None
    here = packages()
    others: set[str] = set()
    wrong: list[str] = []
    for worker, found in sorted(client.run(packages, on_error="return").items()):
        if isinstance(found, OSError):
            continue  # it went away meanwhile
        if isinstance(found, BaseException):
            wrong.append(f"worker {worker} cannot load {PACKAGE} ({type(found).__name__}: {found})")
            continue
        lacking = [name for name, number in here.items() if number and not found.get(name)]
        if lacking:
            wrong.append(f"worker {worker} has no {', '.join(lacking)}")
        elif found[PACKAGE] != here[PACKAGE]:
            wrong.append(f"worker {worker} has {PACKAGE} {found[PACKAGE]}, this process {here[PACKAGE]}")
        for name, number in here.items():
            if found.get(name, "") not in ("", number):
                others.add(f"{name} {found[name]} on {worker} ({number} here)")
    if wrong:
        raise WorkerError(
            "; ".join(wrong) + ". Give workers the environment of this process: the same container or conda "
            "environment, or client.register_plugin(distributed.PipInstall([...]))."
        )
    if others:
        warnings.warn(
            f"workers have other versions: {', '.join(sorted(others))}. Numbers may differ in their last digits.",
            WorkerVersionWarning,
            stacklevel=2,
        )


def _killed_worker(error: BaseException | None) -> Any:
    """dask's KilledWorker behind what coffea makes of it."""
    from distributed.scheduler import KilledWorker

    while error is not None:
        if isinstance(error, KilledWorker):
            return error
        error = error.__cause__ or error.__context__
    return None


def _deaths(killed: Any, said: str, items: list[Any]) -> str:
    # dask knows a key only; coffea's message has the item as text.
    guilty = (item for item in items if str(item[0] if isinstance(item, tuple) else item) in said)
    what = next((part_of(item) for item in guilty), "a task")
    return (
        f"{what}: {killed.allowed_failures + 1} workers died while they had it in work, the last one "
        f"{killed.last_worker.address}. It takes more memory than a worker has (give fewer events at a time with "
        "--chunk-size) or crashes while the file is read; the worker's log says which."
    )


def _address(client: Any) -> str:
    scheduler = getattr(client, "scheduler", None)
    return os.fspath(scheduler.address) if scheduler is not None else "unknown address"
