"""Dask workers in processes of their own: the same result as one process, whatever happens to them."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
from coffea import processor
from coffea.nanoevents import PFNanoAODSchema

import coffea_mljec as mljec
from coffea_mljec import models, workers
from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.models import folder, sessions
from coffea_mljec.validation import ResponseProcessor
from coffea_mljec.workers import cluster as cluster_module
from coffea_mljec.workers import environment, executors, guard
from coffea_mljec.workers.local_cluster import warn_if_open
from tests.models import toy
from tests.patience import PATIENCE, wait_until
from tests.workers.conftest import alone, meanwhile
from tests.workers.toys import Spectrum, done, same

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::coffea_mljec.FastSimulationWarning"),
    pytest.mark.filterwarnings("ignore::coffea_mljec.MismatchWarning"),
]


@pytest.fixture
def travelling(tmp_path: Path) -> mljec.MLJEC:
    """A network whose folder is gone: it exists in this process alone."""
    corrector = mljec.MLJEC(toy.write(tmp_path / "toy"))
    shutil.rmtree(tmp_path / "toy")
    return corrector


@contextmanager
def patched(client: Any, function: Callable[..., Any], back: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    """One worker changed by `function` and mended by `back`; yields its address."""
    client.wait_for_workers(2, timeout=PATIENCE)
    victim = min(client.nthreads())
    client.run(function, *arguments, workers=[victim])
    try:
        yield victim
    finally:
        client.run(back, workers=[victim])


def hide_onnxruntime() -> None:
    sys.modules["onnxruntime"] = None  # type: ignore[assignment]
    sessions._RUNNERS.clear()


def show_onnxruntime() -> None:
    del sys.modules["onnxruntime"]


def hide_package() -> None:
    sys.modules["hidden"] = sys.modules.pop("coffea_mljec.workers.environment")
    sys.modules["coffea_mljec.workers.environment"] = None  # type: ignore[assignment]


def show_package() -> None:
    sys.modules["coffea_mljec.workers.environment"] = sys.modules.pop("hidden")


def other_version(number: str) -> None:
    from importlib import metadata

    from coffea_mljec.workers import environment, guard

    environment.version = guard.version = lambda name: number if name == guard.PACKAGE else metadata.version(name)


def own_version() -> None:
    from importlib import metadata

    from coffea_mljec.workers import environment, guard

    environment.version = guard.version = metadata.version


def arrived() -> int:
    return len(folder._GRAPHS)


def runners() -> list[str]:
    """The digests of the graphs that are ready to run in this process."""
    return sorted(str(key[3]) for key in sessions._RUNNERS)  # type: ignore[index]


def transfers(dask_worker: Any) -> int:
    """How often coffea's one copy of the processor came from the other worker."""
    return sum(any("lambda" in str(key) for key in entry["keys"]) for entry in dask_worker.transfer_incoming_log)


def test_a_model_travels_once_to_each_worker_without_its_folder(cluster, travelling, sample):
    judge = ResponseProcessor({"network": travelling}, replicas=2)
    digest = travelling.card.sha256
    # coffea's own Runner, as any analysis uses it.
    runner = processor.Runner(
        executor=processor.DaskExecutor(client=cluster, status=False), schema=PFNanoAODSchema, chunksize=300
    )
    shared = runner({"sample": [str(sample)]}, judge, treename="Events")["sample"]
    here = processor.Runner(
        executor=processor.IterativeExecutor(status=False), schema=PFNanoAODSchema, chunksize=100_000
    )({"sample": [str(sample)]}, judge, treename="Events")["sample"]
    np.testing.assert_array_equal(shared["response"].view(flow=True), here["response"].view(flow=True))
    assert shared["counts"] == here["counts"]
    assert shared["status"]["network"].get(1, 0) > 0
    # A slow machine may leave all chunks to one worker: what counts is once at most, and at all.
    came, made, moved = (cluster.run(function) for function in (arrived, runners, transfers))
    assert max(came.values()) == 1
    assert {worker for worker, digests in made.items() if digest in digests} == {w for w, n in came.items() if n}
    assert max(moved.values()) <= 1


