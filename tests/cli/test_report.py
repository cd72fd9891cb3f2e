"""``mljec report``."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from coffea_mljec.validation.registry import MEASUREMENTS
from tests.factories import two_jets, write


def test_simulation_has_response_and_dijets(mljec, jec_text, tmp_path):
    nano = write(two_jets(n_events=300), tmp_path / "nano.root")
    command = ("report", nano, "-o", tmp_path / "r", "--jec", jec_text, "--replicas", 2, "--no-plots")
    status, printed, said = mljec(*command, "--title", "A < B")
    assert status == 0, said
    assert "report.html" in printed
    numbers = json.loads((tmp_path / "r" / "numbers.json").read_text())
    assert numbers["providers"] == numbers["dijets"]["providers"] == ["as stored", "standard"]
    assert numbers["counts"]["judged"] == 600
    assert numbers["dijets"]["counts"]["events"] == 300
    assert sum(cell["events"] for cell in numbers["dijets"]["cells"]) > 0
    assert numbers["made"]["command"].startswith("mljec report ")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "<title>A &lt; B</title>" in page
    assert "Resolution from dijets" in page


def test_data_has_dijets_alone(mljec, jec_text, tmp_path):
    nano = write(two_jets(simulation=False), tmp_path / "nano.root")
    status, _, said = mljec("report", nano, "-o", tmp_path / "r", "--jec", jec_text, "--replicas", 2, "--no-plots")
    assert status == 0, said
    numbers = json.loads((tmp_path / "r" / "numbers.json").read_text())
    assert "cells" not in numbers
    assert numbers["dijets"]["counts"]["events"] == 60
    assert not (tmp_path / "r" / "table.md").exists()


def test_a_further_measurement_of_the_registry_is_measured(mljec, jec_text, tmp_path, monkeypatch):
    monkeypatch.setitem(MEASUREMENTS, "again", replace(MEASUREMENTS["dijets"], name="again"))
    nano = write(two_jets(), tmp_path / "nano.root")
    command = ("report", nano, "-o", tmp_path / "r", "--jec", jec_text, "--replicas", 2, "--no-plots")
    status, _, said = mljec(*command, "--no-dijets")
    assert status == 0, said
    numbers = json.loads((tmp_path / "r" / "numbers.json").read_text())
    assert "dijets" not in numbers
    assert numbers["again"]["counts"]["events"] == 60


def test_nothing_to_measure_is_refused(mljec, jec_text, tmp_path):
    nano = write(two_jets(simulation=False), tmp_path / "nano.root")
    status, _, said = mljec("report", nano, "-o", tmp_path / "r", "--jec", jec_text, "--no-dijets")
    assert status == 2
    assert "nothing to report: no response, no widths, no mass, no dijets, no balance" in said


def test_a_balance_without_leptons_is_refused(mljec, jec_text, tmp_path):
    nano = write(two_jets(), tmp_path / "nano.root")
    command = ("report", nano, "-o", tmp_path / "r", "--jec", jec_text, "--no-plots", "--no-dijets", "--replicas", 0)
    status, _, said = mljec(*command, "--balance", "zmumu")
    assert status == 2
    assert "needs Muon, which the events do not have" in said


def test_networks_among_the_files_are_compared_and_judged_with_a_caveat(
    mljec, model_folder, sample, jec_text, tmp_path
):
    """The toy network was not trained on parametrised simulation, which the sample is; the bundled one was."""
    command = ("report", model_folder, "pfn-r-lite", sample, "-o", tmp_path / "r", "--replicas", 0)
    status, _, said = mljec(*command, "--no-plots", "--no-dijets")
    assert status == 0, said
    numbers = json.loads((tmp_path / "r" / "numbers.json").read_text())
    assert numbers["providers"] == ["as stored", "toy", "pfn-r-lite"]
    wanted = (
        "Judged on another sample than it was made for: toy (trained on other simulation: none). The events are this"
    )
    assert numbers["caveat"].startswith(wanted)
    assert wanted in (tmp_path / "r" / "report.html").read_text()
    assert "there are no files to compare pfn-r-lite on" in mljec("report", "pfn-r-lite", "-o", tmp_path / "r")[2]


@pytest.mark.filterwarnings("ignore::coffea_mljec.MissingBranchWarning")
def test_the_caveat_of_bundled_networks_on_other_events(mljec, jec_text, tmp_path):
    nano = write(two_jets(), tmp_path / "nano.root")
    command = ("report", nano, "--model", "jet-bdt", "-o", tmp_path / "r", "--replicas", 0, "--no-plots")
    status, _, said = mljec(*command, "--jec", jec_text)
    assert status == 0, said
    page = (tmp_path / "r" / "report.html").read_text()
    assert "jet-bdt (trained on parametrised simulation: " in page
    assert "The events are not from this project&#39;s simulation" in page
