"""A dask cluster on this machine that takes work from its owner alone."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from coffea_mljec import defaults
from coffea_mljec.errors import InputError

__all__ = ["OpenClusterWarning", "local_cluster", "warn_if_open"]

_CLOSED = ("tls://", "wss://", "inproc://", "gateway://")
"""Beginnings of addresses of schedulers that not everybody can send work to."""


class OpenClusterWarning(UserWarning):
    """A scheduler that takes work from everybody who can reach it."""


@contextmanager
def local_cluster(workers: int = 1, threads: int = 1, dashboard: str | None = None, **options: Any) -> Iterator[Any]:
    """Start worker processes on this machine, and give a client of them.

    dask's own ``LocalCluster()`` listens without a password: every user of the machine can run code as its owner. Here
    scheduler, workers and client know each other by a certificate that is made for this cluster, lives in memory and
    ends with it. They listen on the loopback interface alone, and their pages of metrics and tasks are off. What does
    not fit into memory goes into a folder that others cannot read, and that ends with the cluster.

    Parameters
    ----------
    workers : int
        Processes, each looked after by a nanny.
    threads : int
        Of each.
    dashboard : str, optional
        Address of dask's dashboard, such as ``"127.0.0.1:8787"``. It has no password: who can reach it sees what runs.
    **options
        More for ``distributed.LocalCluster``, such as ``memory_limit="4GB"``.

    Yields
    ------
    distributed.Client

    Raises
    ------
    InputError
        If distributed or cryptography is not installed.
    """
    try:
        import dask
        from distributed import Client, Security

        from coffea_mljec.workers.nanny import PatientCluster, PatientNanny
        from coffea_mljec.workers.plugin import Tidy

        security = Security.temporary()
    except ImportError as error:
        raise InputError(
            f"a dask cluster of this machine needs distributed and, for its certificate, cryptography ({error}): pip "
            "install 'coffea-mljec[dask]', or use --executor futures."
        ) from None
    settings: dict[str, Any] = {
        "n_workers": workers,
        "threads_per_worker": threads,
        "worker_class": PatientNanny,
        "host": "127.0.0.1",
        "security": security,
        "dashboard_address": dashboard or "127.0.0.1:0",
        "silence_logs": logging.ERROR,
        # A worker that was stopped is replaced well before a run gives up on it.
        "scheduler_kwargs": {"dashboard": dashboard is not None, "worker_ttl": defaults.WORKER_PATIENCE / 2},
    }
    # dask's cluster gives up on a nanny whose worker takes 15 s to come back, as it may where many share a core.
    configuration: dict[str, Any] = {"distributed.deploy.lost-worker-timeout": "1 hour"}
    if dashboard is None:
        configuration |= {f"distributed.{who}.http.routes": [] for who in ("scheduler", "worker")}
    with (
        TemporaryDirectory(prefix="mljec-dask-", ignore_cleanup_errors=True) as scratch,
        dask.config.set(configuration | {"temporary-directory": scratch}),
        PatientCluster(**settings | options) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(Tidy())
        yield client


def warn_if_open(address: str) -> None:
    """Say it where a scheduler takes work from everybody who can reach it.

    Warns
    -----
    OpenClusterWarning
    """
    if not address.startswith(_CLOSED):
        warnings.warn(
            f"the scheduler at {address} takes work from everybody who can reach it, and its workers run it with your "
            "rights: start it with TLS (workers.local_cluster does; docs/howto/cluster.md says how for others).",
            OpenClusterWarning,
            stacklevel=4,
        )
