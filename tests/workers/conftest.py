"""Three small files, what one process makes of them, and clusters to share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from coffea import processor

from coffea_mljec import workers
from tests.factories import two_jets, write
from tests.patience import PATIENCE
from tests.workers.toys import Spectrum

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


@contextmanager
def worker_processes(number: int = 2) -> Iterator[Any]:
    """Give a client with so many worker processes, each looked after by a nanny."""
    distributed = pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    from coffea_mljec.workers.nanny import PatientNanny

    options = {"n_workers": number, "threads_per_worker": 1, "worker_class": PatientNanny, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options, silence_logs=50) as local,
        distributed.Client(local, timeout=PATIENCE) as client,
    ):
        from coffea_mljec.nano import quiet_coffea

        client.wait_for_workers(number, timeout=PATIENCE)
        client.run(quiet_coffea)
        yield client


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A client with two worker processes; shared, so whoever changes a worker mends it."""
    with worker_processes() as client:
        yield client


@pytest.fixture
def mortal() -> Iterator[Any]:
    """The same for a test that kills workers: a nanny does not always get one going again."""
    with worker_processes() as client:
        yield client


@pytest.fixture
def last_one() -> Iterator[Any]:
    """A client with one worker process, for a test that kills it."""
    with worker_processes(1) as client:
        yield client


@pytest.fixture
def threads() -> Iterator[Any]:
    """A client with one worker of four threads in this process, reached by TCP."""
    distributed = pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    options = {"n_workers": 1, "threads_per_worker": 4, "processes": False, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options, protocol="tcp", silence_logs=50) as local,
        distributed.Client(local, timeout=PATIENCE) as client,
    ):
        yield client
