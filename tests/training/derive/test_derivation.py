"""The derivation on a toy detector whose offset, response and resolution are known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec import FactorizedJEC
from coffea_mljec.errors import InputError
from coffea_mljec.payloads import read_text
from tests.training.derive.toy import RHO_0, resolution, toy, true_response, true_slope
from training.derive import workflow
from training.derive.closure import closure_table, plot_closure, summary, write_closure
from training.derive.derivation import ETA_EDGES, Derived, corrected, derive, derive_closure
from training.derive.jets import MatchedJets
from training.derive.offset import fit_offset, subtracted
from training.derive.resolution import ETA_EDGES as RESOLUTION_EDGES
from training.derive.resolution import fit_resolution, predicted
from training.derive.response import fit_response


@pytest.fixture(scope="module")
def training() -> MatchedJets:
    return toy(1)


@pytest.fixture(scope="module")
def derived(training: MatchedJets, tmp_path_factory: pytest.TempPathFactory) -> Derived:
    return derive(training, tmp_path_factory.mktemp("jec"), "Toy_V1_MC", "AK4PFchs", "a toy")


def test_the_offset_is_found(training: MatchedJets) -> None:
    offset = fit_offset(training, np.ones(len(training)), ETA_EDGES)
    assert offset.rho_0 == pytest.approx(RHO_0, abs=0.15)
    centres = 0.5 * (ETA_EDGES[1:] + ETA_EDGES[:-1])
    at_30 = offset.slope * (1 + offset.growth * np.log(30 / 15))
    assert at_30 == pytest.approx(true_slope(centres), rel=0.05)
    left = subtracted(training, offset) / training["pt_gen"] - true_response(training["pt_gen"], training["eta"])
    assert np.median(left[training["pt_gen"] > 20]) == pytest.approx(0.0, abs=0.005)


def test_it_closes_on_other_events(derived: Derived) -> None:
    other = toy(2)
    assert derived.payload.levels == ("L1FastJet", "L2Relative", "L3Absolute")
    raw = summary(closure_table(other, np.ones(len(other)), other["pt_raw"]))
    found = summary(closure_table(other, np.ones(len(other)), corrected(other, derived.payload)))
    assert found["bins"] > 35
    assert found["largest"] < 0.01 < raw["largest"]
    assert found["beyond_by_two_errors"] == 0
    assert found["chi2_per_bin"] < 2.5 < raw["chi2_per_bin"]


def test_it_closes_at_the_generators_eta_although_it_is_applied_at_the_reconstructed() -> None:
    """Jets pulled across a steep fall of the response: medians at fixed reconstructed eta would be off by per cents."""
    rng = np.random.default_rng(7)
    n = 200_000
    eta_gen, pt = rng.uniform(0, 5.19, n), np.exp(rng.uniform(np.log(20), np.log(80), n))
    pull = rng.normal(0.0, 1.0, n)
    eta = np.clip(eta_gen + 0.05 * pull, 0, 5.19)
    response = (0.9 - 0.3 / (1 + np.exp(-(eta_gen - 2.6) / 0.08))) * np.exp(rng.normal(0, 0.15, n) - 0.05 * pull)
    surface = fit_response(response, eta, eta_gen, pt, np.ones(n), ETA_EDGES)
    row = np.digitize(eta, ETA_EDGES) - 1
    ratio = response / surface.at(row, (0.5 * (ETA_EDGES[1:] + ETA_EDGES[:-1]))[row], pt)
    for low, high in ((2.0, 2.4), (2.5, 2.7), (2.7, 3.0)):
        inside = (eta_gen >= low) & (eta_gen < high)
        assert np.median(ratio[inside]) == pytest.approx(1.0, abs=0.01)


def test_the_correction_is_continuous_and_rises(derived: Derived) -> None:
    pt = np.geomspace(1.0, 6000.0, 20_001)
    for eta in (0.1, -2.7, 4.5):
        columns = {"pt_raw": pt, "eta": np.full(len(pt), eta), "area": np.full(len(pt), 0.5), "rho": np.zeros(len(pt))}
        factor, valid = derived.payload.evaluate(columns)
        assert valid.all()
        assert np.all(np.diff(pt * factor) > 0)
        assert np.max(np.abs(np.diff(factor))) < 2e-3


def test_the_resolution_is_that_of_the_toy(training: MatchedJets, derived: Derived) -> None:
    pt = corrected(training, derived.payload)
    found = fit_resolution(training, np.ones(len(training)), pt)
    other = toy(2)
    scaled = (corrected(other, derived.payload) / other["pt_gen"] - 1.0) / predicted(
        found, np.abs(other["eta"]), other["rho"], other["pt_gen"]
    )
    for low, high in ((15, 30), (30, 100), (100, 1000)):
        for eta_low, eta_high in ((0, 1.3), (1.3, 2.5), (2.5, 4)):
            rows = (other["pt_gen"] > low) & (other["pt_gen"] < high)
            rows &= (np.abs(other["eta"]) > eta_low) & (np.abs(other["eta"]) < eta_high)
            inner = np.quantile(scaled[rows], [0.1587, 0.8413])
            assert 0.5 * (inner[1] - inner[0]) == pytest.approx(1.0, abs=0.06)
    # Without pileup the toy's width is known.
    assert predicted(found, np.array([0.3]), np.array([1.0]), np.array([300.0])) == pytest.approx(
        resolution(np.array([300.0])), rel=0.06
    )
    assert len(RESOLUTION_EDGES) - 1 == len(found.stochastic)


def test_a_providers_closure_flattens_it(training: MatchedJets, tmp_path: Path) -> None:
    """Any pT will do; here one that leans to the middle of the spectrum, as a network's does."""

    def with_provider(jets: MatchedJets) -> MatchedJets:
        pt = jets["pt_raw"] ** 0.95 * (1.3 + 0.05 * np.abs(jets["eta"]))
        return MatchedJets(jets.columns | {"pt": pt}, jets.event_rho, jets.event_n_pu)

    found = derive_closure(with_provider(training), tmp_path, "Toy-odd_V1_MC", "AK4PFchs")
    assert [path.name for path in found.texts] == [
        "Toy-odd_V1_MC_MLClosure_AK4PFchs.jec.txt", "Toy-odd_V1_MC_PtResolution_AK4PFchs.jr.txt",
        "Toy-odd_V1_MC_SF_AK4PFchs.jersf.txt",
    ]  # fmt: skip
    assert found.payload.levels == ("MLClosure",)
    assert set(found.payload.inputs) == {"pt_raw", "eta"}
    other = with_provider(toy(2))
    before = summary(closure_table(other, np.ones(len(other)), other["pt"]))
    after = summary(closure_table(other, np.ones(len(other)), corrected(other, found.payload)))
    assert after["largest"] < 0.01 < before["largest"]
    standard = FactorizedJEC.from_json(found.library, "Toy-odd_V1_MC", "AK4PFchs", "MLClosure")
    columns = {"pt_raw": other["pt"], "eta": other["eta"]}
    assert standard.payload.evaluate(columns)[0] == pytest.approx(found.payload.evaluate(columns)[0], rel=1e-6)


