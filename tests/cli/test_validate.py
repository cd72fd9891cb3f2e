"""``mljec validate``."""

from __future__ import annotations

import json

import pytest

from tests.factories import two_jets, write
from tests.validation.mass.toy import large_jets


def test_report_of_a_model_the_standard_path_and_the_stored_jets(mljec, jec_text, model_folder, tmp_path):
    nano = write(two_jets(n_events=300), tmp_path / "nano.root")
    command = ("validate", nano, "-o", tmp_path / "v", "--jec", jec_text, "--model", model_folder)
    status, printed, said = mljec(*command, "--chunk-size", 100, "--replicas", 5, "--no-plots")
    assert status == 0, said
    assert "as stored" in printed
    numbers = json.loads((tmp_path / "v" / "numbers.json").read_text())
    assert numbers["standard"] == "standard"
    assert numbers["providers"] == ["as stored", "standard", "toy"]
    assert numbers["counts"]["judged"] == 600
    cell = {
        entry["provider"]: entry
        for entry in numbers["cells"]
        if (entry["region"], entry["interval"], entry["flavour"]) == ("central", ">30", "all")
    }
    # Raw jets are 0.8 of the stored ones, which scatter around 1: 1.25 brings the standard path back onto them.
    assert cell["as stored"]["median"]["value"] == pytest.approx(1, abs=0.02)
    assert cell["standard"]["median"]["value"] == pytest.approx(cell["as stored"]["median"]["value"], abs=2e-3)
    assert (tmp_path / "v" / "table.md").is_file()


def test_stored_regressions(mljec, tmp_path):
    nano = write(two_jets(n_events=200, regression=True), tmp_path / "nano.root")
    command = ("validate", nano, "-o", tmp_path / "v", "--no-plots", "--replicas", 2)
    status, _, said = mljec(*command, "--regression", "PNet", "--regression", "PNet+neutrino")
    assert status == 0, said
    numbers = json.loads((tmp_path / "v" / "numbers.json").read_text())
    assert numbers["providers"] == ["as stored", "PNet", "PNet+neutrino"]
    median = {
        entry["provider"]: entry["median"]["value"]
        for entry in numbers["cells"]
        if (entry["region"], entry["interval"], entry["flavour"]) == ("central", ">30", "all")
    }
    # Raw jets are 0.8 of the stored ones; 0.8 x 1.5, and 1.1 on top with neutrinos.
    assert median["PNet"] / median["as stored"] == pytest.approx(1.2, abs=0.01)
    assert median["PNet+neutrino"] / median["as stored"] == pytest.approx(1.32, abs=0.01)
    assert "expected a name alone or with +neutrino" in mljec(*command, "--regression", "PNet+nu")[2]
    assert "no stored regression 'ParticleNet'" in mljec(*command, "--regression", "ParticleNet")[2]
    assert "needs Jet_UParTAK4RegPtRawCorr" in mljec(*command, "--regression", "UParT")[2]


def test_without_a_standard_path_the_stored_jets_are_the_standard(mljec, nano, model_folder, tmp_path):
    command = ("validate", nano, "-o", tmp_path / "v", "--model", model_folder, "--no-plots", "--replicas", 2)
    assert mljec(*command)[0] == 0
    assert json.loads((tmp_path / "v" / "numbers.json").read_text())["standard"] == "as stored"
    written = {path.name for path in (tmp_path / "v").iterdir()}
    assert {"numbers.json", "table.md"} <= written
    assert not {"plots", "checkpoints", "skipped.json"} & written


@pytest.mark.parametrize("executor", [(), ("--executor", "futures")])
def test_data_cannot_be_validated(mljec, jec_text, tmp_path, executor):
    nano = write(two_jets(simulation=False), tmp_path / "data.root")
    status, _, said = mljec("validate", nano, "-o", tmp_path / "v", "--jec", jec_text, *executor)
    assert status == 2
    assert "data.root, entries 0 to 60: the response needs generator jets" in said
    assert "Traceback" not in said


