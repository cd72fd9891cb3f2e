"""What a stored regression says of a jet's resolution, and its neutrinos on the jets of a network."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import MLJEC, NanoRegression, Status
from coffea_mljec.errors import InputError, MissingBranchError
from tests.corrections.test_nano_regression import PNET, flat, made_up

WIDTH = {"PNetRegPtRawRes": [[0.3, 0.0], [], [0.12]]}


def test_the_width_is_relative_to_corrected_pt() -> None:
    """PNet's is that of generator over raw pT: over the visible factor, with neutrinos too."""
    for neutrino in (False, True):
        jets = NanoRegression("PNet", neutrino).apply(made_up(**PNET, **WIDTH))
        assert ak.num(jets.pt_resolution).to_list() == [2, 0, 1]
        np.testing.assert_allclose(flat(jets, "pt_resolution"), [0.2, np.nan, 0.15], rtol=1e-6)
        assert flat(jets, "pt_resolution").dtype == np.float32


def test_widths_of_b_jets_are_relative_already() -> None:
    jets = NanoRegression("bReg").apply(made_up(bRegCorr=[[1.1, 1.2], [], [0.9]], bRegRes=[[0.1, 0.2], [], [0.3]]))
    np.testing.assert_allclose(flat(jets, "pt_resolution"), [0.1, 0.2, 0.3], rtol=1e-6)


def test_no_width_without_its_branch_or_without_a_regression() -> None:
    assert "pt_resolution" not in NanoRegression("PNet").apply(made_up(**PNET)).fields
    none = PNET | {"PNetRegPtRawCorr": [[-1.0, 2.0], [], [0.8]]}
    jets = NanoRegression("PNet").apply(made_up(**none, PNetRegPtRawRes=[[0.3, 0.4], [], [0.2]]))
    np.testing.assert_allclose(flat(jets, "pt_resolution"), [np.nan, 0.2, 0.25], rtol=1e-6)


def test_an_earlier_width_does_not_stay_behind() -> None:
    events = made_up(**PNET, **WIDTH)
    jets = ak.without_field(NanoRegression("PNet").apply(events), ["PNetRegPtRawRes"])
    assert "pt_resolution" in jets.fields
    assert "pt_resolution" not in NanoRegression("PNet").apply(ak.with_field(events, jets, "Jet")).fields


@pytest.mark.parametrize(("name", "regression"), [("nanoaod_v12_tt_mc", "PNet"), ("nanoaod_v15_tt_mc", "UParT")])
def test_coverage_on_real_jets(real_data: Path, open_nano: Callable[..., Any], name: str, regression: str) -> None:
    """Two thirds of the jets lie within their width, or nearly: .60 and .62 here, of .683."""
    events = open_nano(real_data / "nano" / f"{name}.root")
    jets = NanoRegression(regression).apply(events)
    matched = jets.matched_gen
    ratio = ak.to_numpy(ak.fill_none(ak.flatten(matched.pt / jets.pt), np.nan))
    width = flat(jets, "pt_resolution")
    good = np.isfinite(ratio) & np.isfinite(width) & (flat(jets, "pt") > 30) & (np.abs(flat(jets, "eta")) < 2.5)
    assert good.sum() > 500
    assert 0.5 < np.mean(np.abs(ratio - 1)[good] < width[good]) < 0.72


def test_neutrinos_of_a_regression_on_jets_of_a_network(real_data: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(real_data / "nano" / "nanoaod_v15_tt_mc.root")
    with warnings.catch_warnings():  # the model is for CHS jets, and trained on simulation of its own
        warnings.simplefilter("ignore")
        visible = MLJEC("jet-bdt").apply(events)
    network = MLJEC("jet-bdt", neutrinos="PNet", selection=("btagPNetB", 0.5))
    jets = pickle.loads(pickle.dumps(network)).apply(events)
    tagged = (flat(events.Jet, "btagPNetB") >= 0.5) & ((flat(jets, "mljec_status") & Status.APPLIED) != 0)
    factor = flat(events.Jet, "PNetRegPtRawCorrNeutrino")
    assert tagged.sum() > 100
    np.testing.assert_allclose(flat(jets, "pt")[tagged], (flat(visible, "pt") * factor)[tagged], rtol=1e-6)
    np.testing.assert_array_equal(flat(jets, "pt")[~tagged], flat(visible, "pt")[~tagged])
    assert {"Jet_PNetRegPtRawCorrNeutrino", "Jet_btagPNetB"} <= set(network.required_branches(events))
    ratio = MLJEC("jet-bdt", neutrinos="UParT").apply(events)
    used = (flat(ratio, "mljec_status") & Status.APPLIED) != 0
    step = flat(events.Jet, "UParTAK4RegPtRawCorrNeutrino") / flat(events.Jet, "UParTAK4RegPtRawCorr")
    step = np.where(flat(events.Jet, "UParTAK4RegPtRawCorrNeutrino") > 0, step, 1.0)
    np.testing.assert_allclose(flat(ratio, "pt")[used], (flat(visible, "pt") * step)[used], rtol=1e-5)


def test_what_is_not_defined_on_a_networks_jets_is_refused(tiny_nano: Path, open_nano: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="bReg is one factor for neutrinos and all else, trained on jets with the st"):
        MLJEC("jet-bdt", neutrinos="bReg")
    with pytest.raises(InputError, match="no stored regression 'PNett'"):
        MLJEC("jet-bdt", neutrinos="PNett")
    with pytest.raises(InputError, match="say neutrinos= as well"):
        MLJEC("jet-bdt", selection=("btagPNetB", 0.5))
    events = open_nano(tiny_nano)
    with pytest.raises(MissingBranchError, match="the neutrinos of UParTV1 need Jet_UParTAK4V1RegPtRawCorrNeutrino"):
        MLJEC("jet-bdt", neutrinos="UParTV1").required_branches(events)
