"""Scale and smearing of the soft-drop mass, with variations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.payloads import read_soft_drop_text
from coffea_mljec.systematics import JetMass
from tests.factories import Tables, in_memory
from tests.validation.mass.toy import large_jets

SCALE, RESOLUTION = (1.0, 1.01, 0.99), (1.1, 1.2, 1.0)


def tables(simulation: bool = True) -> Tables:
    made = large_jets(300)
    return made if simulation else made.without("GenJetAK8", "SubGenJetAK8", "GenPart", "genWeight")


def flat(array: ak.Array) -> np.ndarray:
    return ak.to_numpy(ak.flatten(array)).astype(np.float64)


def test_the_scale_multiplies_and_its_variations_keep_the_smearing() -> None:
    events = in_memory(tables())
    jets = JetMass(scale=(0.98, 1.0, 0.96), resolution=RESOLUTION).apply(events)
    only = JetMass(resolution=RESOLUTION).apply(events)
    before = flat(events.FatJet.msoftdrop)
    assert flat(jets.msoftdrop_before).tolist() == before.tolist()
    assert flat(jets.msoftdrop) == pytest.approx(0.98 * flat(only.msoftdrop), rel=1e-6)
    assert flat(jets.JMS.up.msoftdrop) == pytest.approx(flat(only.msoftdrop), rel=1e-6)
    assert flat(jets.JMS.down.msoftdrop) == pytest.approx(0.96 * flat(only.msoftdrop), rel=1e-6)
    assert flat(jets.JMR.up.pt).tolist() == flat(events.FatJet.pt).tolist()
    assert jets.JMS.up.delta_r(events.FatJet) is not None


def test_jets_with_a_generator_mass_are_scaled_the_others_smeared_at_random() -> None:
    made = tables()
    # No generator mass in every second event.
    sub = {name: column.copy() for name, column in made.tables["SubGenJetAK8"].items()}
    sub["eta"][(np.arange(len(sub["eta"])) // 2) % 2 == 1] += 5.0
    events = in_memory(made.with_table("SubGenJetAK8", sub, made.counts["SubGenJetAK8"]))
    jets = JetMass(resolution=RESOLUTION, relative_width=0.08).apply(events)
    before, after = flat(events.FatJet.msoftdrop), flat(jets.msoftdrop)
    true = flat(in_memory(made).SubGenJetAK8.mass)
    near = np.abs(before - true) < 3 * 0.08 * before
    matched = (np.arange(len(before)) // 2) % 2 == 0
    rows = matched & near
    assert rows.sum() > 100
    assert after[rows] == pytest.approx(before[rows] + 0.1 * (before - true)[rows], rel=1e-4)
    assert flat(jets.JMR.down.msoftdrop)[rows] == pytest.approx(before[rows], rel=1e-6)
    assert flat(jets.JMR.up.msoftdrop)[rows] == pytest.approx(before[rows] + 0.2 * (before - true)[rows], rel=1e-4)
    pull = (after / before - 1.0)[~matched] / (0.08 * np.sqrt(1.1**2 - 1))
    assert np.std(pull) == pytest.approx(1.0, abs=0.15)
    assert np.mean(pull) == pytest.approx(0.0, abs=0.2)


def test_numbers_belong_to_the_jet() -> None:
    events = in_memory(tables())
    method = JetMass(resolution=RESOLUTION)
    whole = flat(method.apply(events).msoftdrop)
    parts = [flat(method.apply(events[start : start + 7]).msoftdrop) for start in range(0, len(events), 7)]
    assert np.concatenate(parts).tolist() == whole.tolist()
    jets = ak.with_field(events.SubGenJetAK8, events.SubGenJetAK8.eta + 5, "eta")
    apart = ak.with_field(events, jets, "SubGenJetAK8")
    first, second = (flat(JetMass(resolution=RESOLUTION, seed=seed).apply(apart).msoftdrop) for seed in (1, 2))
    assert abs(np.corrcoef(first / flat(events.FatJet.msoftdrop), second / flat(events.FatJet.msoftdrop))[0, 1]) < 0.15


def test_data_gets_the_correction_only(tmp_path: Path) -> None:
    path = tmp_path / "Toy_V1_MC_SoftDropMass_AK8PFPuppi.jec.txt"
    path.write_text(
        "{1 JetEta 1 JetPt [0]+[1]*log10(x/500) Correction SoftDropMass}\n"
        "-1.3 0 4 200 3000 1.1 0.05\n0 1.3 4 200 3000 1.2 0.05\n"
    )
    method = JetMass(correction=read_soft_drop_text(path), scale=SCALE, resolution=RESOLUTION)
    events = in_memory(tables(simulation=False))
    jets = method.apply(events)
    assert "JMS" not in jets.fields
    assert "JMR" not in jets.fields
    pt, eta, before = flat(jets.pt), flat(jets.eta), flat(events.FatJet.msoftdrop)
    factor = np.where(eta < 0, 1.1, 1.2) + 0.05 * np.log10(np.clip(pt, 200, 3000) / 500)
    # Beyond |eta| 1.3 there is none.
    expected = np.where(np.abs(eta) < 1.3, before * factor, before)
    assert flat(jets.msoftdrop) == pytest.approx(expected, rel=1e-5)
    assert (np.abs(eta) > 1.3).any()


def test_masses_that_are_not_positive_stay() -> None:
    made = tables()
    fat = {name: column.copy() for name, column in made.tables["FatJet"].items()}
    fat["msoftdrop"][:3] = [-1.0, 0.0, np.nan]
    events = in_memory(made.with_table("FatJet", fat, made.counts["FatJet"]))
    jets = JetMass(scale=SCALE, resolution=RESOLUTION).apply(events)
    for array in (jets.msoftdrop, jets.JMS.up.msoftdrop, jets.JMR.down.msoftdrop):
        assert flat(array)[:2].tolist() == [-1.0, 0.0]
        assert np.isnan(flat(array)[2])
        assert np.isfinite(flat(array)[3:]).all()


def test_the_mass_of_the_whole_jet_and_jets_of_a_provider() -> None:
    events = in_memory(tables())
    corrected = ak.with_field(events.FatJet, events.FatJet.pt * 1.1, "pt")
    jets = JetMass("mass", scale=SCALE, resolution=(1.2, 1.2, 1.2)).apply(events, corrected)
    true, before = flat(events.GenJetAK8.mass), flat(events.FatJet.mass)
    near = np.abs(before - true) < 0.3 * before
    assert flat(jets.mass)[near] == pytest.approx((before + 0.2 * (before - true))[near], rel=1e-4)
    assert flat(jets.pt) == pytest.approx(1.1 * flat(events.FatJet.pt), rel=1e-6)
    assert flat(jets.JMS.up.pt).tolist() == flat(jets.pt).tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (1.0, 1.01)}, r"scale must be three positive numbers \(nominal, up, down\)"),
        ({"scale": (1.0, 0.9906, 1.0094)}, "has up below down: the order is nominal, up, down"),
        ({"resolution": (1.0, 1.2, float("nan"))}, "resolution must be three positive numbers"),
        ({"relative_width": 0.0}, "relative_width must lie between 0 and 1"),
        ({"correction": "file.txt"}, "correction must be read first"),
    ],
)
def test_refused_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        JetMass(**options)


def test_bad_input() -> None:
    events = in_memory(tables())
    with pytest.raises(InputError, match="FatJet has no 'particleNet_mass': give the mass that it has"):
        JetMass("particleNet_mass").apply(events)
    with pytest.raises(InputError, match="are not those of FatJet of these events: set the mass before cutting"):
        JetMass().apply(events, events.FatJet[:, :1])
    lacking = in_memory(tables().without("SubGenJetAK8"))
    with pytest.raises(MissingBranchError, match=r"the smearing of msoftdrop needs SubGenJetAK8_pt, .*not smeared"):
        JetMass(resolution=RESOLUTION).apply(lacking)
    assert "JMS" in JetMass(scale=SCALE).apply(lacking).fields


@pytest.mark.parametrize("name", ["pfnano_ul17_mc", "nanoaod_v15_tt_mc"])
def test_real_large_jets(name: str, real_data: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(real_data / "nano" / f"{name}.root")
    jets = JetMass(scale=SCALE, resolution=RESOLUTION).apply(events)
    before, after = flat(events.FatJet.msoftdrop), flat(jets.msoftdrop)
    good = before > 0
    assert good.sum() > 5
    assert np.abs(after[good] / before[good] - 1).max() < 0.5
    assert (after[~good] == before[~good]).all()
    assert flat(jets.JMS.up.msoftdrop)[good] == pytest.approx(1.01 * after[good], rel=1e-5)