def test_a_bad_file_is_refused_before_the_work(mljec, nano, jec_text, tmp_path):
    command = ("validate", nano, tmp_path / "nowhere.root", "-o", tmp_path / "v", "--jec", jec_text)
    status, _, said = mljec(*command)
    assert status == 2
    assert "no such file" in said
    assert not (tmp_path / "v").exists()


def test_the_same_file_or_name_twice(mljec, nano, jec_text, model_folder, tmp_path):
    command = ("validate", nano, "-o", tmp_path / "v", "--jec", jec_text)
    assert "two corrections have the name toy" in mljec(*command, "--model", model_folder, "--model", model_folder)[2]
    assert "given more than once" in mljec("validate", nano, nano, "-o", tmp_path / "v", "--jec", jec_text)[2]


@pytest.mark.filterwarnings("always::coffea_mljec.MissingBranchWarning")
@pytest.mark.parametrize("command", [("validate",), ("validate", "--workers", 2), ("report", "--no-dijets")])
def test_without_a_correction_the_first_file_chooses_the_network(
    mljec, model_folder, nano, tmp_path, monkeypatch, command
):
    from coffea_mljec import defaults
    from tests.models import toy

    monkeypatch.setattr(defaults, "NETWORKS", (str(toy.write(tmp_path / "better", name="better")), str(model_folder)))
    name, *options = command
    status, _, said = mljec(name, nano, "-o", tmp_path / "v", *options, "--no-plots", "--replicas", 0)
    assert status == 0, said
    assert f"note: network 'toy', the best that the first file can feed: {nano}" in said
    assert json.loads((tmp_path / "v" / "numbers.json").read_text())["providers"] == ["as stored", "toy"]
    lacking = write(two_jets().without("Jet_eta"), tmp_path / "lacking.root")
    status, _, said = mljec(name, lacking, "-o", tmp_path / "w", *options, "--no-plots")
    assert (status, (tmp_path / "w").exists()) == (2, False)
    assert f"{lacking}: no bundled network can be fed by the Jet of this file" in said


def test_masses_of_large_jets(mljec, tmp_path):
    """No model is for them by default; their generator jets are those of their radius."""
    nano = write(large_jets(300), tmp_path / "nano.root")
    command = ("validate", nano, "-o", tmp_path / "v", "--collection", "FatJet", "--no-plots", "--replicas", 2)
    status, printed, said = mljec(*command)
    assert status == 0, said
    assert "Peaks" in printed
    numbers = json.loads((tmp_path / "v" / "numbers.json").read_text())
    assert numbers["providers"] == ["as stored"]
    assert numbers["counts"]["judged"] == 600
    assert numbers["mass"]["counts"]["heavy"] > 250
    assert not [path for path in (tmp_path / "v").iterdir() if path.name.startswith("checkpoints")]
    assert "is for" in mljec(*command, "--model", "pfn-r-lite")[2]


def test_neutrinos_in_the_generator_pt(mljec, sample, tmp_path):
    nano = sample.with_name("mljec_large_jets.root")
    command = ("validate", nano, "-o", tmp_path / "v", "--collection", "FatJet", "--no-plots", "--replicas", 2)
    status, _, said = mljec(*command, "--neutrinos")
    assert status == 0, said
    numbers = json.loads((tmp_path / "v" / "numbers.json").read_text())
    assert 0 < numbers["counts"]["with_neutrinos"] < numbers["counts"]["judged"]
    assert "mass" not in numbers
    assert "Generator pT includes neutrinos" in (tmp_path / "v" / "report.html").read_text()
    status, _, said = mljec("validate", sample, "-o", tmp_path / "w", "--no-plots", "--neutrinos")
    assert status != 0
    assert "needs GenJet_ptWithNeutrinos" in said
