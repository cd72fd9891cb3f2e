"""``mljec demo``: the main job, as ``make demo`` runs it."""

from __future__ import annotations

import json
from importlib.resources import files

import uproot

from coffea_mljec import defaults

SAMPLE = files("coffea_mljec") / "data" / "mljec_sample.root"


def test_the_main_job(mljec, tmp_path):
    status, printed, said = mljec("demo", "-o", tmp_path / "demo")
    assert status == 0, said
    for name in (defaults.MODEL, "standard", "numbers.json", "table.md", "plots", "corrected_jets.root"):
        assert name in printed
    numbers = json.loads((tmp_path / "demo" / "numbers.json").read_text())
    assert numbers["providers"] == ["standard", defaults.MODEL]
    assert numbers["counts"]["judged"] > 1000
    assert {path.suffix for path in (tmp_path / "demo" / "plots").iterdir()} == {".png", ".pdf"}
    with uproot.open(SAMPLE) as sample, uproot.open(tmp_path / "demo" / "corrected_jets.root") as corrected:
        assert numbers["counts"]["events"] == sample["Events"].num_entries == corrected["Events"].num_entries
        assert corrected["Events"]["nJet"].array().tolist() == sample["Events"]["nJet"].array().tolist()
    assert not list((tmp_path / "demo").rglob("*.part"))
