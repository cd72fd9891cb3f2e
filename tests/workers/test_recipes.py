"""The recipes in ``examples/clusters`` run as far as this machine allows, and say what they tried."""

from __future__ import annotations

import gc
import runpy
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="dask workers need distributed ([dask])")
RECIPES = Path(__file__).parents[2] / "examples" / "clusters"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """``recipe("local", ...)`` runs one as a command, in an empty folder; what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        runpy.run_path(str(RECIPES / f"{name}.py"), run_name="__main__")
        assert not (tmp_path / "checkpoints").exists()
        return capsys.readouterr().out

    return run


@pytest.mark.slow
def test_local(recipe):
    pytest.importorskip("cryptography", reason="a local cluster's certificate needs cryptography ([dask])")
    printed = recipe("local", "--workers", "1")
    assert "tried: a cluster of 1 processes on this machine, at tls://" in printed
    assert "jets judged in" in printed


def test_a_scheduler_that_is_there(recipe, facility, tmp_path):
    (tmp_path / "bad.root").write_bytes(b"")
    sample = Path(RECIPES).parents[1] / "coffea_mljec" / "data" / "mljec_sample.root"
    printed = recipe("facility", str(sample), str(tmp_path / "bad.root"), "--address", facility.scheduler.address)
    assert f"tried: the scheduler at {facility.scheduler.address}" in printed
    assert "jets judged in" in printed
    assert "left out: " in printed
    assert "bad.root" in printed


def test_a_facility_that_is_not_there(recipe, monkeypatch):
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "dask_gateway", None)
    printed = recipe("facility")
    assert "tried: a scheduler that is there already: no --address" in printed
    assert "tried: dask-gateway: not installed here" in printed
    assert "no facility from here: nothing was run" in printed


def test_a_gateway(recipe, monkeypatch, facility):
    """dask-gateway's own words, answered by a stand-in whose cluster is the one at hand."""

    class Cluster:
        name = "one"

        def adapt(self, minimum: int, maximum: int) -> None:
            assert (minimum, maximum) == (1, 7)

        def get_client(self) -> Any:
            from distributed import Client

            return Client(facility.scheduler.address)

        def __enter__(self) -> Cluster:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    class Gateway:
        def __init__(self, address: str) -> None:
            assert address == "https://dask.facility.org"

        def list_clusters(self) -> list[Any]:
            return []

        def new_cluster(self) -> Cluster:
            return Cluster()

    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "dask_gateway", type("module", (), {"Gateway": Gateway}))
    printed = recipe("facility", "--gateway", "https://dask.facility.org", "--workers", "7")
    assert "tried: dask-gateway: cluster one, up to 7 workers" in printed
    assert "jets judged in" in printed


@pytest.mark.parametrize("system", ["slurm", "htcondor", "lsf", "pbs"])
def test_a_batch_system_that_is_not_there(recipe, system):
    if shutil.which({"slurm": "sbatch", "htcondor": "condor_submit", "lsf": "bsub", "pbs": "qsub"}[system]):
        pytest.skip(f"this machine has {system}, and a test submits no jobs")
    printed = recipe("batch", "--system", system, "--jobs", "3")
    if find_spec("dask_jobqueue") is None:
        assert "tried: dask-jobqueue: not installed here" in printed
    else:
        assert "distributed.cli.dask_worker" in printed
        assert "is not on this machine, so nothing was submitted" in printed


@pytest.mark.slow
# dask-jobqueue leaves its local job's process, pipes and certificates to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_rehearsal_of_a_batch_system(recipe):
    pytest.importorskip("dask_jobqueue", reason="the rehearsal needs dask-jobqueue")
    printed = recipe("batch", "--system", "local", "--jobs", "1")
    assert "tried: 1 jobs by bash" in printed
    assert "jets judged in" in printed
    gc.collect()
