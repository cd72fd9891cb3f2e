"""Type-1 MET of toy corrections: its numbers, by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import FactorizedJEC, NanoRegression, Status, Type1MET
from coffea_mljec.errors import InputError
from coffea_mljec.payloads.text import read_text
from tests.met.plain import JETS, LOW, Payloads, column, low_pt_jets, propagated, raw_vectors, vectors

Nano = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("warn_again")


@pytest.mark.parametrize("puppi", [True, False])
def test_by_hand(nano: Nano, open_nano: Any, tmp_path: Path, puppi: bool) -> None:
    payloads = Payloads(tmp_path, "AK4PFPuppi" if puppi else "AK4PFchs")
    standard = payloads.varied()
    table = "PuppiMET" if puppi else "MET"
    events = open_nano(nano(puppi), mode="eager")
    met = Type1MET(standard).apply(events)
    jets = standard.apply(events)
    low = low_pt_jets(open_nano(nano(puppi), mode="eager"), standard)
    names, low_names = (JETS | {"turn": "muonSubtrDeltaPhi"}, LOW | {"em": "EmEF", "turn": "muonSubtrDeltaPhi"}) \
        if puppi else (JETS, LOW)  # fmt: skip
    level1, low_level1 = ak.ones_like(jets.pt), ak.ones_like(low.pt)
    if not puppi:
        level1, low_level1 = (
            np.maximum(0.0001, 1 - one.area / one.pt_raw * 0.3 * events.fixedGridRhoFastjetAll) for one in (jets, low)
        )
    start = raw_vectors(events, f"Raw{table}")

    def expected(scale: Callable[[Any], Any]) -> np.ndarray:
        sums = propagated(events, jets, names, level1, scale(jets))
        return start - sums - propagated(events, low, low_names, low_level1, scale(low))

    nominal = expected(lambda one: ak.ones_like(one.pt))
    np.testing.assert_allclose(vectors(met), nominal, atol=2e-4)
    assert np.hypot(*(nominal - start).T).mean() > 5
    for name in ("JER", "JES_Scale", "JES_Flavour"):
        for way in ("up", "down"):
            varied = expected(lambda one, name=name, way=way: one[name][way].pt / one.pt)
            np.testing.assert_allclose(vectors(met[name][way]), varied, atol=3e-4)
            assert np.hypot(*(varied - nominal).T).mean() > 0.1
    smeared = Type1MET(standard, smeared=True).apply(events)
    np.testing.assert_allclose(vectors(smeared), expected(lambda one: one.pt / one.pt_jec), atol=3e-4)
    np.testing.assert_allclose(vectors(smeared.JER.up), expected(lambda one: one.JER.up.pt / one.pt_jec), atol=3e-4)
    # The nominal MET of a provider that does not smear is the same as the unsmeared one.
    plain = Type1MET(payloads.standard()).apply(events)
    np.testing.assert_allclose(column(plain.pt), column(met.pt), rtol=1e-6)
    assert "JER" not in plain.fields


@pytest.mark.parametrize("puppi", [True, False])
def test_unclustered_energy_is_the_files(nano: Nano, open_nano: Any, tmp_path: Path, puppi: bool) -> None:
    standard = Payloads(tmp_path, "AK4PFPuppi" if puppi else "AK4PFchs").standard()
    events = open_nano(nano(puppi))
    met = Type1MET(standard).apply(events)
    file = events["PuppiMET" if puppi else "MET"]
    for way, sign in (("up", 1), ("down", -1)):
        shift = vectors(met.MET_UnclusteredEnergy[way]) - vectors(met)
        if puppi:
            end = file[f"ptUnclustered{way.capitalize()}"], file[f"phiUnclustered{way.capitalize()}"]
            wanted = vectors(ak.zip({"pt": end[0], "phi": end[1]})) - vectors(file)
        else:
            wanted = sign * np.stack([column(file[f"MetUnclustEnUpDelta{axis}"]) for axis in "XY"], axis=1)
        np.testing.assert_allclose(shift, wanted, atol=2e-4)


def test_the_record(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    events = open_nano(nano())
    before = column(events.PuppiMET.pt).copy()
    met = Type1MET(toys.varied())(events)
    assert type(met) is type(events.PuppiMET)
    assert type(met.JER.up) is type(events.PuppiMET)
    assert met.layout.parameters["__record__"] == "MissingET"
    assert met.JES_Scale.layout.parameters["__record__"] == "METSystematic"
    assert {*events.PuppiMET.fields, "pt_raw", "phi_raw", "pt_orig", "phi_orig", "mljec_status"} < set(met.fields)
    assert met.fields[-4:] == ["MET_UnclusteredEnergy", "JER", "JES_Scale", "JES_Flavour"]
    np.testing.assert_array_equal(column(met.pt_orig), before)
    np.testing.assert_array_equal(column(met.phi_raw), column(events.RawPuppiMET.phi))
    np.testing.assert_array_equal(column(met.sumEt), column(met.JES_Scale.down.sumEt))
    np.testing.assert_array_equal(column(met.px), column(met.pt * np.cos(met.phi)))
    np.testing.assert_array_equal(column(events.PuppiMET.pt), before)
    events.PuppiMET = met
    cut = events[column(met.pt) > 50]
    np.testing.assert_array_equal(column(cut.PuppiMET.pt), column(met.pt)[column(met.pt) > 50])
    np.testing.assert_array_equal(
        column(cut.PuppiMET.JES_Scale.up.pt), column(met.JES_Scale.up.pt)[column(met.pt) > 50]
    )


def test_a_second_apply_starts_from_the_raw_met_again(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    events = open_nano(nano())
    first = Type1MET(toys.varied()).apply(events)
    events["PuppiMET"] = first
    again = Type1MET(toys.varied()).apply(events)
    plain = Type1MET(toys.standard()).apply(events)
    assert "JER" not in plain.fields
    assert plain.fields[-1] == "MET_UnclusteredEnergy"
    for one in (again, plain):
        for name in ("pt", "phi", "pt_raw", "pt_orig", "phi_orig"):
            np.testing.assert_array_equal(column(one, name), column(first, name))
        np.testing.assert_array_equal(
            column(one.MET_UnclusteredEnergy.down.pt), column(first.MET_UnclusteredEnergy.down.pt)
        )


def test_jets_corrected_before_are_taken_as_they_are(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    corrector = toys.varied()
    propagation = Type1MET(corrector)
    events = open_nano(nano(), mode="eager")
    expected = propagation.apply(events)
    jets = corrector.apply(events)
    events["Jet"] = jets
    for given in (propagation.apply(events), propagation.apply(events, jets=jets)):
        for path in (("pt",), ("phi",), ("JER", "up", "pt"), ("JES_Scale", "down", "phi")):
            np.testing.assert_array_equal(column(given, *path), column(expected, *path))
    with pytest.raises(InputError, match=r"jets and events\.Jet differ in number.*Propagate before"):
        propagation.apply(events, jets=jets[jets.pt > 40])
    with pytest.raises(InputError, match=r"must be the Jet that the provider .*lack pt_raw, mljec_status, JER"):
        propagation.apply(events, jets=open_nano(nano()).Jet)
    with pytest.raises(InputError, match="lack JER, JES_Scale, JES_Flavour"):
        propagation.apply(events, jets=toys.standard().apply(open_nano(nano())))


def test_what_the_provider_leaves_takes_the_standard_path(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    """A stored regression without a value for a third of the jets."""
    standard = toys.standard()
    regressed = NanoRegression("UParT")
    events = open_nano(nano(), mode="eager")
    jets = regressed.apply(events)
    treated = Status.APPLIED.of(jets)
    assert 0.5 < ak.mean(treated) < 0.9
    met = Type1MET(regressed, standard).apply(events)
    own = standard.apply(events)
    mixed = ak.with_field(jets, ak.where(treated, jets.pt, own.pt), "pt_jec")
    names = JETS | {"turn": "muonSubtrDeltaPhi"}
    low = low_pt_jets(open_nano(nano(), mode="eager"), standard)
    low = ak.with_field(low, low.pt, "pt_jec")
    expected = raw_vectors(events, "RawPuppiMET") - propagated(events, mixed, names, ak.ones_like(jets.pt))
    alone = Type1MET(regressed, standard, low_pt=False).apply(events)
    np.testing.assert_allclose(vectors(alone), expected, atol=2e-4)
    expected = expected - propagated(
        events, low, LOW | {"em": "EmEF", "turn": "muonSubtrDeltaPhi"}, ak.ones_like(low.pt)
    )
    np.testing.assert_allclose(vectors(met), expected, atol=2e-4)
    status = column(met.mljec_status).astype(int)
    assert ((status & Status.FALLBACK) > 0).any()
    assert ((status & Status.APPLIED) > 0).any()
    # The fallback of a provider is the standard path, without being named twice.
    within = Type1MET(NanoRegression("UParT", fallback=standard)).apply(events)
    np.testing.assert_allclose(vectors(within), expected, atol=2e-4)
    # Nothing for those jets at all: they are as in the raw MET, and the status says so.
    lost = Type1MET(regressed, low_pt=False).apply(events)
    kept = ak.with_field(jets, ak.where(treated, jets.pt, 0.0), "pt_jec")
    expected = raw_vectors(events, "RawPuppiMET") - propagated(events, kept, names, ak.ones_like(jets.pt))
    np.testing.assert_allclose(vectors(lost), expected, atol=2e-4)
    missing = np.asarray(ak.any(~treated, axis=1))
    assert (((column(lost.mljec_status).astype(int) & Status.OUT_OF_DOMAIN) > 0) == missing).all()


def test_low_pt_jets_vary_with_the_providers_sources(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    with pytest.warns(mljec.StandardJetsWarning):
        regressed = NanoRegression("UParT", standard_jets=True, qualified=True, **toys.sources())
    events = open_nano(nano(), mode="eager")
    # Neither payloads nor variations, but asked to name them after the jets.
    assert Type1MET(NanoRegression("UParT", qualified=True), toys.standard()).apply(events).fields[-1] == \
        "MET_UnclusteredEnergy"  # fmt: skip
    met = Type1MET(regressed, toys.standard()).apply(events)
    alone = Type1MET(regressed, toys.standard(), low_pt=False).apply(events)
    name = "JES_Flavour_AK4PFPuppi"
    low = low_pt_jets(open_nano(nano(), mode="eager"), toys.standard(**toys.sources()))
    shifts = [
        propagated(
            events, low, LOW | {"em": "EmEF", "turn": "muonSubtrDeltaPhi"}, ak.ones_like(low.pt),
            low["JES_Flavour"][way].pt / low.pt,
        )
        for way in ("up", "down")
    ]  # fmt: skip
    for way, shift in zip(("up", "down"), shifts, strict=True):
        np.testing.assert_allclose(vectors(met[name][way]), vectors(alone[name][way]) - shift, atol=2e-4)


def test_jets_of_data_are_not_smeared_and_get_residuals(nano: Nano, open_nano: Any, tmp_path: Path) -> None:
    events = open_nano(nano(simulation=False), mode="eager")
    payloads = Payloads(tmp_path, kind="DATA")
    met = Type1MET(payloads.varied()).apply(events)
    assert [name for name in met.fields if name.startswith("JE")] == ["JES_Scale", "JES_Flavour"]
    assert "GenJet_pt" not in Type1MET(payloads.varied()).required_branches(events)
    smeared = Type1MET(payloads.varied(), smeared=True).apply(events)
    np.testing.assert_array_equal(column(smeared.pt), column(met.pt))
    text = "{1 JetEta 1 JetPt [0] Correction L2Relative}\n-5.191 5.191 3 1 6500 1.1\n"
    path = payloads.write("L2L3Residual", "jec", text.replace("L2Relative", "L2L3Residual"))
    with_residual = FactorizedJEC.from_txt([*payloads.levels(), path])
    measured = Type1MET(with_residual, low_pt=False).apply(events)
    jets = with_residual.apply(events)
    jets = ak.with_field(jets, jets.pt, "pt_jec")
    sums = propagated(events, jets, JETS | {"turn": "muonSubtrDeltaPhi"}, ak.ones_like(jets.pt))
    np.testing.assert_allclose(vectors(measured), raw_vectors(events, "RawPuppiMET") - sums, atol=2e-4)
    assert abs(column(measured.pt) - column(met.pt)).mean() > 0.5
    # A level on top of another provider's jets, in data only.
    with pytest.warns(mljec.StandardJetsWarning):
        on_top = NanoRegression("UParT", residual=read_text([path]), standard_jets=True)
    regressed = NanoRegression("UParT")
    corrected = [Type1MET(one, low_pt=False).apply(events) for one in (on_top, regressed)]
    assert abs(column(corrected[0].pt) - column(corrected[1].pt)).mean() > 0.5
