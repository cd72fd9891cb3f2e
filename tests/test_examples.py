"""What lies in ``examples/`` runs."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from coffea import processor
from coffea.nanoevents import PFNanoAODSchema

import coffea_mljec as mljec

ROOT = Path(__file__).parents[1]
DATA = ROOT / "coffea_mljec" / "data"
SAMPLE = DATA / "mljec_sample.root"


@pytest.fixture(scope="module")
def dijet_mass() -> type:
    return runpy.run_path(str(ROOT / "examples" / "processor.py"))["DijetMass"]


def test_dijet_mass_of_real_jets(dijet_mass, real_data):
    standard = mljec.FactorizedJEC.from_json(
        real_data / "jec" / "2017_UL_jet_jerc.json.gz", "Summer19UL17_V5_MC", "AK4PFchs"
    )
    files = {"ttbar": [str(real_data / "nano" / "pfnano_ul17_mc.root")]}
    executor = processor.IterativeExecutor(status=False, retries=0)
    runner = processor.Runner(executor=executor, schema=PFNanoAODSchema, chunksize=4)
    result = runner(files, dijet_mass({"standard": standard, "again": standard}), treename="Events")
    assert result["events"] == 10
    assert result["applied"] == {"standard": 64, "again": 64}
    mass = result["mass"]
    assert mass.sum(flow=True) > 0
    # Correcting corrected jets starts from their raw pT: the second correction in the loop gives what the first gave.
    assert (mass["standard", :].values(flow=True) == mass["again", :].values(flow=True)).all()


def test_dijet_mass_of_the_sample_from_its_command_line(monkeypatch, capsys):
    payloads = [part for path in sorted((DATA / "jec").glob("*AK4PFchs.jec.txt")) for part in ("--jec", str(path))]
    monkeypatch.setattr(sys, "argv", ["processor.py", str(SAMPLE), *payloads])
    runpy.run_path(str(ROOT / "examples" / "processor.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "events; jets that each correction treated: {'network':" in printed


def test_dijets_of_the_sample_from_the_command_line(monkeypatch, capsys, tmp_path):
    payloads = [part for path in sorted((DATA / "jec").glob("*AK4PFchs.jec.txt")) for part in ("--jec", str(path))]
    numbers = tmp_path / "dijets.json"
    options = ["--pt", "60", "200", "3000", "--eta", "0", "2.5", "5", "--min-events", "1", "--replicas", "3"]
    monkeypatch.setattr(sys, "argv", ["in_situ.py", "dijet", str(SAMPLE), *payloads, *options, "-o", str(numbers)])
    runpy.run_path(str(ROOT / "examples" / "in_situ.py"), run_name="__main__")
    printed = capsys.readouterr().out
    written = json.loads(numbers.read_text())
    shown = [line for line in printed.splitlines() if line.startswith(("raw", "standard"))]
    assert len(shown) == len(written["cells"]) > 0
    assert written["providers"] == ["raw", "standard"]
    assert "in sum, standard: JER above 100 GeV within 10 % of truth in " in printed
    assert written["counts"]["events"] > 1000
    assert sum(cell["events"] for cell in written["cells"]) == sum(written["selected"].values())


def test_balance_of_real_events_from_the_command_line(monkeypatch, capsys, real_data):
    """PFNano has muons, electrons and MET; ten events hold no Z boson."""
    payloads = [part for path in sorted((DATA / "jec").glob("*AK4PFchs.jec.txt")) for part in ("--jec", str(path))]
    file = str(real_data / "nano" / "pfnano_ul17_mc.root")
    monkeypatch.setattr(sys, "argv", ["in_situ.py", "zll", file, *payloads, "--met", "MET", "--min-events", "1"])
    runpy.run_path(str(ROOT / "examples" / "in_situ.py"), run_name="__main__")
    assert "'events': 10, 'with_reference': " in capsys.readouterr().out
