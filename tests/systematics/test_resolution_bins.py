"""The uncertainty of the resolution in bins, HEM15/16: their names, and which jets move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from coffea_mljec import FactorizedJEC, Type1MET
from coffea_mljec.payloads.hem import with_hem_issue
from coffea_mljec.systematics.resolution_bins import RESOLUTION_BINS
from tests.factories import in_memory, jets_with_met
from tests.toy_payloads import smearing, sources, written

L2 = "{1 JetEta 1 JetPt [0] Correction L2Relative}\n-5.191 5.191 3 1 6500 1.1\n"


def flat(array: Any) -> np.ndarray:
    return ak.to_numpy(ak.flatten(array))


def standard(folder: Path, **options: Any) -> FactorizedJEC:
    path = written(folder, "Toy1_V1_MC_L2Relative_AK4PFPuppi.jec.txt", L2)
    return FactorizedJEC.from_txt([path], **(sources(folder) | smearing(folder) | options))


def test_each_jet_is_in_one_bin() -> None:
    eta, pt = (axis.ravel() for axis in np.meshgrid(np.linspace(-5.2, 5.2, 400), [1.0, 49.9, 50.0, 3000.0]))
    inside = np.stack([one.of(eta, pt) for one in RESOLUTION_BINS])
    assert (inside.sum(axis=0) == 1).all()
    assert [one.name for one in RESOLUTION_BINS][2] == "eta2p5to3p0_pt0to50"


def test_split_by_bins(tmp_path: Path) -> None:
    events = in_memory(jets_with_met())
    split, whole = standard(tmp_path, split_resolution=True), standard(tmp_path)
    jets, one = split(events), whole(events)
    names = [name for name in jets.fields if name.startswith("JER")]
    assert names == [f"JER_{one.name}" for one in RESOLUTION_BINS]
    np.testing.assert_array_equal(flat(jets.pt), flat(one.pt))
    for name, where in zip(names, RESOLUTION_BINS, strict=True):
        inside = where.of(flat(jets.eta), flat(jets.pt))
        assert inside.any()
        for way in ("up", "down"):
            varied = flat(jets[name][way].pt)
            np.testing.assert_allclose(varied, np.where(inside, flat(one.JER[way].pt), flat(one.pt)), rtol=1e-6)
    np.testing.assert_array_equal(flat(jets.JES_Scale.up.pt), flat(one.JES_Scale.up.pt))
    assert jets.fields.count("jet_energy_uncertainty_Scale") == 1
    listed = dict(split.variations(events))
    assert [*listed][:3] == ["nominal", f"{names[0]}_up", f"{names[0]}_down"]
    np.testing.assert_array_equal(flat(listed[f"{names[1]}_up"].pt), flat(jets[names[1]].up.pt))
    assert standard(tmp_path, split_resolution=True, qualified=True)(events).fields.count(f"{names[0]}_AK4PFPuppi") == 1


def test_met_of_split_variations(tmp_path: Path) -> None:
    events = in_memory(jets_with_met())
    met, one = (Type1MET(standard(tmp_path, split_resolution=split)).apply(events) for split in (True, False))
    names = [f"JER_{where.name}" for where in RESOLUTION_BINS]
    assert [name for name in met.fields if name.startswith("JER")] == names

    def shift(varied: Any, nominal: Any) -> np.ndarray:
        parts = [[ak.to_numpy(one.pt * f(one.phi)) for f in (np.cos, np.sin)] for one in (varied, nominal)]
        return np.stack(parts[0]) - np.stack(parts[1])

    # Each jet moves in one of them: together they are the whole variation.
    together = sum(shift(met[name].up, met) for name in names)
    np.testing.assert_allclose(together, shift(one.JER.up, one), atol=2e-3)
    assert np.abs(together).max() > 1


def test_hem_issue(tmp_path: Path) -> None:
    tables = jets_with_met()
    n = len(tables.tables["Jet"]["pt"])
    cases = [
        (-1.5, -1.2, 0.8),
        (-2.7, -1.2, 0.65),
        (-1.0, -1.2, 1.0),
        (1.5, -1.2, 1.0),
        (-1.5, -0.5, 1.0),
        (-3.1, -1.2, 1),
    ]
    eta, phi, scale = (np.resize(np.array(one, np.float32), n) for one in zip(*cases, strict=True))
    events = in_memory(tables.with_columns("Jet", eta=eta, phi=phi).without("GenJet"))
    with_hem = with_hem_issue(sources(tmp_path)["uncertainties"])
    assert with_hem.inputs == ("pt", "eta", "phi")
    provider = standard(tmp_path, uncertainties=with_hem, resolution=None, scale_factor=None)
    jets = provider(events)
    scale = np.where(flat(jets.pt) > 15, scale, 1)
    np.testing.assert_allclose(flat(jets.JES_HEMIssue.down.pt / jets.pt), scale, rtol=1e-6)
    np.testing.assert_array_equal(flat(jets.JES_HEMIssue.up.pt), flat(jets.pt))
    assert (
        Type1MET(provider).apply(events).JES_HEMIssue.down.pt.tolist() != Type1MET(provider).apply(events).pt.tolist()
    )
