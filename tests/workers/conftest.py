"""Three small files, what one process makes of them, and clusters to share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from coffea import processor

from coffea_mljec import defaults, workers
from tests.factories import two_jets, write
from tests.patience import PATIENCE, wait_until
from tests.workers.toys import Spectrum, done, release

SIZES = {"a.root": 40, "b.root": 60, "c.root": 20}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[str]]:
    (tmp_path / "in").mkdir()
    return {"toy": [str(write(two_jets(size), tmp_path / "in" / name)) for name, size in SIZES.items()]}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def alone(files: dict[str, list[str]], notes: Path, **options: Any) -> workers.Outcome:
    """What one process makes of the files, in chunks of 20."""
    executor = processor.IterativeExecutor(status=False, retries=0)
    return workers.run(executor, files, Spectrum(notes), chunk_size=20, **options)


def run(client: Any, files: dict[str, list[str]], judge: Any) -> workers.Outcome:
    """What a cluster makes of the files, in chunks of 20."""
    return workers.run(workers.ClusterExecutor(client=client, status=False), files, judge, chunk_size=20)


@contextmanager
def meanwhile(notes: Path, fault: Callable[[], Any], begun: int = 2) -> Iterator[None]:
    """Do something once so many chunks were begun: `Spectrum` with ``hold_after=2`` goes on afterwards."""

    def act() -> None:
        wait_until(lambda: len(done(notes)) >= begun)
        fault()
        release(notes)

    other = threading.Thread(target=act)
    other.start()
    try:
        yield
    finally:
        release(notes)
        other.join()


def allow_failures(number: int, dask_scheduler: Any) -> None:
    """How often a chunk may lose its worker before it counts as guilty."""
    dask_scheduler.allowed_failures = number


@contextmanager
def local_cluster(number: int, threads: int = 1, **options: Any) -> Iterator[Any]:
    """The package's own local cluster, once all of its workers are there."""
    pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    pytest.importorskip("cryptography", reason="a local cluster's certificate needs cryptography ([dask])")
    with workers.local_cluster(number, threads, **options) as client:
        client.wait_for_workers(number, timeout=PATIENCE)
        yield client


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A client with two worker processes; shared, so whoever changes a worker mends it."""
    with local_cluster(2) as client:
        yield client


@pytest.fixture
def mortal() -> Iterator[Any]:
    """The same for a test that kills workers: a nanny does not always get one going again."""
    with local_cluster(2) as client:
        yield client


@pytest.fixture
def threads() -> Iterator[Any]:
    """A client with one worker of four threads in this process, reached by TLS."""
    distributed = pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    with local_cluster(1, 4, processes=False, worker_class=distributed.Worker) as client:
        yield client


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """A busy machine is no fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(defaults, "WORKER_PATIENCE", PATIENCE)
        yield


@pytest.fixture
def facility(threads: Any) -> Iterator[Any]:
    """The same cluster as a facility gives it: its certificates are in the configuration of dask."""
    import dask

    given = threads.security
    tls = {"ca-file": given.tls_ca_file, "client.key": given.tls_client_key, "client.cert": given.tls_client_cert}
    with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in tls.items()}):
        yield threads
