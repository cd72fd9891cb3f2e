"""The processor of docs/howto/eras.md, as it stands, on two dask workers and a real file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import defaults
from tests.docs.pages import ROOT, blocks_of
from tests.eras.repository import era_2023bpix
from tests.patience import PATIENCE

PAGE = ROOT / "docs" / "howto" / "eras.md"


@pytest.fixture
def bpix(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = era_2023bpix(tmp_path, real_data / "jec" / "2023_Summer23BPix_jet_jerc.json.gz")
    monkeypatch.setenv("MLJEC_JSONPOG", str(root))
    monkeypatch.setattr(defaults, "WORKER_PATIENCE", PATIENCE)
    return root


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_processor_of_the_page(bpix: Path, real_data: Path, open_nano: Any) -> None:
    """By `workers.run` and, where dask-awkward is there, by `apply_to_fileset`: the same bins as here."""
    pytest.importorskip("distributed", reason="a cluster needs distributed ([dask])")
    block, in_dask = [block.text for block in blocks_of(PAGE.read_text()) if block.language == "python"]
    processor = block[block.index("class ") : block.index("\n    def postprocess")]
    assert len([line for line in processor.splitlines() if line.strip()]) <= 20
    path = real_data / "nano" / "nanoaod_v15_tt_mc.root"
    scope: dict[str, Any] = {"__name__": "__main__", "files": [str(path)]}
    exec(compile(block, str(PAGE), "exec"), scope)
    result = scope["result"]
    era = mljec.era("2023BPix")
    sources = era.systematics(smearing=False)["uncertainties"].sources  # type: ignore[union-attr]
    varied = ["JER", *(f"JES_{one}" for one in sources)]
    assert [*result.axes[0]] == ["nominal", *(f"{name}_{way}" for name in varied for way in ("up", "down"))]
    events = open_nano(path)
    kept = int(np.sum(era.veto_map()(events, jets=era.standard().apply(events))))
    assert 100 < kept < 200
    assert set(result.values(flow=True).sum(axis=(1, 2))[: len(varied) * 2 + 1].tolist()) == {float(kept)}
    here = scope["Spectra"](era).process(events)
    np.testing.assert_array_equal(here.values(flow=True), result.values(flow=True))
    pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    steps = in_dask.replace("step_size=50_000", "step_size=50")
    assert steps != in_dask
    exec(compile(steps, str(PAGE), "exec"), scope)
    np.testing.assert_array_equal(scope["computed"]["tt"].values(flow=True), result.values(flow=True))