def test_jets_of_puppi_have_no_offset(training: MatchedJets, tmp_path: Path) -> None:
    """As in CMS L1FastJet is 1, whatever rho; what pileup leaves is L2Relative's."""
    puppi = dataclasses.replace(training, algorithm="AK4PFPuppi")
    found = derive(puppi, tmp_path, "Toy_V1_MC", puppi.algorithm)
    assert [path.name.split("_MC_")[1] for path in found.texts[:3]] == [
        "L1FastJet_AK4PFPuppi.jec.txt", "L2Relative_AK4PFPuppi.jec.txt", "L3Absolute_AK4PFPuppi.jec.txt",
    ]  # fmt: skip
    columns = {name: training[name] for name in ("pt_raw", "eta", "area", "rho")}
    factor, valid = read_text(found.texts[:1]).evaluate(columns)
    assert valid.all()
    assert (factor == 1.0).all()
    library = FactorizedJEC.from_json(found.library, "Toy_V1_MC", "AK4PFPuppi", "L1FastJet")
    assert (library.payload.evaluate(columns)[0] == 1.0).all()
    closure = summary(closure_table(puppi, np.ones(len(puppi)), corrected(puppi, found.payload)))
    assert closure["largest"] < 0.01


def test_closure_files(derived: Derived, tmp_path: Path) -> None:
    jets = toy(4, 20_000)
    tables = {"one": closure_table(jets, np.ones(len(jets)), corrected(jets, derived.payload))}
    write_closure(tmp_path / "closure.json", tables)
    plot_closure(tmp_path / "closure.png", tables)
    content = json.loads((tmp_path / "closure.json").read_text())
    assert content["one"]["bins"][0]["abs_eta"] == [0.0, 0.8]
    assert content["one"]["above_30_GeV"]["bins"] > 20
    assert all(error > 0 for entry in content["one"]["bins"] for error in entry["error"])
    assert (tmp_path / "closure.png").read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closure.json", "closure.png"]


