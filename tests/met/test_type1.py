"""Type-1 MET of toy corrections: by hand, in every mode, and what it refuses."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import FactorizedJEC, NanoRegression, Status, Type1MET
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.payloads import suitability
from coffea_mljec.payloads.resolution_files import read_resolution_text, read_scale_factor_text
from coffea_mljec.payloads.text import read_text
from coffea_mljec.payloads.uncertainty_files import read_uncertainties_text

# In parts of pileup, so that the L1 level differs from jet to jet.
L1 = "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-(z/y)*[0]*x) Correction L1FastJet}\n-5 5 7 0 200 8 3000 0 10 0.3\n"
L2 = "{1 JetEta 1 JetPt [0]+[1]/x Correction L2Relative}\n-5 0 4 8 3000 1.1 1\n0 5 4 8 3000 1.2 2\n"
SOURCES = "[Scale]\n{1 JetEta 1 JetPt \"\" Correction JECSource}\n-5.4 5.4 6 10 0.02 0.04 100 0.01 0.03\n" \
    "[Flavour]\n{1 JetEta 1 JetPt \"\" Correction JECSource}\n-5.4 5.4 6 10 0.05 0.05 100 0.05 0.05\n"  # fmt: skip
RESOLUTION = "{1 JetEta 1 JetPt [0] Resolution}\n-5.191 5.191 3 1 6500 0.1\n"
SCALE_FACTOR = "{1 JetEta 0 None ScaleFactor}\n-5.191 5.191 3 1.2 1.1 1.3\n"

Nano = Callable[..., Path]


@pytest.fixture(autouse=True)
def warn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suitability, "_warned", set())


class Payloads:
    """Toy payloads for one algorithm."""

    def __init__(self, folder: Path, algorithm: str = "AK4PFPuppi", kind: str = "MC") -> None:
        self.folder = folder
        self.algorithm = algorithm
        self.kind = kind

    def write(self, level: str, suffix: str, text: str) -> Path:
        path = self.folder / f"Toy1_V1_{self.kind}_{level}_{self.algorithm}.{suffix}.txt"
        path.write_text(text)
        return path

    def levels(self) -> list[Path]:
        return [self.write("L1FastJet", "jec", L1), self.write("L2Relative", "jec", L2)]

    def sources(self) -> dict[str, Any]:
        return {"uncertainties": read_uncertainties_text(self.write("UncertaintySources", "junc", SOURCES))}

    def smearing(self) -> dict[str, Any]:
        return {
            "resolution": read_resolution_text(self.write("PtResolution", "jr", RESOLUTION)),
            "scale_factor": read_scale_factor_text(self.write("SF", "jersf", SCALE_FACTOR)),
        }

    def standard(self, **options: Any) -> FactorizedJEC:
        return FactorizedJEC.from_txt(self.levels(), **options)

    def varied(self) -> FactorizedJEC:
        return self.standard(**self.sources(), **self.smearing())


@pytest.fixture
def toys(tmp_path: Path) -> Payloads:
    return Payloads(tmp_path)


@pytest.fixture
def chs(tmp_path: Path) -> Payloads:
    return Payloads(tmp_path, "AK4PFchs")


def column(array: Any, *path: str) -> np.ndarray:
    for name in path:
        array = array[name]
    return np.asarray(ak.to_numpy(array), float)


def propagated(events: Any, jets: Any, names: dict[str, str], level1: Any, scale: Any = None) -> np.ndarray:
    """px and py that corrected jets add, event by event and jet by jet, in plain Python."""
    sums = np.zeros((len(events), 2))
    columns = {name: jets[name].to_list() for name in jets.fields if jets[name].ndim == 2}
    level1, scales = ak.to_list(level1), ak.to_list(ak.ones_like(jets.pt_raw) if scale is None else scale)
    for event in range(len(events)):
        for jet in range(len(scales[event])):
            pt, raw, eta, phi = (columns[name][event][jet] for name in ("pt_jec", "pt_raw", "eta", "phi"))
            muons, em, turn = (
                sum(columns[name][event][jet] for name in names[what].split()) for what in ("muons", "em", "turn")
            )
            light, heavy = raw * (1 - muons), raw * muons
            corrected = light * pt / raw
            if corrected > 15 and em < 0.9 and abs(eta) < 5.2:
                added = (corrected + heavy) * scales[event][jet] - heavy - light * level1[event][jet]
                sums[event] += added * np.cos(phi + turn), added * np.sin(phi + turn)
    return sums


JETS = {"muons": "muonSubtrFactor", "em": "chEmEF neEmEF", "turn": ""}
LOW = {"muons": "muonSubtrFactor", "em": "", "turn": ""}


def raw_vectors(events: Any, table: str) -> np.ndarray:
    pt, phi = column(events[table].pt), column(events[table].phi)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi)], axis=1)


def vectors(met: Any) -> np.ndarray:
    pt, phi = column(met.pt), column(met.phi)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi)], axis=1)


def low_pt_jets(events: Any, standard: FactorizedJEC) -> Any:
    """``CorrT1METJet``, corrected as if it were a collection of raw jets."""
    table = events.CorrT1METJet
    events["Jet"] = ak.zip(
        {"pt": table.rawPt, "mass": table.rawPt * 0, "rawFactor": table.rawPt * 0}
        | {name: table[name] for name in table.fields}
    )
    return standard.apply(events)


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


def test_modes_agree_and_read_what_they_declare(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    propagation = Type1MET(toys.varied())
    paths = [("pt",), ("phi",), ("mljec_status",), *(("MET_UnclusteredEnergy", way, "pt") for way in ("up", "down"))]
    paths += [(name, way, "pt") for name in ("JER", "JES_Scale", "JES_Flavour") for way in ("up", "down")]
    eager = propagation.apply(open_nano(nano(), mode="eager"))
    log: list[Any] = []
    events = open_nano(nano(), access_log=log)
    declared = set(propagation.required_branches(events))
    virtual = propagation.apply(events)
    before = {one.branch for one in log}
    assert not any("Unclustered" in name for name in before), "variations wait until they are read"
    for path in paths:
        np.testing.assert_array_equal(column(virtual, *path), column(eager, *path))
    assert before < {one.branch for one in log} == declared
    pickled = pickle.loads(pickle.dumps(propagation)).apply(open_nano(nano()))
    np.testing.assert_array_equal(column(pickled.JER.up.pt), column(eager.JER.up.pt))


@pytest.mark.filterwarnings("ignore")
def test_dask_gives_the_same_and_reads_what_it_declares(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    dask_awkward = pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    corrector = toys.varied()
    propagation = Type1MET(corrector)
    eager = propagation.apply(open_nano(nano(), mode="eager"))
    events = open_nano(nano(), mode="dask")
    met = propagation.apply(events)
    (touched,) = dask_awkward.necessary_columns(met.pt).values()
    assert set(touched) == set(propagation.required_branches(events))
    assert met.fields == eager.fields
    computed = met.compute()
    given = propagation.apply(events, jets=corrector.apply(events))
    events.PuppiMET = met
    kept = events[events.event > 0].PuppiMET.compute()
    for one in (computed, given.compute(), kept):
        for path in (("pt",), ("phi",), ("pt_orig",), ("JER", "up", "pt"), ("MET_UnclusteredEnergy", "down", "phi")):
            np.testing.assert_array_equal(column(one, *path), column(eager, *path))
    assert computed.layout.form.type == eager.layout.form.type
    with pytest.raises(InputError, match="events are a dask collection and jets are not"):
        propagation.apply(events, jets=corrector.apply(open_nano(nano())))
    with pytest.raises(InputError, match="lack pt_raw, mljec_status, JER"):
        propagation.apply(events, jets=events.Jet)


def test_any_chunking_gives_the_same(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    propagation = Type1MET(toys.varied(), smeared=True)
    whole = propagation.apply(open_nano(nano()))
    edges = [0, 1, 1, 8, 33, len(whole)]
    parts = [
        propagation.apply(open_nano(nano(), entry_start=start, entry_stop=stop) if stop > start else
                          open_nano(nano())[:0])
        for start, stop in pairwise(edges)
    ]  # fmt: skip
    for path in (("pt",), ("phi",), ("JER", "up", "pt"), ("JES_Scale", "down", "phi"), ("mljec_status",)):
        np.testing.assert_array_equal(np.concatenate([column(one, *path) for one in parts]), column(whole, *path))
    mask = column(whole.pt) > 40
    cut = propagation.apply(open_nano(nano())[mask])
    np.testing.assert_array_equal(column(cut.JER.up.pt), column(whole.JER.up.pt)[mask])
    unclustered = [column(one.MET_UnclusteredEnergy.up.pt) for one in (cut, whole)]
    np.testing.assert_array_equal(unclustered[0], unclustered[1][mask])


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


def test_missing_branches_are_named(toys: Payloads, chs: Payloads, nano: Nano, open_nano: Any) -> None:
    cases = {
        ("RawPuppiMET_pt",): r"needs PuppiMET_pt, .* lacks RawPuppiMET_pt \(nearest: RawPuppiMET_phi\).*raw one",
        ("RawPuppiMET_pt", "RawPuppiMET_phi"): r"lacks RawPuppiMET_pt, RawPuppiMET_phi \(nearest: ",
        ("CorrT1METJet",): r"CorrT1METJet_rawPt, CorrT1METJet_eta.*low_pt=False. does without",
        ("CorrT1METJet_rawPt",): r"file lacks CorrT1METJet_rawPt .*low_pt=False. does without",
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
