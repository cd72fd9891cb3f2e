"""Faults that take more processes than ``make test`` has time for: ``make faults`` runs them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from coffea_mljec import defaults, workers
from coffea_mljec.errors import WorkerError
from tests.patience import PATIENCE, wait_until
from tests.workers.conftest import allow_failures, alone, local_cluster, meanwhile, run
from tests.workers.toys import Spectrum, done, same

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    with local_cluster(2) as client:
        yield client


@pytest.fixture
def pair(shared: Any) -> Any:
    """A client of two worker processes that are both there."""
    shared.wait_for_workers(2, timeout=PATIENCE)
    return shared


def test_workers_that_are_killed_again_and_again(pair, files, notes, tmp_path):
    outcome = run(pair, files, Spectrum(notes, kill="each"))
    assert len(list(notes.glob("killed*"))) == 2
    assert same(outcome.result, alone(files, tmp_path).result)


def test_all_workers_are_killed(pair, files, notes, tmp_path):
    processes = pair.run(os.getpid).values()

    def kill() -> None:
        for process in processes:
            os.kill(process, signal.SIGKILL)

    with meanwhile(notes, kill):
        outcome = run(pair, files, Spectrum(notes, hold_after=2))
    assert same(outcome.result, alone(files, tmp_path).result)


def test_a_worker_that_is_retired(pair, files, notes, tmp_path):
    with meanwhile(notes, lambda: pair.retire_workers([min(pair.nthreads())])):
        outcome = run(pair, files, Spectrum(notes, hold_after=2))
    assert same(outcome.result, alone(files, tmp_path).result)


def test_a_stopped_worker_of_a_local_cluster_is_replaced(files, notes, tmp_path, monkeypatch):
    monkeypatch.setattr(defaults, "WORKER_PATIENCE", 20.0)  # of the scheduler, for its workers: 10 s
    with local_cluster(1) as client:
        monkeypatch.undo()
        (process,) = client.run(os.getpid).values()
        with meanwhile(notes, lambda: os.kill(process, signal.SIGSTOP)):
            outcome = run(client, files, Spectrum(notes, hold_after=2))
    assert len({line.split()[1] for line in done(notes)}) == 2
    assert same(outcome.result, alone(files, tmp_path).result)


class Hungry(Spectrum):
    """Takes two gigabytes a chunk."""

    def process(self, events: Any) -> dict[str, Any]:
        held = [np.ones(2_000_000) for _ in range(125)]
        return super().process(events) | {"held": len(held)}


def test_a_chunk_that_takes_more_memory_than_a_worker_has(files, notes):
    too_much = r"\.root, entries \d+ to \d+: 1 workers died .* more memory than a worker has"
    with local_cluster(1, memory_limit="900 MB") as client:
        client.run_on_scheduler(allow_failures, 0)
        with pytest.raises(WorkerError, match=too_much):
            run(client, files, Hungry(notes))


class Outside:
    """A scheduler and a worker as processes of their own, whose client is ``client``."""

    def __init__(self) -> None:
        distributed = pytest.importorskip("distributed")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = str(free.getsockname()[1])
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start()
        self.client = distributed.Client(self.address, timeout=PATIENCE)
        self.client.wait_for_workers(1, timeout=PATIENCE)

    def start(self) -> None:
        for command in (
            ("scheduler", "--host", "127.0.0.1", "--port", self.port, "--dashboard-address", "127.0.0.1:0"),
            ("worker", self.address, "--nthreads", "1", "--death-timeout", str(PATIENCE)),
        ):
            words = [sys.executable, "-m", f"distributed.cli.dask_{command[0]}", *command[1:]]
            self.processes.append(subprocess.Popen(words, stderr=subprocess.DEVNULL))

    def kill_scheduler(self) -> None:
        self.processes[0].kill()
        wait_until(lambda: self.client.status != "running")

    def close(self) -> None:
        self.client.close()
        for process in self.processes:
            process.terminate()
            process.wait(PATIENCE)


@pytest.fixture
def outside() -> Iterator[Outside]:
    found = Outside()
    yield found
    found.close()


@pytest.mark.filterwarnings("ignore::coffea_mljec.workers.OpenClusterWarning")
def test_a_scheduler_that_is_killed(outside, files, notes):
    plan = workers.plan_of(workers.ClusterExecutor(client=outside.client, status=False), files, chunk_size=20)
    executor = workers.ClusterExecutor(client=outside.client, status=False, wait=PATIENCE)
    outside.client._timeout = 1  # for connecting again: it is connected
    with (
        meanwhile(notes, outside.kill_scheduler),
        pytest.raises(WorkerError, match=rf"the scheduler {outside.address} is gone"),
    ):
        workers.process(executor, plan, Spectrum(notes, hold_after=2))


@pytest.mark.filterwarnings("ignore::coffea_mljec.workers.OpenClusterWarning")
def test_a_scheduler_that_is_killed_and_started_again(outside, files, notes, tmp_path):
    def kill_and_start() -> None:
        outside.kill_scheduler()
        outside.start()

    outside.client._timeout = PATIENCE
    with meanwhile(notes, kill_and_start):
        outcome = run(outside.client, files, Spectrum(notes, hold_after=2))
    assert len(done(notes)) > outcome.chunks
    assert same(outcome.result, alone(files, tmp_path).result)
