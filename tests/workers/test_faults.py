"""What can happen to a dask cluster while a run goes on: the exact result, or an error that names what happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from coffea_mljec import workers
from coffea_mljec.errors import WorkerError
from coffea_mljec.workers import watch
from tests.patience import PATIENCE, wait_until
from tests.workers.conftest import allow_failures, alone, local_cluster, meanwhile, run
from tests.workers.toys import Spectrum, done, same

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def one() -> Iterator[Any]:
    """A client of one worker process, with a nanny and without a limit of memory."""
    with local_cluster(1, memory_limit=0) as client:
        yield client


@pytest.fixture
def lone(one: Any) -> Any:
    """The same, with its worker there."""
    one.wait_for_workers(1, timeout=PATIENCE)
    return one


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The watch's clock: it stands until a test sets ``runs``, and then is beyond all patience after two looks."""
    found = SimpleNamespace(runs=False, now=0.0)

    def monotonic() -> float:
        found.now += 0.6 * PATIENCE * found.runs
        return found.now

    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(watch, "LOOKS", 10 * PATIENCE)
    return found


def worker_of(client: Any) -> tuple[str, int]:
    """The address of the one worker, and its process."""
    ((address, process),) = client.run(os.getpid).items()
    return address, process


def pause(dask_worker: Any) -> None:
    from distributed.core import Status

    dask_worker.status = Status.paused


def resume(dask_worker: Any) -> None:
    from distributed.core import Status

    dask_worker.status = Status.running


def test_a_worker_that_is_stopped(lone, files, notes, clock):
    address, process = worker_of(lone)

    def stop() -> None:
        os.kill(process, signal.SIGSTOP)
        clock.runs = True

    try:
        with (
            meanwhile(notes, stop),
            pytest.raises(WorkerError, match=rf"nothing has moved .* not all of 6 .*worker {address} is not heard of"),
        ):
            run(lone, files, Spectrum(notes, hold_after=2))
    finally:
        os.kill(process, signal.SIGCONT)


def test_a_worker_that_is_paused(lone, files, notes, clock):
    def stop() -> None:
        lone.run(pause)
        clock.runs = True

    try:
        with (
            meanwhile(notes, stop),
            pytest.raises(WorkerError, match=r"nothing has moved .* chunks are done: worker tls://.* is (paused|not)"),
        ):
            run(lone, files, Spectrum(notes, hold_after=2))
    finally:
        lone.run(resume)


def test_a_worker_that_is_killed(lone, files, notes, tmp_path):
    outcome = run(lone, files, Spectrum(notes, kill="once"))
    assert (notes / "killed").exists()
    assert len({line.split()[1] for line in done(notes)}) > 1
    assert same(outcome.result, alone(files, tmp_path).result)
    assert outcome.skipped == ()


def test_a_cluster_that_is_restarted(lone, files, notes, tmp_path):
    with meanwhile(notes, lambda: lone.restart(timeout=PATIENCE)):
        outcome = run(lone, files, Spectrum(notes, hold_after=2))
    assert len({line.split()[1] for line in done(notes)}) > 1
    assert same(outcome.result, alone(files, tmp_path).result)


def test_a_chunk_that_kills_every_worker_is_named(lone, files, notes):
    lone.run_on_scheduler(allow_failures, 0)
    with pytest.raises(WorkerError, match=r"b\.root, entries \d+ to \d+: 1 workers died .* tls://"):
        run(lone, files, Spectrum(notes, kill="always"))
    lone.run_on_scheduler(allow_failures, 3)


def test_workers_that_nobody_replaces(lone, files, notes, clock):
    _, process = worker_of(lone)

    def kill() -> None:
        for nanny in lone.cluster.workers.values():
            nanny.auto_restart = False
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: not watch.states_of(lone, PATIENCE))
        clock.runs = True

    with (
        meanwhile(notes, kill),
        pytest.raises(WorkerError, match=r"nothing has moved .*chunks are done: it has no workers, they died"),
    ):
        run(lone, files, Spectrum(notes, hold_after=2))
    # The last test of this worker: its nanny has ended too.


@pytest.mark.parametrize("shown", [True, False])
def test_a_client_that_is_closed(threads, files, notes, shown):
    executor = workers.ClusterExecutor(client=threads, status=shown)
    plan = workers.plan_of(executor, files, chunk_size=5)
    with (
        meanwhile(notes, threads.close),
        pytest.raises(WorkerError, match=r"the scheduler tls://\S+ is gone: .* or the client was closed\. Start a"),
    ):
        workers.process(executor, plan, Spectrum(notes, hold_after=2))
    with pytest.raises(WorkerError, match=r"the scheduler unknown address is gone: .* or the client was closed"):
        workers.process(executor, plan, Spectrum(notes), checkpoints=workers.Checkpoints(notes / "checkpoints"))
