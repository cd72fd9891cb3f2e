"""The standard path: on real files it reproduces the stored pT; on made-up events its rules."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import FactorizedJEC, Status
from coffea_mljec.errors import InputError, MissingBranchError, PayloadError
from coffea_mljec.payloads.suitability import MismatchWarning
from tests.library import library_file

UL17, UL17_FAT, RUN3 = "Summer19UL17_V5_MC", "Summer19UL17_V5_MC", "Summer23BPixPrompt23_V3_MC"

L1 = "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-(z/y)*[0]*x) Correction L1FastJet}\n-5 5 7 0 200 8 3000 0 10 1.0\n"
L2 = "{1 JetEta 1 JetPt [0]+[1]/x Correction L2Relative}\n-5 0 4 8 3000 1.1 1\n0 5 4 8 3000 1.2 2\n"


def write(folder: Path, level: str, text: str, algorithm: str = "AK4PFchs") -> Path:
    path = folder / f"Toy1_V1_MC_{level}_{algorithm}.jec.txt"
    path.write_text(text)
    return path


@pytest.fixture
def toy(tmp_path: Path) -> FactorizedJEC:
    return FactorizedJEC.from_txt([write(tmp_path, "L1FastJet", L1), write(tmp_path, "L2Relative", L2)])


def made_up(**changed: Any) -> ak.Array:
    """Three events with two, no and one jet; raw pT is half of pT."""
    jet = {
        "pt": [[100.0, 60.0], [], [40.0]],
        "eta": [[1.0, -1.0], [], [0.0]],
        "phi": [[0.0, 1.0], [], [2.0]],
        "mass": [[10.0, 6.0], [], [4.0]],
        "area": [[0.5, 0.5], [], [0.4]],
        "rawFactor": [[0.5, 0.5], [], [0.5]],
    } | changed
    record = ak.zip({name: ak.Array(ak.from_iter(column)) for name, column in jet.items() if column is not None})
    return ak.Array({"Jet": record, "fixedGridRhoFastjetAll": [20.0, 10.0, 30.0], "run": [1, 1, 1]})


def by_hand(pt_raw: float, eta: float, area: float, rho: float) -> float:
    first = max(0.0001, 1 - area / pt_raw * rho)
    pt = pt_raw * first
    return first * ((1.2 + 2 / pt) if eta >= 0 else (1.1 + 1 / pt))


# --- real files


@pytest.fixture(scope="module")
def nano(real_data: Path, open_nano: Callable[..., Any]) -> Callable[[str], Any]:
    """Virtual events of a real file by name, opened once: most of a test's time is coffea's opening."""
    return cache(lambda name: open_nano(real_data / "nano" / f"{name}.root"))


def agreement(stored: ak.Array, corrected: ak.Array) -> np.ndarray:
    return np.abs(ak.to_numpy(ak.flatten(corrected.pt / stored.pt)) - 1)


def test_reproduces_the_stored_ak4_pt_of_pfnano(real_data: Path, nano: Callable[[str], Any]) -> None:
    events = nano("pfnano_ul17_mc")
    standard = FactorizedJEC.from_json(real_data / "jec" / "2017_UL_jet_jerc.json.gz", UL17, "AK4PFchs")
    jets = standard.apply(events)
    off = agreement(events.Jet, jets)
    assert off.size == 64
    # rawFactor is stored with few bits: the other two are forward jets of about 20 GeV
    assert np.count_nonzero(off < 2e-3) == 62
    assert off.max() < 5e-3
    assert ak.all(jets.mljec_status == int(Status.APPLIED))


def test_reproduces_the_stored_ak8_pt_of_pfnano(real_data: Path, nano: Callable[[str], Any]) -> None:
    events = nano("pfnano_ul17_mc")
    standard = FactorizedJEC.from_json(real_data / "jec" / "2017_UL_fatJet_jerc.json.gz", UL17_FAT, "AK8PFPuppi")
    off = agreement(events.FatJet, standard.apply(events, "FatJet"))
    assert off.size == 24
    assert off.max() < 2e-3


def test_reproduces_the_stored_pt_of_nanoaod_v15(real_data: Path, nano: Callable[[str], Any]) -> None:
    events = nano("nanoaod_v15_tt_mc")
    standard = FactorizedJEC.from_json(real_data / "jec" / "2023_Summer23BPix_jet_jerc.json.gz", RUN3, "AK4PFPuppi")
    off = agreement(events.Jet, standard.apply(events))
    assert off.size == 1636
    assert round(np.mean(off < 2e-3), 2) == 0.90
    # the rest is the rounding of rawFactor to 6 bits, 2**-7 of itself, as far as it moves 1 - rawFactor
    raw_factor = np.abs(ak.to_numpy(ak.flatten(events.Jet.rawFactor)))
    rounding = 2.0**-7 * raw_factor / (1 - ak.to_numpy(ak.flatten(events.Jet.rawFactor)))
    assert np.mean(off < 2e-3 + 1.5 * rounding) > 0.99


def test_equals_bare_correctionlib_on_a_real_file(real_data: Path, nano: Callable[[str], Any]) -> None:
    events = nano("nanoaod_v15_tt_mc")
    path = real_data / "jec" / "2023_Summer23BPix_jet_jerc.json.gz"
    jets = events.Jet
    columns = {
        "JetPt": jets.pt * (1 - jets.rawFactor),
        "JetEta": jets.eta,
        "JetPhi": jets.phi,
        "JetA": jets.area,
        "Rho": ak.broadcast_arrays(events.Rho.fixedGridRhoFastjetAll, jets.pt)[0],
    }
    compound = library_file(path).compound[f"{RUN3}_L1L2L3Res_AK4PFPuppi"]
    bare = compound.evaluate(*[ak.to_numpy(ak.flatten(columns[quantity.name])) for quantity in compound.inputs])
    factor = FactorizedJEC.from_json(path, RUN3, "AK4PFPuppi").correction(events)
    np.testing.assert_allclose(ak.to_numpy(ak.flatten(factor)), bare, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Summer22_22Sep2023_RunCD")  # the payload of the period before is at hand
def test_runs_on_data(real_data: Path, nano: Callable[[str], Any]) -> None:
    events = nano("nanoaod_v13_egamma2022e_data")
    path = real_data / "jec" / "2022_Summer22_jet_jerc.json.gz"
    data = FactorizedJEC.from_json(path, "Summer22_22Sep2023_RunCD_V3_DATA", "AK4PFPuppi")
    assert data.payload.is_data
    assert data.payload.levels[-1] == "L2L3Residual"
    whole = ak.to_numpy(ak.flatten(data.correction(events)))
    assert np.isfinite(whole).all()
    without = FactorizedJEC.from_json(
        path, "Summer22_22Sep2023_RunCD_V3_DATA", "AK4PFPuppi", ["L1FastJet", "L2Relative", "L3Absolute"]
    )
    residual = whole / ak.to_numpy(ak.flatten(without.correction(events)))
    assert np.mean(residual != 1) > 0.9
    assert 0 < np.median(np.abs(residual - 1)) < 0.05


def test_every_real_file_with_the_branches_that_it_names(real_data: Path, nano: Callable[[str], Any]) -> None:
    text = [
        real_data / "jec" / "txt" / f"Summer22_22Sep2023_V3_MC_{level}_AK4PFPuppi.jec.txt.gz"
        for level in ("L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual")
    ]
    standard = FactorizedJEC.from_txt(text)
    for path in sorted((real_data / "nano").glob("*.root")):
        events = nano(path.stem)
        with warnings.catch_warnings():
            # CHS jets and data among them, of which the next test has the warnings.
            warnings.simplefilter("ignore", MismatchWarning)
            branches = set(standard.required_branches(events))
            jets = standard.apply(events)
        rho = {"fixedGridRhoFastjetAll", "Rho_fixedGridRhoFastjetAll"} & branches
        assert branches - rho == {f"Jet_{name}" for name in ("pt", "mass", "rawFactor", "eta", "phi", "area")} | {
            "nJet"
        }
        assert len(rho) == 1
        assert ak.all(jets.mljec_status == int(Status.APPLIED))


# --- rules


def test_factors_by_hand_and_event_by_event_rho(toy: FactorizedJEC) -> None:
    events = made_up()
    want = [[by_hand(50, 1, 0.5, 20), by_hand(30, -1, 0.5, 20)], [], [by_hand(20, 0, 0.4, 30)]]
    got = toy.correction(events)
    assert ak.num(got).tolist() == [2, 0, 1]
    np.testing.assert_allclose(ak.flatten(got), np.concatenate(want), rtol=1e-6)
    jets = toy.apply(events)
    np.testing.assert_allclose(ak.flatten(jets.pt), ak.flatten(got * [[50, 30], [], [20]]), rtol=1e-6)
    np.testing.assert_allclose(ak.flatten(jets.mass), ak.flatten(got * [[5, 3], [], [2]]), rtol=1e-6)


def test_a_second_apply_starts_from_raw_pt(toy: FactorizedJEC) -> None:
    events = made_up()
    once = toy.apply(events)
    events["Jet"] = once
    assert ak.all(toy.apply(events).pt == once.pt)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"eta": [[5.0, -1.0], [], [0.0]]}, Status.OUT_OF_DOMAIN),
        ({"eta": [[-5.5, -1.0], [], [0.0]]}, Status.OUT_OF_DOMAIN),
        ({"eta": [[np.nan, -1.0], [], [0.0]]}, Status.BAD_INPUT),
        ({"area": [[np.inf, 0.5], [], [0.4]]}, Status.BAD_INPUT),
        ({"rawFactor": [[1.0, 0.5], [], [0.5]]}, Status.BAD_INPUT),
        ({"rawFactor": [[1.5, 0.5], [], [0.5]]}, Status.BAD_INPUT),
    ],
)
def test_a_jet_that_cannot_be_corrected_keeps_its_pt_and_says_so(
    toy: FactorizedJEC, changed: dict[str, Any], status: Status
) -> None:
    jets = toy.apply(made_up(**changed))
    assert jets.mljec_status.tolist() == [[int(status), int(Status.APPLIED)], [], [int(Status.APPLIED)]]
    assert jets.pt[0, 0] == 100.0
    assert jets.mass[0, 0] == 10.0
    good = toy.apply(made_up())
    assert jets.pt[0, 1] == good.pt[0, 1]


def test_no_jets_at_all(toy: FactorizedJEC) -> None:
    events = made_up()
    for chunk in (events[:0], events[1:2]):
        jets = toy.apply(chunk)
        assert len(jets) == len(chunk)
        assert len(ak.flatten(jets.pt)) == 0
        assert "mljec_status" in jets.fields


def test_survives_pickling(toy: FactorizedJEC) -> None:
    other = pickle.loads(pickle.dumps(toy))
    assert other.name == "standard"
    assert ak.all(other.correction(made_up()) == toy.correction(made_up()))


def test_says_what_it_is(toy: FactorizedJEC) -> None:
    assert repr(toy) == "FactorizedJEC('standard': Toy1_V1_MC AK4PFchs, L1FastJet x L2Relative)"


# --- wrong input


@pytest.mark.parametrize("name", ["area", "eta", "rawFactor"])
def test_a_missing_branch_is_named(toy: FactorizedJEC, name: str) -> None:
    events = made_up(**{name: None})
    for use in (toy.apply, toy.correction, toy.required_branches):
        with pytest.raises(MissingBranchError, match=f"looked for Jet_{name}, and the file has none"):
            use(events)


def test_a_missing_rho_is_named(toy: FactorizedJEC) -> None:
    events = made_up()[["Jet", "run"]]
    with pytest.raises(
        MissingBranchError,
        match="the standard path Toy1_V1_MC AK4PFchs needs rho: looked for fixedGridRhoFastjetAll, Rho_fixedGridRho",
    ):
        toy.apply(events)


def test_quantities_that_no_level_reads_are_not_asked_for(tmp_path: Path) -> None:
    only = FactorizedJEC.from_txt([write(tmp_path, "L2Relative", L2)])
    events = made_up(area=None)[["Jet"]]
    assert "Jet_area" not in only.required_branches(events)
    assert ak.all(only.apply(events).mljec_status == int(Status.APPLIED))


@pytest.mark.parametrize(("algorithm", "collection"), [("AK8PFPuppi", "Jet"), ("AK4PFchs", "FatJet")])
def test_jets_of_another_radius_are_refused(tmp_path: Path, algorithm: str, collection: str) -> None:
    standard = FactorizedJEC.from_txt([write(tmp_path, "L2Relative", L2, algorithm)])
    events = made_up()
    events["FatJet"] = events.Jet
    for use in (standard.apply, standard.correction, standard.required_branches):
        with pytest.raises(
            InputError, match=rf"{algorithm} is for jets of radius .*{collection} holds .*Read a payload"
        ):
            use(events, collection)


def test_other_collections_are_taken_as_they_come(tmp_path: Path) -> None:
    standard = FactorizedJEC.from_txt([write(tmp_path, "L2Relative", L2, "AK8PFPuppi")])
    events = made_up()
    events["SubJet"] = events.Jet
    assert ak.all(standard.apply(events, "SubJet").mljec_status == int(Status.APPLIED))


def test_constructors_refuse_what_they_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"from_txt takes a list of files.*write from_txt\(\[\.\.\.\]\)"):
        FactorizedJEC.from_txt("one.txt")
    with pytest.raises(InputError, match="expected a sequence of JEC text files"):
        FactorizedJEC.from_txt([])
    with pytest.raises(PayloadError, match="no such payload"):
        FactorizedJEC.from_txt([tmp_path / "Toy1_V1_MC_L2Relative_AK4PFchs.txt"])
    with pytest.raises(PayloadError, match="no such payload"):
        FactorizedJEC.from_json(tmp_path / "jet_jerc.json.gz", UL17, "AK4PFchs")
    with pytest.raises(InputError, match=r"needs a payload, got 'x\.txt': use FactorizedJEC\.from_txt"):
        FactorizedJEC("x.txt")  # type: ignore[arg-type]