def test_a_worker_without_onnxruntime(cluster, files, notes, travelling, sample, monkeypatch):
    judge = ResponseProcessor({"network": travelling}, replicas=0)
    with patched(cluster, hide_onnxruntime, show_onnxruntime) as victim:
        with pytest.raises(WorkerError, match=rf"worker {victim} has no onnxruntime\. Give workers the environment"):
            workers.run(cluster, {"sample": [str(sample)]}, judge, chunk_size=300)
        # One that came after the check was made: the chunk itself says so.
        monkeypatch.setattr(cluster_module, "check_workers", lambda *_: None)
        with pytest.raises(InputError) as refused:
            workers.run(cluster, {"sample": [str(sample)]}, judge, chunk_size=300)
    assert "mljec_sample.root, entries" in str(refused.value)
    assert "needs onnxruntime on this worker: pip install onnxruntime" in str(refused.value)
    assert f"(on worker {victim}" in str(refused.value)


def test_a_worker_without_the_package(cluster, files, notes):
    with (
        patched(cluster, hide_package, show_package) as victim,
        pytest.raises(WorkerError, match=rf"worker {victim} cannot load coffea-mljec .*Give workers the environment"),
    ):
        workers.run(cluster, files, Spectrum(notes), chunk_size=20)


def test_a_worker_with_another_version(cluster, files, notes, monkeypatch):
    with patched(cluster, other_version, own_version, "0.0.1") as victim:
        with pytest.raises(WorkerError, match=rf"worker {victim} has coffea-mljec 0\.0\.1, this process "):
            workers.run(cluster, files, Spectrum(notes), chunk_size=20)
        monkeypatch.setattr(cluster_module, "check_workers", lambda *_: None)
        # The other worker does its chunks at the second attempt, or the error names file and worker.
        with pytest.raises(WorkerError, match=rf"root.*coffea-mljec is 0\.0\.1 .*on worker {victim}"):
            _several_times(5, lambda: workers.run(cluster, files, Spectrum(notes, slow=0.2), chunk_size=5))


def _several_times(number: int, function: Callable[[], Any]) -> None:
    for _ in range(number):
        function()


def test_other_versions_of_other_packages_are_told(monkeypatch):
    class Client:
        """Two workers, one with an older numba."""

        def wait_for_workers(self, *_: Any, **__: Any) -> None:
            pass

        def run(self, *_: Any, **__: Any) -> dict[str, Any]:
            here = environment.packages()
            return {"tcp://node7:1": here | {"numba": "0.1"}, "tcp://node8:1": here}

    monkeypatch.setattr(environment, "states_of", lambda *_: {})
    with pytest.warns(workers.WorkerVersionWarning, match=r"numba 0\.1 on tcp://node7:1 \(.* here\)\. Numbers may"):
        workers.check_workers(Client())


def listening(process: Any) -> set[tuple[str, int]]:
    """Where a process and its children wait for connections."""
    family = (process, *process.children(recursive=True))
    return {tuple(c.laddr) for one in family for c in one.net_connections("tcp") if c.status == "LISTEN"}


def test_nothing_listens_beyond_this_machine(cluster):
    psutil = pytest.importorskip("psutil")
    ours = {urlsplit(address).netloc for address in (cluster.scheduler.address, *cluster.nthreads())}
    found = listening(psutil.Process())
    assert {f"{host}:{port}" for host, port in found} >= ours
    assert {host for host, _ in found} == {"127.0.0.1"}
    # dask's pages of tasks and metrics: scheduler and workers have none.
    services = [cluster.scheduler_info(), *cluster.scheduler_info()["workers"].values()]
    for port in {service["services"]["dashboard"] for service in services}:
        for page in ("status", "health", "metrics", "info/main/workers.html", "json/counts.json"):
            with pytest.raises(HTTPError, match="404"):
                urlopen(f"http://127.0.0.1:{port}/{page}")


@pytest.mark.parametrize("certificate", ["none", "its own", "no TLS"])
def test_who_has_not_the_certificate_stays_outside(cluster, certificate):
    from distributed import Client, Security

    for address in (cluster.scheduler.address, *cluster.nthreads()):
        with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)) as plain:
            assert answered(plain, certificate, Security) == b""
    # Who has it is let in: what stands in the way above is the certificate.
    with Client(cluster.scheduler.address, security=cluster.security, set_as_default=False) as other:
        assert other.submit(len, "let in").result() == 6


