"""The stored regressions: the arithmetic by hand, the real files, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.corrections import FactorizedJEC, NanoRegression
from coffea_mljec.corrections.record import CORRECTION_FIELDS
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.numerics.matching import match
from coffea_mljec.status import Status
from tests.library import library_file

RUN3 = "Summer22_22Sep2023_V2_MC"
PNET = {"PNetRegPtRawCorr": [[1.5, 2.0], [], [0.8]], "PNetRegPtRawCorrNeutrino": [[1.1, 1.2], [], [1.0]]}
UPART = {
    "UParTAK4RegPtRawCorr": [[1.5, -1.0], [], [0.8]],
    "UParTAK4RegPtRawCorrNeutrino": [[1.7, -1.0], [], [0.9]],
    "UParTAK4V1RegPtRawCorr": [[1.4, 1.3], [], [1.2]],
    "UParTAK4V1RegPtRawCorrNeutrino": [[1.6, 1.5], [], [1.3]],
}
PAYLOADS = {
    "Regression": "{1 JetEta 1 JetPt 1+1/x Correction L2Relative}\n-5 5 4 8 3000 0 0\n",
    "RegressionPlusNeutrino": "{1 JetEta 1 JetPt 1+2/x Correction L2Relative}\n-5 5 4 8 3000 0 0\n",
}


def made_up(**fields: Any) -> ak.Array:
    """Three events with two, no and one jet; raw pT is half of pT: 50, 30 and 20 GeV."""
    jet = {
        "pt": [[100.0, 60.0], [], [40.0]],
        "eta": [[1.0, -1.0], [], [0.0]],
        "phi": [[0.0, 1.0], [], [2.0]],
        "mass": [[10.0, 6.0], [], [4.0]],
        "rawFactor": [[0.5, 0.5], [], [0.5]],
    } | fields
    return ak.Array({"Jet": ak.zip({name: ak.from_iter(column) for name, column in jet.items()})})


def flat(jets: Any, field: str) -> np.ndarray:
    return ak.to_numpy(ak.flatten(jets[field]))


def payload(folder: Path, kind: str, algorithm: str) -> FactorizedJEC:
    path = folder / f"Toy1_V1_MC_L2Relative_{algorithm}.jec.txt"
    path.write_text(PAYLOADS[kind])
    return FactorizedJEC.from_txt([path])


@pytest.fixture
def dedicated(tmp_path: Path) -> tuple[FactorizedJEC, FactorizedJEC]:
    """Toy payloads for PNet, visible and with neutrinos: 1 + 1/pT and 1 + 2/pT at the regressed pT."""
    return (
        payload(tmp_path, "Regression", "AK4PFPuppiPNetRegression"),
        payload(tmp_path, "RegressionPlusNeutrino", "AK4PFPuppiPNetRegressionPlusNeutrino"),
    )


@pytest.fixture
def plain(tmp_path: Path) -> FactorizedJEC:
    return payload(tmp_path, "Regression", "AK4PFPuppi")


# --- the arithmetic


@pytest.mark.parametrize(
    ("regression", "neutrino", "expected"),
    [
        ("PNet", False, [75.0, 60.0, 16.0]),
        ("PNet", True, [82.5, 72.0, 16.0]),
        # The second jet has no UParT value (-1): it keeps the pT of the file.
        ("UParT", False, [75.0, 60.0, 16.0]),
        ("UParT", True, [85.0, 60.0, 18.0]),
        ("UParTV1", False, [70.0, 39.0, 24.0]),
        ("UParTV1", True, [80.0, 45.0, 26.0]),
    ],
)
def test_by_hand(regression: str, neutrino: bool, expected: list[float]) -> None:
    events = made_up(**PNET, **UPART)
    corrector = NanoRegression(regression, neutrino=neutrino)
    jets = corrector.apply(events)
    np.testing.assert_allclose(flat(jets, "pt"), expected, rtol=1e-6)
    np.testing.assert_allclose(flat(jets, "mass"), np.array(expected) / 10, rtol=1e-6)
    np.testing.assert_array_equal(flat(jets, "pt_raw"), [50, 30, 20])
    np.testing.assert_allclose(flat(jets, "pt") * (1 - flat(jets, "rawFactor")), [50, 30, 20], rtol=1e-6)
    assert ak.num(jets).tolist() == [2, 0, 1]
    assert corrector.name == regression + ("+neutrino" if neutrino else "")


def test_b_and_c_regression_multiply_corrected_pt(plain: FactorizedJEC) -> None:
    events = made_up(bRegCorr=[[1.1, 0.9], [], [1.0]], cRegCorr=[[1.2, 1.0], [], [0.5]])
    np.testing.assert_allclose(flat(NanoRegression("bReg").apply(events), "pt"), [110, 54, 40], rtol=1e-6)
    np.testing.assert_allclose(flat(NanoRegression("cReg").apply(events), "pt"), [120, 60, 20], rtol=1e-6)
    # Raw pT, corrected by the plain payload, then the regression.
    after = NanoRegression("bReg", payload=plain)
    np.testing.assert_allclose(flat(after.apply(events), "pt"), [51 * 1.1, 31 * 0.9, 21], rtol=1e-6)
    events["Jet"] = NanoRegression("bReg").apply(events)
    np.testing.assert_allclose(flat(NanoRegression("bReg").apply(events), "pt"), [110, 54, 40], rtol=1e-6)


def test_the_payload_is_evaluated_at_the_regressed_pt(dedicated: tuple[FactorizedJEC, FactorizedJEC]) -> None:
    events = made_up(**PNET)
    visible = NanoRegression("PNet", payload=dedicated[0])
    np.testing.assert_allclose(flat(visible(events), "pt"), [76, 61, 17], rtol=1e-6)
    full = NanoRegression("PNet", neutrino=True, payload=dedicated[1].payload)
    np.testing.assert_allclose(flat(full(events), "pt"), [84.5, 74, 18], rtol=1e-6)
    assert "AK4PFPuppiPNetRegressionPlusNeutrino" in repr(full)


def test_selection_takes_the_variant_jet_by_jet(dedicated: tuple[FactorizedJEC, FactorizedJEC]) -> None:
    events = made_up(**PNET, btagPNetB=[[0.9, 0.1], [], [0.5]])
    by_tag = NanoRegression("PNet", selection=("btagPNetB", 0.5))
    np.testing.assert_allclose(flat(by_tag(events), "pt"), [82.5, 60, 16], rtol=1e-6)
    with_payloads = NanoRegression("PNet", selection=("btagPNetB", 0.5), payload=dedicated)
    np.testing.assert_allclose(flat(with_payloads(events), "pt"), [84.5, 61, 18], rtol=1e-6)
    assert "Jet_btagPNetB" in by_tag.required_branches(events)
    b_jets = NanoRegression("bReg", selection=("btagPNetB", 0.5))
    events = made_up(bRegCorr=[[1.1, 0.9], [], [1.2]], btagPNetB=[[0.9, 0.1], [], [np.nan]])
    np.testing.assert_allclose(flat(b_jets(events), "pt"), [110, 60, 40], rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (0.0, Status.OUT_OF_DOMAIN),
        (-1.0, Status.OUT_OF_DOMAIN),
        (np.nan, Status.NON_FINITE),
        (np.inf, Status.NON_FINITE),
    ],
)
@pytest.mark.parametrize("which", ["PNetRegPtRawCorr", "both"])
def test_jets_without_a_regression_fall_back_and_say_so(
    value: float, status: Status, which: str, plain: FactorizedJEC, dedicated: tuple[FactorizedJEC, FactorizedJEC]
) -> None:
    fields = dict(PNET)
    for name in PNET if which == "both" else [which]:
        fields[name] = [[value, 2.0], [], [0.8]]
    events = made_up(**fields)
    for given in (None, dedicated[1]):
        jets = NanoRegression("PNet", neutrino=True, payload=given)(events)
        assert flat(jets, "mljec_status").tolist() == [status, Status.APPLIED, Status.APPLIED]
        assert flat(jets, "pt")[0] == 100
        jets = NanoRegression("PNet", neutrino=True, payload=given, fallback=plain)(events)
        assert flat(jets, "mljec_status").tolist() == [status | Status.FALLBACK, Status.APPLIED, Status.APPLIED]
        assert flat(jets, "pt")[0] == pytest.approx(51)


def test_jets_with_bad_pt_or_beyond_the_payload(dedicated: tuple[FactorizedJEC, FactorizedJEC]) -> None:
    corrector = NanoRegression("PNet", payload=dedicated[0])
    for raw_factor in (1.0, 1.5, np.nan):
        jets = corrector(made_up(**PNET, rawFactor=[[raw_factor, 0.5], [], [0.5]]))
        assert flat(jets, "mljec_status").tolist() == [Status.BAD_INPUT, Status.APPLIED, Status.APPLIED]
        assert flat(jets, "pt")[0] == 100
    jets = corrector(made_up(**PNET, eta=[[5.2, -1.0], [], [0.0]]))
    assert flat(jets, "mljec_status").tolist() == [Status.OUT_OF_DOMAIN, Status.APPLIED, Status.APPLIED]


def test_a_second_apply_starts_from_raw_pt_and_chunks_without_jets() -> None:
    corrector = NanoRegression("PNet", neutrino=True)
    events = made_up(**PNET)
    once = corrector(events)
    events["Jet"] = once
    for field in CORRECTION_FIELDS:
        np.testing.assert_array_equal(flat(corrector(events), field), flat(once, field))
    for chunk in (events[:0], events[1:2]):
        assert len(flat(corrector(chunk), "pt")) == 0
    again = pickle.loads(pickle.dumps(corrector))
    np.testing.assert_array_equal(flat(again(events), "pt"), flat(once, "pt"))


# --- what is refused


def test_the_plain_correction_on_top_is_refused(
    plain: FactorizedJEC, dedicated: tuple[FactorizedJEC, FactorizedJEC]
) -> None:
    with pytest.raises(InputError, match=r"plain JEC: it must not be applied on top.*AK4PFPuppiPNetRegression \("):
        NanoRegression("PNet", payload=plain)
    with pytest.raises(InputError, match=r"another regression than PNet with neutrinos.*RegressionPlusNeutrino"):
        NanoRegression("PNet", neutrino=True, payload=dedicated[0])
    with pytest.raises(InputError, match=r"another regression than UParT without neutrinos.*AK4PFPuppiUParTRegression"):
        NanoRegression("UParT", payload=dedicated[0])
    with pytest.raises(InputError, match=r"bReg multiplies jets corrected by the plain JEC.*\(AK4PFPuppi\)"):
        NanoRegression("bReg", payload=dedicated[0])
    with pytest.raises(InputError, match=r"needs a pair of payloads.*got 1"):
        NanoRegression("PNet", selection=("btagPNetB", 0.5), payload=dedicated[0])
    with pytest.raises(InputError, match=r"needs one payload; got 2"):
        NanoRegression("PNet", payload=dedicated)
    with pytest.raises(InputError, match="payload must be read first"):
        NanoRegression("PNet", payload="jet_jerc_PNet.json.gz")  # type: ignore[arg-type]


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(InputError, match=r"no stored regression 'PNET'; expected one of PNet, UParT"):
        NanoRegression("PNET")
    with pytest.raises(InputError, match="bReg always includes neutrinos"):
        NanoRegression("bReg", neutrino=False)
    with pytest.raises(InputError, match="contradict each other"):
        NanoRegression("PNet", neutrino=True, selection=("btagPNetB", 0.5))
    with pytest.raises(InputError, match="selection must be"):
        NanoRegression("PNet", selection="btagPNetB")  # type: ignore[arg-type]


def test_missing_branches_and_what_the_file_has_instead() -> None:
    events = made_up(**UPART)
    for use in (NanoRegression("PNet", neutrino=True).apply, NanoRegression("PNet", neutrino=True).required_branches):
        with pytest.raises(
            MissingBranchError,
            match=r"PNet needs Jet_PNetRegPtRawCorr, Jet_PNetRegPtRawCorrNeutrino, .* has for Jet: UParT, UParTV1\.",
        ):
            use(events)
    with pytest.raises(MissingBranchError, match="has for Jet: none"):
        NanoRegression("PNet")(made_up())
    with pytest.raises(MissingBranchError, match=r"needs Jet_btagDeepFlavB.*tags that it has: btagPNetB"):
        NanoRegression("PNet", selection=("btagDeepFlavB", 0.3))(made_up(**PNET, btagPNetB=[[1, 1], [], [1]]))


# --- real files


@pytest.fixture(scope="module")
def nano(real_data: Path, open_nano: Callable[..., Any]) -> Callable[[str], Any]:
    return cache(lambda name: open_nano(real_data / "nano" / f"{name}.root"))


@pytest.mark.parametrize(
    ("file", "spread"),
    [
        # data/INDEX.md: IQR/median of the response of central jets, stored pT and regressions
        ("nanoaod_v12_tt_mc", {"stored": 0.201, "PNet": 0.149}),
        ("nanoaod_v15_tt_mc", {"stored": 0.200, "PNet": 0.160, "UParT": 0.157}),
    ],
)
def test_resolution_of_top_pairs(nano: Callable[[str], Any], file: str, spread: dict[str, float]) -> None:
    events = nano(file)
    partner = match(events.Jet, events.GenJet, 0.2)
    generated = events.GenJet[ak.mask(partner, partner >= 0)]
    judged = ak.fill_none((generated.pt > 30) & (abs(events.Jet.eta) < 2.5), False)
    for name, expected in spread.items():
        pt = events.Jet.pt if name == "stored" else NanoRegression(name)(events).pt
        response = ak.to_numpy(ak.flatten(ak.drop_none((pt / generated.pt)[judged])))
        low, middle, high = np.percentile(response, [25, 50, 75])
        assert (high - low) / middle == pytest.approx(expected, abs=0.0015)


@pytest.mark.parametrize("neutrino", [False, True])
def test_dedicated_payload_equals_bare_correctionlib(
    real_data: Path, nano: Callable[[str], Any], neutrino: bool
) -> None:
    path = real_data / "jec" / "2022_Summer22_jet_jerc_PNet.json.gz"
    algorithm = "AK4PFPuppiPNetRegression" + ("PlusNeutrino" if neutrino else "")
    events = nano("nanoaod_v12_tt_mc")
    jets = events.Jet
    regression = jets.PNetRegPtRawCorr * (jets.PNetRegPtRawCorrNeutrino if neutrino else 1)
    regressed = jets.pt * (1 - jets.rawFactor) * regression
    columns = {
        "JetPt": regressed,
        "JetEta": jets.eta,
        "JetA": jets.area,
        "Rho": ak.broadcast_arrays(events.Rho.fixedGridRhoFastjetAll, jets.pt)[0],
    }
    compound = library_file(path).compound[f"{RUN3}_L1L2L3Res_{algorithm}"]
    bare = compound.evaluate(*[ak.to_numpy(ak.flatten(columns[quantity.name])) for quantity in compound.inputs])
    corrector = NanoRegression("PNet", neutrino, payload=FactorizedJEC.from_json(path, RUN3, algorithm))
    corrected = corrector(events)
    there = ak.to_numpy(ak.flatten(Status.APPLIED.of(corrected)))
    assert there.sum() > 1000
    expected = ak.to_numpy(ak.flatten(regressed)) * bare
    np.testing.assert_allclose(flat(corrected, "pt")[there], expected[there], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Summer22_22Sep2023_RunCD")  # the payload of the period before is at hand
def test_runs_on_data(real_data: Path, nano: Callable[[str], Any]) -> None:
    events = nano("nanoaod_v13_egamma2022e_data")
    path = real_data / "jec" / "2022_Summer22_jet_jerc_PNet.json.gz"
    dedicated = FactorizedJEC.from_json(path, "Summer22_22Sep2023_RunCD_V2_DATA", "AK4PFPuppiPNetRegression")
    corrected = NanoRegression("PNet", payload=dedicated)(events)
    there = ak.to_numpy(ak.flatten(Status.APPLIED.of(corrected)))
    assert there.mean() > 0.8
    assert np.all(np.isfinite(flat(corrected, "pt")))


@pytest.mark.parametrize("mode", ["eager", pytest.param("dask", marks=pytest.mark.filterwarnings("ignore"))])
def test_modes_agree_and_read_what_they_declare(tiny_nano: Path, open_nano: Any, mode: str) -> None:
    corrector = NanoRegression("UParT", selection=("btagUParTAK4B", 0.5))
    log: list[Any] = []
    virtual = open_nano(tiny_nano, access_log=log)
    declared = set(corrector.required_branches(virtual))
    concrete = corrector(virtual)
    assert {entry.branch for entry in log} == declared
    if mode == "dask":
        dask_awkward = pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
        events = open_nano(tiny_nano, mode="dask")
        events.Jet = corrector.apply(events)
        (touched,) = dask_awkward.necessary_columns(events.Jet.pt).values()
        assert set(touched) == declared
        jets = events.Jet.compute()
    else:
        jets = corrector(open_nano(tiny_nano, mode="eager"))
    for field in CORRECTION_FIELDS:
        np.testing.assert_array_equal(flat(jets, field), flat(concrete, field))
    assert set(np.unique(flat(concrete, "mljec_status"))) == {Status.APPLIED, Status.OUT_OF_DOMAIN}