def test_the_command(training: MatchedJets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one.root", tmp_path / "two.root"
    for path in (one, two):
        path.write_bytes(b"")
    samples = {one: training, two: toy(2, 60_000)}
    monkeypatch.setattr(workflow, "read_jets", lambda inputs, *_, **__: samples[inputs[0]])
    found = workflow.derive_from_files([one], tmp_path / "jec", None, "AK4PFchs", [two], report=tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "jec").iterdir()) == [
        "MLJECSim_V1_MC_AK4PFchs.json.gz", "MLJECSim_V1_MC_L1FastJet_AK4PFchs.jec.txt",
        "MLJECSim_V1_MC_L2Relative_AK4PFchs.jec.txt", "MLJECSim_V1_MC_L3Absolute_AK4PFchs.jec.txt",
        "MLJECSim_V1_MC_PtResolution_AK4PFchs.jr.txt", "MLJECSim_V1_MC_SF_AK4PFchs.jersf.txt",
    ]  # fmt: skip
    assert {path.parent for path in (*found.texts, found.library)} == {tmp_path / "jec"}
    tables = json.loads((tmp_path / "report" / "MLJECSim_V1_MC_AK4PFchs_closure.json").read_text())
    assert list(tables) == [
        "same events", "other events, raw pT", "other events", "other events, flavours as they are",
    ]  # fmt: skip
    chi2 = {name: table["above_30_GeV"]["chi2_per_bin"] for name, table in tables.items()}
    assert chi2["other events"] < 3.0 < chi2["other events, raw pT"]
    # The default of FactorizedJEC.from_json: the residual of simulation is 1.
    jets = samples[two]
    columns = {name: jets[name] for name in ("pt_raw", "eta", "area", "rho")}
    standard = FactorizedJEC.from_json(found.library, "MLJECSim_V1_MC", "AK4PFchs")
    assert standard.payload.levels[-1] == "L2L3Residual"
    monkeypatch.setitem(samples, two, dataclasses.replace(samples[two], algorithm="AK4PFPuppi"))
    with pytest.raises(InputError, match="the closure's events hold AK4PFPuppi jets, the others AK4PFchs"):
        workflow.derive_from_files([one], tmp_path / "other", None, None, [two])
    assert standard.payload.evaluate(columns)[0] == pytest.approx(found.payload.evaluate(columns)[0], rel=1e-6)


def test_bad_input(training: MatchedJets, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected <campaign>_<version>_MC"):
        derive(training, tmp_path, "no_good", "AK4PFchs")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        derive(training, tmp_path / "file" / "in", "Toy_V1_MC", "AK4PFchs")
    few = toy(1, 100)
    with pytest.raises(InputError, match=r"jets near 0 < \|eta\| < 0.261 .*expected at least 300: simulate more"):
        derive(few, tmp_path / "few", "Toy_V1_MC", "AK4PFchs")
    assert not list((tmp_path / "few").iterdir())
    flat = MatchedJets(few.columns, np.full(50, 20.0), np.full(50, 25.0))
    with pytest.raises(InputError, match="the offset needs a range"):
        derive(flat, tmp_path / "flat", "Toy_V1_MC", "AK4PFchs")
    with_pt = MatchedJets(few.columns | {"pt": few["pt_raw"]}, few.event_rho, few.event_n_pu)
    with pytest.raises(InputError, match=r"cells of .*hold 60 jets each, expected at least 8: simulate more"):
        derive_closure(with_pt, tmp_path / "few", "Toy_V1_MC", "AK4PFchs")
    central = np.abs(training["eta"]) < 2.0
    part = MatchedJets(
        {name: column[central] for name, column in training.columns.items()} | {"pt": training["pt_raw"][central]},
        training.event_rho, training.event_n_pu,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"no bin of \|eta\| near .* expected jets up to"):
        derive_closure(part, tmp_path / "few", "Toy_V1_MC", "AK4PFchs")
