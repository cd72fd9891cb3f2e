"""``mljec demo``: the main job, as ``make demo`` runs it."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from importlib.resources import files

import pytest
import uproot

from coffea_mljec import defaults
from coffea_mljec.cli import demo as demo_module
from tests.nano.generated import write_layout

SAMPLE = files("coffea_mljec") / "data" / "mljec_sample.root"


@pytest.mark.slow
def test_the_main_job(mljec, tmp_path):
    status, printed, said = mljec("demo", "-o", tmp_path / "demo")
    assert status == 0, said
    for name in (defaults.MODEL, "standard", "numbers.json", "table.md", "plots", "corrected_jets.root"):
        assert name in printed
    # One small table, and where the rest is.
    assert "beta/%" in printed
    assert len(printed.splitlines()) <= 20
    numbers = json.loads((tmp_path / "demo" / "numbers.json").read_text())
    assert numbers["providers"] == ["standard", defaults.MODEL]
    assert numbers["counts"]["judged"] > 1000
    assert {path.suffix for path in (tmp_path / "demo" / "plots").iterdir()} == {".png", ".pdf"}
    with uproot.open(SAMPLE) as sample, uproot.open(tmp_path / "demo" / "corrected_jets.root") as corrected:
        assert numbers["counts"]["events"] == sample["Events"].num_entries == corrected["Events"].num_entries
        assert corrected["Events"]["nJet"].array().tolist() == sample["Events"]["nJet"].array().tolist()
    assert not list((tmp_path / "demo").rglob("*.part"))


@pytest.mark.filterwarnings("ignore::coffea_mljec.FastSimulationWarning", "ignore::coffea_mljec.MismatchWarning")
def test_a_plain_install(mljec, tmp_path, sample, sample_jec, monkeypatch):
    """Without dask on local processes, without mplhep no figures; each in one line."""
    small = write_layout("pfnano", sample, tmp_path, n_events=40)
    monkeypatch.setattr(demo_module, "_material", lambda: nullcontext((small, sample_jec)))
    for absent in ("distributed", "mplhep"):
        monkeypatch.setitem(sys.modules, absent, None)
    status, printed, said = mljec("demo", "-o", tmp_path / "demo", "--workers", 1)
    assert status == 0, said
    assert "note: dask is not installed (pip install 'coffea-mljec[dask]'): the work runs on local processes" in said
    assert "note: no figures: mplhep not installed (pip install 'coffea-mljec[plot]')" in said
    assert "plots" not in printed
    written = {path.name for path in (tmp_path / "demo").iterdir()}
    assert written == {"report.html", "numbers.json", "table.md", "corrected_jets.root"}
