"""What type-1 MET refuses or flags: branches, arguments, payloads, numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import MLJEC, FactorizedJEC, NanoRegression, Status, Type1MET
from coffea_mljec.errors import InputError, MissingBranchError
from tests.met.plain import Payloads, column
from tests.models import toy

Nano = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("warn_again")


def test_missing_branches_are_named(toys: Payloads, chs: Payloads, nano: Nano, open_nano: Any) -> None:
    cases = {
        ("RawPuppiMET_pt",): r"needs PuppiMET_pt, .* lacks RawPuppiMET_pt \(nearest: RawPuppiMET_phi\).*raw one",
        ("RawPuppiMET_pt", "RawPuppiMET_phi"): r"lacks RawPuppiMET_pt, RawPuppiMET_phi \(nearest: ",
        ("CorrT1METJet",): r"CorrT1METJet_rawPt, CorrT1METJet_eta.*low_pt=False.*, does without",
        ("CorrT1METJet_rawPt",): r"file lacks CorrT1METJet_rawPt .*low_pt=False.*, does without",
        ("Jet_muonSubtrFactor",): r"lacks Jet_muonSubtrFactor \(nearest: \w+muonSubtrFactor\).*Muons and electrons",
        ("Jet_chEmEF",): r"lacks Jet_chEmEF \(nearest: Jet_neEmEF\)",
        ("CorrT1METJet_area",): r"area.*CorrT1METJet_area",
    }
    for without, message in cases.items():
        with pytest.raises(MissingBranchError, match=message):
            Type1MET(toys.standard()).apply(open_nano(nano(without=without)))
    events = open_nano(nano(without=("CorrT1METJet",)))
    met = Type1MET(toys.standard(), low_pt=False).apply(events)
    expected = Type1MET(toys.standard(), low_pt=False).apply(open_nano(nano()))
    np.testing.assert_array_equal(column(met.pt), column(expected.pt))
    assert "nCorrT1METJet" not in Type1MET(toys.standard(), low_pt=False).required_branches(events)
    with pytest.raises(MissingBranchError, match=r"needs MET_pt, MET_phi, RawMET_pt, RawMET_phi, PFMET_pt, .*RawPFMET"):
        Type1MET(chs.standard()).apply(open_nano(nano(False, without=("MET_pt", "RawMET_pt"))))


def test_a_file_without_unclustered_energy_has_no_such_variation(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    events = open_nano(nano(without=("PuppiMET_ptUnclusteredUp",)))
    assert "MET_UnclusteredEnergy" not in Type1MET(toys.standard()).apply(events).fields


def test_networks_with_neutrinos_are_refused(toys: Payloads, tmp_path: Path) -> None:
    with_them, without = (
        toy.write(tmp_path / str(number), neutrinos=number == 1, algorithm="AK4PFPuppi") for number in (1, 0)
    )
    assert MLJEC(with_them).includes_neutrinos
    assert not MLJEC(without).includes_neutrinos
    for network in (MLJEC(with_them), MLJEC(without, neutrinos="PNet")):
        with pytest.raises(InputError, match="include their neutrinos, which MET must keep"):
            Type1MET(network, toys.standard())
    Type1MET(MLJEC(without), toys.standard())
    with pytest.raises(InputError, match=r"the pT of toy includes neutrinos already: neutrinos='PNet' would count"):
        MLJEC(with_them, neutrinos="PNet")


def test_arguments_are_checked(toys: Payloads, chs: Payloads, nano: Nano, open_nano: Any) -> None:
    regressed = NanoRegression("UParT")
    with pytest.raises(InputError, match=r"'UParT' needs the standard path for CorrT1METJet.*low_pt=False"):
        Type1MET(regressed)
    with pytest.raises(InputError, match=r"propagates the jets of a provider.*got 'PuppiMET'"):
        Type1MET("PuppiMET")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"standard must be the standard path.*NanoRegression"):
        Type1MET(regressed, regressed)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="smeared=True, but 'standard' does not smear"):
        Type1MET(toys.standard(), smeared=True)
    for neutrinos in (NanoRegression("UParT", neutrino=True), NanoRegression("bReg")):
        with pytest.raises(InputError, match="include their neutrinos, which MET must keep"):
            Type1MET(neutrinos, toys.standard())
    with pytest.raises(InputError, match="CHS jets needs their L1 correction, and none was given"):
        Type1MET(NanoRegression("UParT"), low_pt=False).apply(open_nano(nano(False)))
    only_l2 = FactorizedJEC.from_txt([chs.levels()[1]])
    with pytest.raises(InputError, match=r"CHS jets needs their L1 correction, and .*L2Relative.* has none"):
        Type1MET(only_l2).apply(open_nano(nano(False)))
    with pytest.raises(InputError, match="no collection 'FatJet'"):
        Type1MET(toys.standard()).apply(open_nano(nano()), "FatJet")
    events = open_nano(nano(), mode="eager")
    events["FatJet"] = events.Jet
    with pytest.raises(InputError, match=r"jets of radius 0\.4; FatJet holds jets of radius 0\.8"):
        Type1MET(toys.standard()).apply(events, "FatJet")


def test_the_payload_says_which_jets_if_the_file_does_not(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    without = ("Jet_UParTAK4RegPtRawCorr", "Jet_UParTAK4RegPtRawCorrNeutrino", "Rho_fixedGridRhoFastjetAll")
    events = open_nano(nano(without=without))
    only_l2 = FactorizedJEC.from_txt([toys.levels()[1]])
    met = Type1MET(only_l2).apply(events)
    assert met.layout.parameters["collection_name"] == "PuppiMET"
    with pytest.raises(InputError, match="nothing says whether Jet holds CHS or PUPPI jets"):
        Type1MET(Untold(), low_pt=False).apply(events)


class Untold(NanoRegression):
    """Of no algorithm, and a network that nobody knows."""

    def __init__(self) -> None:
        super().__init__("PNet")


def test_broken_numbers_are_flagged(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    events = open_nano(nano(), mode="eager")
    first = int(np.flatnonzero(ak.num(events.Jet) > 0)[0])
    jets = events.Jet
    broken = np.arange(len(jets)) == first
    events["Jet"] = ak.with_field(jets, ak.where(broken, np.nan, jets.muonSubtrFactor), "muonSubtrFactor")
    raw = ak.where(np.arange(len(jets)) == 59, np.nan, events.RawPuppiMET.pt)
    events["RawPuppiMET"] = ak.with_field(events.RawPuppiMET, raw, "pt")
    met = Type1MET(toys.standard(), low_pt=False).apply(events)
    bad = (column(met.mljec_status).astype(int) & Status.BAD_INPUT) > 0
    np.testing.assert_array_equal(np.flatnonzero(bad), [first, 59])
    assert np.isfinite(column(met.pt)[:59]).all()
    assert np.isnan(column(met.pt)[59])
