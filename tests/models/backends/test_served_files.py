"""Networks on a server in every mode: CMS's own on real files, and one of ours on the bundled sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec.nano import open_nano
from tests.models.backends.model_server import serve
from tests.modes.table import READ
from tests.patience import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::coffea_mljec.FastSimulationWarning"),
    pytest.mark.filterwarnings("ignore::coffea_mljec.MismatchWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

MODES = ("eager", "virtual", "dask")
NETWORKS = {"ParticleNetAK8_General": "FatJet", "ParticleNetAK8_MassRegression": "FatJet", "ParticleNetAK4_CHS": "Jet"}
ROWS = [
    *(("pfnano_ul17_mc", name, mode) for name in NETWORKS for mode in MODES),
    # This one has the candidates of large jets alone.
    *(("pfnano_ul18_partial_mc", name, "virtual") for name in NETWORKS if NETWORKS[name] == "FatJet"),
]


def _read(branch: str) -> bool:
    return READ.fullmatch(branch) is not None


@contextmanager
def evaluated(path: Path, mode: str) -> Iterator[Callable[..., Any]]:
    """A function that evaluates the collection of a file by what it is given: record or jets, in memory."""
    if mode == "dask":
        pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    with open_nano(path) as nano:
        # Not all branches: eager mode would read them.
        options = (
            {} if mode == "dask" else {"iteritems_options": {"filter_name": lambda name: bool(READ.fullmatch(name))}}
        )
        events = nano.events(mode=mode, **options)

        def found(evaluate: Callable[[Any], Any]) -> Any:
            values = evaluate(events)
            return values.compute(scheduler="sync") if mode == "dask" else values

        yield found


def same(found: Any, expected: Any, ties: float = 0.0) -> None:
    """Equal to 1e-5; a share of the jets, those whose choice of neighbours hangs on rounding, to 1e-2 only."""
    assert found.fields == expected.fields
    for field in expected.fields:
        values, others = ak.to_numpy(ak.flatten(found[field])), ak.to_numpy(ak.flatten(expected[field]))
        np.testing.assert_allclose(values, others, rtol=1e-5, atol=1e-2 if ties else 1e-5, err_msg=field)
        assert np.mean(~np.isclose(values, others, rtol=1e-5, atol=1e-5, equal_nan=True)) <= ties, field
    np.testing.assert_array_equal(ak.flatten(found["mljec_status"]), ak.flatten(expected["mljec_status"]))


@pytest.mark.parametrize(("file", "name", "mode"), ROWS)
def test_networks_of_cms(file: str, name: str, mode: str, real_data: Path) -> None:
    files = real_data / "models"
    graph = files / f"{name}.onnx"
    options = {"preprocess": files / f"{name}.preprocess.json", "collection": NETWORKS[name]}
    here = mljec.Network.from_weaver(graph, **options)
    with serve({name: graph.read_bytes()}) as server, evaluated(real_data / "nano" / f"{file}.root", mode) as of:
        asked = mljec.TritonServer(server.url, model=name, timeout=PATIENCE)
        there = mljec.Network.from_weaver(graph, **options, server=asked)
        expected = of(here.outputs)
        assert ak.any(mljec.Status.APPLIED.of(expected))
        same(of(there.outputs), expected, ties=0.02)  # onnxruntime decides ties by the size of the batch


@pytest.mark.parametrize("mode", MODES)
def test_our_own_on_the_sample(sample: Path, mode: str) -> None:
    here = mljec.MLJEC("pfn-r-lite")
    with serve({"pfn-r-lite": here.model.graph}) as server, evaluated(sample, mode) as of:
        there = mljec.MLJEC("pfn-r-lite", server=mljec.TritonServer(server.url, timeout=PATIENCE))
        fields = ["pt", "mass", "mljec_status"]
        same(of(lambda events: there(events)[fields]), of(lambda events: here(events)[fields]))