def answered(plain: socket.socket, certificate: str, security: Any) -> bytes:
    """What a server says to somebody who knocks; nothing if it refuses."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate == "its own":
        context = security.temporary().get_connection_args("client")["ssl_context"]
        context.verify_mode = ssl.CERT_NONE
    try:
        with plain if certificate == "no TLS" else context.wrap_socket(plain) as door:
            door.sendall(b"let me in, please")
            return door.recv(1)
    except (ssl.SSLError, ConnectionError):
        return b""


def test_commands_start_such_a_cluster(monkeypatch):
    pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    client = MagicMock()
    started = MagicMock(return_value=nullcontext(client))
    monkeypatch.setattr(executors, "local_cluster", started)
    with workers.executor(workers.ExecutorKind.dask, 3) as found:
        assert found.client is client
    started.assert_called_once_with(3)


def test_a_cluster_without_certificates_is_told():
    with pytest.warns(workers.OpenClusterWarning, match=r"tcp://10\.0\.0\.1:8786 takes work from everybody who"):
        warn_if_open("tcp://10.0.0.1:8786")
    for closed in ("tls://10.0.0.1:8786", "inproc://10.0.0.1/3/1", "gateway://facility.org:8786/x"):
        warn_if_open(closed)


def test_without_cryptography(monkeypatch):
    pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with (
        pytest.raises(InputError, match=r"for its certificate, cryptography .*pip install 'coffea-mljec\[dask\]'"),
        workers.executor(workers.ExecutorKind.dask),
    ):
        pass


def test_warm_up(cluster, tmp_path):
    corrector = mljec.MLJEC(toy.write(tmp_path / "warm", nan_above=4000.0))  # a graph that no other test sent
    cluster.register_plugin(workers.WarmUp(corrector))
    try:
        assert all(corrector.card.sha256 in made for made in cluster.run(runners).values())
    finally:
        cluster.unregister_worker_plugin(workers.WarmUp.name)


def test_stop_profiler(cluster):
    def kept(dask_worker: Any) -> tuple[int, int]:
        return len(dask_worker.profile_history), dask_worker.profile_recent["count"]

    def busy(number: int) -> int:
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            number += 1
        return number

    def work(first: int) -> None:
        cluster.gather(cluster.map(busy, range(first, first + 20), pure=False))  # two seconds on two workers

    while not all(records and samples for records, samples in cluster.run(kept).values()):
        work(0)  # a busy machine may look at its stack late
    cluster.register_plugin(workers.StopProfiler())
    try:
        before = cluster.run(kept)
        work(100)
        assert cluster.run(kept) == before
        assert all(records == 0 for records, _ in before.values())
    finally:
        cluster.unregister_worker_plugin(workers.StopProfiler.name)


def test_dask_mode_sends_a_provider_once_to_each_worker(cluster, travelling, sample):
    pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

    def events(mode: str, **options: Any) -> Any:
        return NanoEventsFactory.from_root(
            {str(sample): "Events"}, schemaclass=PFNanoAODSchema, mode=mode, **options
        ).events()

    chunked = NanoEventsFactory.from_root(
        {str(sample): {"object_path": "Events", "steps": [[n, n + 50] for n in range(0, 400, 50)]}},
        schemaclass=PFNanoAODSchema,
        mode="dask",
    ).events()
    cluster.run(count_arrivals)
    pt = travelling.apply(chunked).pt
    assert pt.npartitions == 8
    shared = cluster.compute(pt).result()
    here = travelling.apply(events("virtual", entry_start=0, entry_stop=400)).pt
    np.testing.assert_array_equal(np.asarray(flat(shared)), np.asarray(flat(here)))
    counts = cluster.run(arrivals)
    assert max(counts.values()) == 1


def flat(jagged: Any) -> Any:
    import awkward as ak

    return ak.flatten(jagged, axis=None)


def count_arrivals() -> None:
    from coffea_mljec.models import folder

    true = getattr(folder, "_true_from_pickle", folder._from_pickle)
    folder._true_from_pickle = true  # type: ignore[attr-defined]
    folder._arrivals = 0  # type: ignore[attr-defined]

    def counted(*parts: Any) -> models.ModelFolder:
        folder._arrivals += 1  # type: ignore[attr-defined]
        return true(*parts)

    counted.__qualname__ = "_from_pickle"  # a worker that hands the provider on pickles it by this name
    folder._from_pickle = counted


def arrivals() -> int:
    return int(folder._arrivals)  # type: ignore[attr-defined]


def test_several_threads_a_worker(threads, travelling, sample):
    judge = ResponseProcessor({"network": travelling}, replicas=2)
    shared = workers.run(threads, {"sample": [str(sample)]}, judge, chunk_size=200).result["sample"]
    (here,) = workers.run(
        processor.IterativeExecutor(status=False), {"sample": [str(sample)]}, judge, chunk_size=100_000
    ).result.values()
    np.testing.assert_array_equal(shared["response"].view(flow=True), here["response"].view(flow=True))
    assert shared["counts"] == here["counts"]


def losing(client: Any, action: Callable[[], Any]) -> Callable[[], None]:
    """The action, until the client has lost its connection."""
    connection = client.scheduler_comm

    def lose() -> None:
        action()
        wait_until(lambda: client.scheduler_comm is not connection)

    return lose


def test_a_connection_that_is_lost_and_comes_back(threads, files, notes, tmp_path):
    executor = workers.ClusterExecutor(client=threads, status=False, wait=PATIENCE)
    plan = workers.plan_of(executor, files, chunk_size=5)
    lose = losing(threads, lambda: threads.loop.add_callback(threads.scheduler_comm.comm.abort))
    with meanwhile(notes, lose, begun=3):
        outcome = workers.process(executor, plan, Spectrum(notes, hold_after=3))
    assert len(done(notes)) > outcome.chunks == 24  # some were begun twice, and counted once
    assert same(outcome.result, alone(files, tmp_path).result)


def test_a_scheduler_that_is_gone(threads, files, notes):
    executor = workers.ClusterExecutor(client=threads, status=False, wait=5)
    plan = workers.plan_of(executor, files, chunk_size=5)
    address = threads.scheduler.address
    threads._timeout = 1  # for connecting again: it is connected
    with (
        meanwhile(notes, losing(threads, lambda: threads.loop.add_callback(threads.cluster.scheduler.close)), begun=3),
        pytest.raises(WorkerError, match=rf"the scheduler {address} is gone: .*run again with --resume"),
    ):
        workers.process(executor, plan, Spectrum(notes, hold_after=3))
    threads.cluster.shutdown_scheduler = False  # it would look for the scheduler for 30 s, to end it


def test_a_nanny_waits_for_the_process_that_it_killed(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    from coffea_mljec.workers.nanny import PatientNanny

    async def late(*_: Any, **__: Any) -> None:
        raise TimeoutError

    class Process:
        ended = False

        async def join(self) -> None:
            self.ended = True

    monkeypatch.setattr(distributed.Nanny, "kill", late)
    nanny, process = object.__new__(PatientNanny), Process()
    nanny.process = SimpleNamespace(process=process, status=None)
    asyncio.run(nanny.kill())
    assert process.ended
    nanny.process = None
    asyncio.run(nanny.kill())


def test_no_client_and_no_workers(files, notes):
    distributed = pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    with pytest.raises(InputError, match="there is no dask client"):
        workers.run(workers.ClusterExecutor(status=False), files, Spectrum(notes))
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0", silence_logs=50) as empty,
        distributed.Client(empty) as client,
        pytest.raises(WorkerError, match=r"has no workers that work after 0\.2 s: none has come\. Scale it"),
    ):
        workers.run(workers.ClusterExecutor(client=client, status=False, wait=0.2), files, Spectrum(notes))


def test_no_scheduler_answers():
    pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(WorkerError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9"),
        workers.executor(scheduler="tcp://127.0.0.1:9"),
    ):
        pass


def test_a_scheduler_whose_certificate_is_not_here(threads):
    address = threads.scheduler.address
    with (
        pytest.raises(WorkerError, match=rf"no dask scheduler answers at {address} .*certificates in dask's config"),
        workers.executor(scheduler=address),
    ):
        pass


def test_guards_are_executors_of_their_kind(threads):
    executor = guard.guarded(workers.ClusterExecutor(client=threads, status=False))
    assert isinstance(executor, processor.DaskExecutor)
    assert executor.copy(desc="x").client is threads
