"""Where the work runs: this process, processes of this machine, a local dask cluster, or one that is already there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from coffea import processor

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.workers.cluster import ClusterExecutor
from coffea_mljec.workers.local_cluster import local_cluster
from coffea_mljec.workers.processes import processes

__all__ = ["ExecutorKind", "executor"]


class ExecutorKind(StrEnum):
    """Names of the executors on the command line."""

    iterative = "iterative"
    futures = "futures"
    dask = "dask"


@contextmanager
def executor(
    kind: ExecutorKind | None = None,
    workers: int = 1,
    *,
    scheduler: str | None = None,
    unit: str = "chunk",
    desc: str = "Processing",
) -> Iterator[Any]:
    """One of coffea's executors, ready to call or to give to its Runner; its processes end with the context.

    Parameters
    ----------
    kind : ExecutorKind, optional
        By default dask with a scheduler, else futures with more than one worker, else this process.
    workers : int
        Processes; one thread each.
    scheduler : str, optional
        Address of a dask scheduler that is running; `workers` then does not count.
    unit, desc : str
        Of the progress bar.

    Raises
    ------
    InputError
        If the iterative executor is asked for more than one worker, a scheduler is given to another executor than
        dask, or distributed is not installed.
    WorkerError
        If no scheduler answers.
    """
    if kind is None:
        kind = ExecutorKind.futures if workers > 1 else ExecutorKind.iterative
        kind = kind if scheduler is None else ExecutorKind.dask
    if scheduler is not None and kind is not ExecutorKind.dask:
        raise InputError(f"--scheduler is for --executor dask, and it is {kind}: leave one of them out.")
    # Errors of the work come back as results: coffea's retries would only repeat the others.
    common: dict[str, Any] = {"unit": unit, "desc": desc, "retries": 0}
    if kind is ExecutorKind.iterative:
        if workers > 1:
            raise InputError(f"--executor iterative is one process, and --workers is {workers}; use futures or dask.")
        yield processor.IterativeExecutor(**common)
    elif kind is ExecutorKind.futures:
        with processes(workers, **common) as local:
            yield local
    else:
        with _client(workers, scheduler) as client:
            yield ClusterExecutor(client=client, **common)


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A client of a scheduler, or of a new cluster of worker processes on this machine."""
    try:
        from distributed import Client

        from coffea_mljec.workers.plugin import StopProfiler
    except ImportError:
        raise InputError(
            "--executor dask needs dask's distributed: pip install 'coffea-mljec[dask]', or use --executor futures."
        ) from None
    if scheduler is None:
        with local_cluster(workers) as client:
            client.register_plugin(StopProfiler())
            yield client
        return
    try:
        client = Client(scheduler)
    except (OSError, TypeError, ValueError) as error:  # TypeError: TLS without a certificate
        raise WorkerError(
            f"no dask scheduler answers at {scheduler} ({error}): give the address that your cluster shows, such "
            "as tls://10.0.0.1:8786, and its certificates in dask's configuration."
        ) from None
    with client:
        yield client
