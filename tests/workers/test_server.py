"""Networks on a server, asked by dask workers in processes of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from tests.models.backends.model_server import serve
from tests.patience import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::coffea_mljec.FastSimulationWarning")]


def corrected(corrector: Any, path: str) -> tuple[Any, Any]:
    """pT and status of the jets, event ranges one after the other."""
    from coffea_mljec.nano import open_nano

    parts = []
    with open_nano(path) as nano:
        for start in (0, 40, 80):
            jets = ak.flatten(corrector(nano.events(start, start + 40)))
            parts.append((ak.to_numpy(jets.pt), ak.to_numpy(jets.mljec_status)))
    pt, status = zip(*parts, strict=True)
    return np.concatenate(pt), np.concatenate(status)


def failing(corrector: Any, path: str) -> str:
    from coffea_mljec.errors import ModelError

    try:
        corrected(corrector, path)
    except ModelError as error:
        return str(error)
    return "no error"


def test_two_workers_ask_one_server(cluster: Any, sample: Path) -> None:
    here = mljec.MLJEC("pfn-r-lite")
    pt, status = corrected(here, str(sample))
    with serve({"pfn-r-lite": here.model.graph}) as server:
        there = mljec.MLJEC("pfn-r-lite", server=mljec.TritonServer(server.url, timeout=PATIENCE))
        found = cluster.run(corrected, there, str(sample))
        assert server.connections == 2  # one for each process, which all of its chunks share
    assert len(found) == 2
    for its_pt, its_status in found.values():
        np.testing.assert_allclose(its_pt, pt, rtol=1e-5)
        np.testing.assert_array_equal(its_status, status)
    # The server is gone now.
    for text in cluster.run(failing, there, str(sample)).values():
        assert text.startswith(f"no answer from the server at {server.url}: ")
