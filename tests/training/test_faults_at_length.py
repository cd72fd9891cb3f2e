"""Faults of the training side that take several processes: ``make faults`` runs them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from coffea_mljec import workers
from coffea_mljec.errors import WorkerError
from tests.patience import PATIENCE, wait_until
from tests.training.dataset.test_dataset import SMALL, write_nano
from tests.training.opendata import tuples
from tests.workers.conftest import local_cluster
from tests.workers.test_faults_at_length import Outside
from training.dataset import Selection, prepare
from training.derive.jets import read_jets
from training.derive.provider import open_provider
from training.evaluate.jets import read_evaluated_jets
from training.opendata.convert import convert

pytestmark = [pytest.mark.slow, pytest.mark.faults]


@pytest.fixture
def pair() -> Iterator[Any]:
    """Two worker processes, each with a nanny."""
    with local_cluster(2) as client:
        yield client


def executor(client: Any) -> workers.ClusterExecutor:
    return workers.ClusterExecutor(client=client, status=False, wait=PATIENCE)


@contextmanager
def once(appears: Callable[[], bool], fault: Callable[[], None]) -> Iterator[None]:
    """A fault while the block runs, as soon as something is there; fails where it never came."""
    over, happened = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            if appears():
                fault()
                happened.set()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert happened.is_set()


def killing(client: Any) -> Callable[[], None]:
    processes = list(client.run(os.getpid).values())
    return lambda: os.kill(processes[0], signal.SIGKILL)


def shards(tmp_path: Path) -> list[Path]:
    return [write_nano(tmp_path / f"shard{seed}.root", seed) for seed in range(1, 17)]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*/*") if path.is_file()}


def test_a_worker_that_is_killed_while_jets_are_prepared(tmp_path: Path, pair: Any) -> None:
    paths = shards(tmp_path)
    prepare(paths, SMALL, Selection(), tmp_path / "one", progress=False)
    with once(lambda: any((tmp_path / "two").rglob("*.npz")), killing(pair)):
        prepare(paths, SMALL, Selection(), tmp_path / "two", progress=False, workers=executor(pair))
    assert written(tmp_path / "one") == written(tmp_path / "two")


@pytest.mark.filterwarnings("ignore::coffea_mljec.workers.OpenClusterWarning")
def test_a_scheduler_that_is_killed_while_jets_are_prepared(tmp_path: Path) -> None:
    """It is named; the same again without a cluster goes on from the finished parts, with the same bytes."""
    paths = shards(tmp_path)
    prepare(paths, SMALL, Selection(), tmp_path / "one", progress=False)
    outside = Outside()
    try:
        place = executor(outside.client)
        outside.client._timeout = 1  # for connecting again
        with (
            once(lambda: any((tmp_path / "two").rglob("*.npz")), lambda: outside.processes[0].kill()),
            pytest.raises(WorkerError, match=rf"the scheduler {outside.address} is gone"),
        ):
            prepare(paths, SMALL, Selection(), tmp_path / "two", progress=False, workers=place)
    finally:
        outside.close()
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "two").rglob("*.npz")}
    assert 0 < len(kept) < len(paths)
    prepare(paths, SMALL, Selection(), tmp_path / "two", progress=False)
    assert written(tmp_path / "one") == written(tmp_path / "two")


def test_a_worker_that_is_killed_while_a_correction_is_derived_and_judged(
    sample: Path, sample_jec: list[Path], tmp_path: Path, pair: Any
) -> None:
    folder = tmp_path / "production"
    folder.mkdir()
    for number in range(6):
        shutil.copy(sample, folder / f"{number}.root")
    provider = open_provider(str(sample_jec[0].parent), "AK4PFchs")
    alone = read_jets([folder], provider)
    with once(lambda: any((tmp_path / "derived").glob("*")), killing(pair)):
        derived = read_jets([folder], provider, cache=tmp_path / "derived", workers=executor(pair))
    assert all(np.array_equal(alone[name], derived[name]) for name in alone.columns)
    pair.wait_for_workers(2, timeout=PATIENCE)
    providers: Any = {provider.name: provider}
    one = read_evaluated_jets([folder], providers, None, progress=False)
    with once(lambda: any((tmp_path / "judged").glob("*")), killing(pair)):
        two = read_evaluated_jets([folder], providers, tmp_path / "judged", progress=False, workers=executor(pair))
    assert all(np.array_equal(one[name], two[name]) for name in one.columns)
    assert np.array_equal(one.pt[provider.name], two.pt[provider.name])


@pytest.fixture
def public(sample: Path, tmp_path: Path) -> list[str]:
    """Six public tuples, of events of their own."""
    jets = tuples.jets_of(sample)
    paths = []
    for number in range(6):
        own = jets | {"event": np.asarray(jets["event"]) + 10_000_000 * number}
        paths.append(str(tuples.write(tmp_path / f"tuple_{number}.root", own)))
    return paths


def events_of(folder: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(folder.glob("*.root")):
        with uproot.open(path) as file:
            found[path.name] = file["Events"].arrays().tolist()
    return found


def test_a_worker_that_is_killed_while_tuples_are_converted(public: list[str], tmp_path: Path, pair: Any) -> None:
    convert(public, tmp_path / "one", progress=False)
    with once(lambda: any((tmp_path / "two").glob("*.root")), killing(pair)):
        done = convert(public, tmp_path / "two", progress=False, workers=executor(pair))
    assert [one.path.name for one in done] == [Path(name).name for name in public]
    assert events_of(tmp_path / "one") == events_of(tmp_path / "two")


def test_a_conversion_that_is_killed_goes_on(public: list[str], tmp_path: Path) -> None:
    convert(public, tmp_path / "one", progress=False)
    command = [sys.executable, "-m", "training", "convert", "jetntuple", *public, "-o", str(tmp_path / "two")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: any((tmp_path / "two").glob("*.root")))
    process.kill()
    process.wait(PATIENCE)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "two").glob("*.root")}
    subprocess.run([*command, "--resume", "-j", "2", "--quiet"], check=True, capture_output=True)
    now = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "two").glob("*.root")}
    assert kept.items() <= now.items()
    assert events_of(tmp_path / "one") == events_of(tmp_path / "two")


def test_a_worker_that_is_killed_while_events_are_simulated(tmp_path: Path, pair: Any) -> None:
    pytest.importorskip("pythia8mc", reason="simulation needs pythia8mc ([simulate])")
    pytest.importorskip("fastjet", reason="simulation needs fastjet ([simulate])")
    from rich.console import Console

    from training.simulate.plan import Plan
    from training.simulate.production import produce

    plan = Plan.create(seed=4, events=24, shard_events=4, pool_events=40, selection={"ak8": False})
    quiet = Console(quiet=True)
    produce(tmp_path / "one", plan, console=quiet)
    with once(lambda: any((tmp_path / "two").glob("*.root")), killing(pair)):
        produce(tmp_path / "two", plan, executor(pair), console=quiet)
    assert events_of(tmp_path / "one") == events_of(tmp_path / "two")
