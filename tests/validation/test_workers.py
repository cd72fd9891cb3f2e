"""The main job's histograms: one process, two worker processes, eager, virtual: the same to the last count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coffea import processor
from coffea.nanoevents import PFNanoAODSchema

import coffea_mljec as mljec
from coffea_mljec.validation import ResponseProcessor
from tests.workers.conftest import local_cluster

pytestmark = pytest.mark.filterwarnings("ignore::coffea_mljec.FastSimulationWarning")


@pytest.fixture(scope="module")
def providers(sample_jec: list[Path]) -> dict[str, mljec.Provider]:
    standard = mljec.FactorizedJEC.from_txt(sample_jec)
    return {"standard": standard, "network": mljec.MLJEC(fallback=standard)}


def run(executor: Any, sample: Path, judge: ResponseProcessor, chunk_size: int) -> dict[str, Any]:
    runner = processor.Runner(executor=executor, schema=PFNanoAODSchema, chunksize=chunk_size)
    return runner({"sample": [str(sample)]}, judge, treename="Events")["sample"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A client with two worker processes; their start takes longer than the work."""
    with local_cluster(2) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("weight", [None, "genWeight"])
def test_two_worker_processes_give_what_one_process_gives(
    sample: Path, providers: dict[str, mljec.Provider], cluster: Any, weight: str | None
) -> None:
    judge = ResponseProcessor(providers, weight=weight, replicas=5)
    alone = run(processor.IterativeExecutor(status=False), sample, judge, 100_000)
    shared = run(processor.DaskExecutor(client=cluster, status=False), sample, judge, 437)
    assert alone["counts"] == shared["counts"]
    assert alone["status"] == shared["status"]
    for name in ("response", "jets"):
        ours, theirs = shared[name].view(flow=True), alone[name].view(flow=True)
        assert theirs.sum() > 0
        if weight is None or name == "jets":
            np.testing.assert_array_equal(ours, theirs)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_eager_and_virtual_fill_the_same(sample: Path, providers: dict[str, mljec.Provider], open_nano: Any) -> None:
    judge = ResponseProcessor(providers, replicas=3)
    (eager,) = judge.process(open_nano(sample, mode="eager")).values()
    (virtual,) = judge.process(open_nano(sample, mode="virtual")).values()
    np.testing.assert_array_equal(eager["response"].view(flow=True), virtual["response"].view(flow=True))
    assert eager["counts"] == virtual["counts"]
