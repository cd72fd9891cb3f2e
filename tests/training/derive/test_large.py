"""AK8 jets: read from files, and a correction of pT and soft-drop mass from toys whose response is known."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec import FactorizedJEC
from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import level_files, read_soft_drop_text, read_text
from tests.training.derive.toy import resolution, true_response
from tests.training.simulate.fakes import random_batch
from training.derive.closure import closure_table, summary
from training.derive.derivation import Derived, corrected, derive
from training.derive.jets import MatchedJets, read_jets
from training.derive.soft_drop import fit_soft_drop
from training.simulate.nanoaod import write
from training.simulate.tables import JetSelection, assemble


def lost(pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Soft-drop mass over the generator's."""
    return 0.9 + 0.04 * np.log10(pt / 500) - 0.03 * (np.abs(eta) > 1.3)


def toy(seed: int, n: int = 50_000) -> MatchedJets:
    rng = np.random.default_rng(seed)
    eta = rng.uniform(-2.5, 2.5, n)
    pt = np.exp(rng.uniform(np.log(200.0), np.log(np.minimum(3000.0, 6000.0 / np.cosh(eta)))))
    rho = rng.uniform(5, 45, n)
    mass = rng.uniform(5.0, 200.0, n)
    mass[rng.random(n) < 0.05] = np.nan
    columns = {
        "pt_raw": true_response(pt, eta) * pt * np.exp(rng.normal(0.0, 1.0, n) * resolution(pt)), "eta": eta,
        "area": np.full(n, 2.0), "rho": rho, "pt_gen": pt, "eta_gen": eta, "weight": np.ones(n),
        "flavour": np.full(n, 21.0), "process": np.zeros(n), "event": np.arange(n) * 1.0, "msoftdrop_gen": mass,
        "msoftdrop": np.where(np.isnan(mass), 0.0, mass * lost(pt, eta) * np.exp(rng.normal(0, 0.08, n))),
    }  # fmt: skip
    return MatchedJets(columns, rho, rho, algorithm="AK8PFPuppi")


def test_jets_beyond_a_payload_are_in_no_closure(derived: Derived) -> None:
    """It gives 0 there."""
    jets = toy(3, 20_000)
    beyond = dataclasses.replace(jets, columns=jets.columns | {"eta": jets["eta"] * 1.2, "eta_gen": jets["eta"] * 1.2})
    pt = corrected(beyond, derived.payload)
    assert (pt == 0.0).sum() > 500
    table = closure_table(beyond, np.ones(len(beyond)), pt)
    assert all(median > 0.9 for entry in table for median in entry["median"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ak8")


@pytest.fixture(scope="module")
def derived(folder: Path) -> Derived:
    return derive(toy(1), folder, "Toy_V1_MC", "AK8PFPuppi", "a toy")


def test_pt_closes_on_other_events_and_ends_at_the_last_bin(derived: Derived, folder: Path) -> None:
    other = toy(2)
    raw = summary(closure_table(other, np.ones(len(other)), other["pt_raw"]))
    found = summary(closure_table(other, np.ones(len(other)), corrected(other, derived.payload)))
    assert found["largest"] < 0.01 < raw["largest"]
    assert derived.payload.levels == ("L1FastJet", "L2Relative", "L3Absolute")
    at = {"pt_raw": np.full(2, 500.0), "eta": np.array([2.49, 2.51]), "area": np.ones(2), "rho": np.ones(2)}
    assert derived.payload.evaluate(at)[1].tolist() == [True, False]
    # The correction of another quantity is none of the levels.
    standard = FactorizedJEC.from_txt(level_files(folder, "AK8PFPuppi"))
    assert standard.payload.levels == derived.payload.levels


def test_the_soft_drop_mass_closes_in_both_regions(derived: Derived, folder: Path) -> None:
    payload = read_soft_drop_text(folder / "Toy_V1_MC_SoftDropMass_AK8PFPuppi.jec.txt")
    other = toy(2)
    pt = corrected(other, derived.payload)
    factor, valid = payload.evaluate({"pt_raw": pt, "eta": other["eta"]})
    assert valid.all()
    for low, high in ((0.0, 1.3), (1.3, 2.5)):
        for pt_low, pt_high in ((200, 400), (400, 800), (800, 2500)):
            rows = (np.abs(other["eta"]) > low) & (np.abs(other["eta"]) < high) & (pt > pt_low) & (pt < pt_high)
            rows &= other["msoftdrop_gen"] > 50
            ratio = other["msoftdrop"][rows] / other["msoftdrop_gen"][rows]
            assert np.median(ratio * factor[rows]) == pytest.approx(1.0, abs=0.006)
            assert np.median(ratio) < 0.96
    content = gzip.decompress(derived.library.read_bytes()).decode()
    assert "Toy_V1_MC_SoftDropMass_AK8PFPuppi" in content


def test_it_is_no_level_of_a_correction_of_pt(derived: Derived, folder: Path) -> None:
    mass = folder / "Toy_V1_MC_SoftDropMass_AK8PFPuppi.jec.txt"
    with pytest.raises(PayloadError, match="holds a correction of the soft-drop mass, not a level of the correction"):
        read_text([mass])
    with pytest.raises(PayloadError, match="holds L2Relative, expected SoftDropMass"):
        read_soft_drop_text(folder / "Toy_V1_MC_L2Relative_AK8PFPuppi.jec.txt")


def test_few_jets_give_a_flatter_curve_or_none() -> None:
    jets = toy(3, 1_500)
    level = fit_soft_drop(jets, jets["pt_gen"])
    assert len(level.rows) == 4
    assert all(0.8 < row.parameters[0] < 1.4 for row in level.rows)
    light = dataclasses.replace(jets, columns=jets.columns | {"msoftdrop_gen": np.full(len(jets), 20.0)})
    with pytest.raises(InputError, match=r"0 < \|eta\| < 1.3: no bin of pT holds 40 jets .*simulate more events of"):
        fit_soft_drop(light, light["pt_gen"])


def test_large_jets_of_files(tmp_path: Path) -> None:
    common = {"unmatched_raw_pt_min": 8.0, "ak8_pt_min": 30.0}
    for number, groomed in enumerate((True, False)):
        made = assemble(random_batch(5, 12), JetSelection(**common, soft_drop=groomed), 1, 0, 1)
        write(tmp_path / f"{number}.root", made)
    jets = read_jets([tmp_path / "0.root"], collection="FatJet")
    assert jets.algorithm == "AK8PFPuppi"
    assert len(jets) > 20
    known = np.isfinite(jets["msoftdrop_gen"])
    assert known.mean() > 0.9
    assert np.median(jets["msoftdrop"][known] / jets["msoftdrop_gen"][known]) == pytest.approx(1.0, abs=0.2)
    plain = read_jets([tmp_path / "1.root"], cache=tmp_path / "cache", collection="FatJet")
    assert "msoftdrop" not in plain.columns
    assert plain["pt_raw"].tolist() == jets["pt_raw"].tolist()
    # The cache tells the collections apart.
    small = read_jets([tmp_path / "1.root"], cache=tmp_path / "cache")
    assert (small.algorithm, small["pt_raw"].tolist() == plain["pt_raw"].tolist()) == ("AK4PFchs", False)
    with pytest.raises(InputError, match="some of these files have the soft-drop mass and others lack it"):
        read_jets([tmp_path / "0.root", tmp_path / "1.root"], collection="FatJet")
    with pytest.raises(InputError, match="unknown jets 'Jets': choose one of Jet, FatJet"):
        read_jets([tmp_path / "0.root"], collection="Jets")
