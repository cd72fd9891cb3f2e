"""Type-1 MET of CMS files: against coffea's `CorrectedMETFactory`, and against the MET that the files hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import pytest
from coffea.jetmet_tools import CorrectedMETFactory

from coffea_mljec import MLJEC, FactorizedJEC, FastSimulationWarning, NanoRegression, Provider, Status
from coffea_mljec.corrections import Correction, Factors
from coffea_mljec.met import Type1MET
from coffea_mljec.nano import JetChunk
from coffea_mljec.payloads import read_resolution_json, read_scale_factor_json, read_uncertainties_json, suitability
from coffea_mljec.status import STATUS_TYPE
from tests.library import library_file

CorrectionLibJEC = pytest.importorskip(
    "coffea.jetmet_tools.correctionlib_adapters", reason="coffea before 2026.4 has no CorrectionLibJEC"
).CorrectionLibJEC

Open = Callable[..., Any]


@dataclass(frozen=True)
class File:
    """A file and the payload nearest to the one that its jets were corrected with."""

    nano: str
    jec: str
    tag: str
    algorithm: str
    met: str
    raw: str

    def payload(self, folder: Path) -> Path:
        return folder / "jec" / f"{self.jec}_jet_jerc.json.gz"

    def standard(self, folder: Path, **options: Any) -> FactorizedJEC:
        return FactorizedJEC.from_json(self.payload(folder), self.tag, self.algorithm, **options)


PUPPI = ("AK4PFPuppi", "PuppiMET", "RawPuppiMET")
V15 = File("nanoaod_v15_tt_mc", "2023_Summer23BPix", "Summer23BPixPrompt23_V3_MC", *PUPPI)
V12 = File("nanoaod_v12_tt_mc", "2022_Summer22", "Summer22_22Sep2023_V3_MC", *PUPPI)
UL17 = File("pfnano_ul17_mc", "2017_UL", "Summer19UL17_V5_MC", "AK4PFchs", "MET", "RawMET")
DATA = File("nanoaod_v13_egamma2022e_data", "2022_Summer22", "Summer22_22Sep2023_RunCD_V3_DATA", *PUPPI)

NAMES = {
    "METpt": "pt", "METphi": "phi", "RawMETpt": "pt", "RawMETphi": "phi",
    "UnClusteredEnergyDeltaX": "delta_x", "UnClusteredEnergyDeltaY": "delta_y",
    "JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetPhi": "phi", "JetA": "area", "Rho": "event_rho",
    "ptRaw": "pt_raw", "massRaw": "mass_raw", "JetMuonSubtrFactor": "muonSubtrFactor",
    "JetMuonSubtrDeltaPhi": "muonSubtrDeltaPhi", "JetChEmEF": "chEmEF", "JetNeEmEF": "neEmEF",
    "CorrT1JetPt": "rawPt", "CorrT1JetPhi": "phi", "CorrT1JetEta": "eta", "CorrT1JetArea": "area",
    "CorrT1JetMuonSubtrFactor": "muonSubtrFactor", "CorrT1JetMuonSubtrDeltaPhi": "muonSubtrDeltaPhi",
    "CorrT1JetEmEF": "EmEF",
}  # fmt: skip


def values(array: Any) -> npt.NDArray[np.float64]:
    return np.asarray(ak.to_numpy(array), np.float64)


def vectors(met: Any) -> npt.NDArray[np.float64]:
    return np.stack([values(met.pt) * np.cos(values(met.phi)), values(met.pt) * np.sin(values(met.phi))], axis=1)


def rho_of(events: Any) -> Any:
    return events.Rho.fixedGridRhoFastjetAll if "Rho" in events.fields else events.fixedGridRhoFastjetAll


def coffea_inputs(events: Any, jets: Any, file: File) -> tuple[Any, Any, Any, Any]:
    """MET, jets, raw MET and low-pT jets with the fields that coffea wants and a file may lack."""
    met, low = events[file.met], events.CorrT1METJet
    if "MetUnclustEnUpDeltaX" in met.fields:
        x, y = met.MetUnclustEnUpDeltaX, met.MetUnclustEnUpDeltaY
    else:
        up = ak.zip({"pt": met.ptUnclusteredUp, "phi": met.phiUnclusteredUp})
        x, y = (vectors(up) - vectors(met)).T
    met = ak.with_field(ak.with_field(met, x, "delta_x"), y, "delta_y")
    rho = rho_of(events)
    jets, low = (ak.with_field(one, ak.broadcast_arrays(rho, one.eta)[0], "event_rho") for one in (jets, low))
    for field in ("muonSubtrDeltaPhi", "EmEF"):
        if field not in low.fields:
            low = ak.with_field(low, ak.zeros_like(low.eta), field)
    if "muonSubtrDeltaPhi" not in jets.fields:
        jets = ak.with_field(jets, ak.zeros_like(jets.eta), "muonSubtrDeltaPhi")
    return met, jets, events[file.raw], low


def factory(folder: Path, file: File, **options: Any) -> CorrectedMETFactory:
    corrections = library_file(file.payload(folder))
    full = CorrectionLibJEC(corrections.compound[f"{file.tag}_L1L2L3Res_{file.algorithm}"])
    level1 = CorrectionLibJEC(corrections[f"{file.tag}_L1FastJet_{file.algorithm}"])
    return CorrectedMETFactory(NAMES, jec_L1L2L3=full, jec_L1=level1, **options)


@pytest.mark.parametrize("file", [V15, V12, UL17], ids=lambda file: file.nano)
def test_equal_to_coffeas_factory(real_data: Path, open_nano: Open, file: File) -> None:
    """Nominal and the unclustered energy's variation, to single precision (in which coffea sums)."""
    events = open_nano(real_data / "nano" / f"{file.nano}.root")
    standard = file.standard(real_data)
    ours = Type1MET(standard).apply(events)
    met, jets, raw, low = coffea_inputs(events, standard.apply(events), file)
    theirs = factory(real_data, file).build(met, jets, in_RawMET=raw, in_CorrT1METJets=low)
    np.testing.assert_allclose(vectors(ours), vectors(theirs), atol=2e-3)
    up = vectors(ours.MET_UnclusteredEnergy.up)
    np.testing.assert_allclose(up, vectors(theirs.MET_UnclusteredEnergy.up), atol=2e-3)
    assert np.hypot(*(vectors(ours) - vectors(raw)).T).mean() > 5
    # Without the low-pT jets too; those of v12 are the ones that reach 15 GeV with this payload.
    alone = factory(real_data, file).build(met, jets, in_RawMET=raw)
    np.testing.assert_allclose(vectors(Type1MET(standard, low_pt=False).apply(events)), vectors(alone), atol=2e-3)
    if file is V12:
        assert abs(vectors(alone) - vectors(theirs)).max() > 1


def test_variations_are_coffeas(real_data: Path, open_nano: Open) -> None:
    """Each jet with its varied over its nominal pT, as coffea has it for what no payload is given for."""
    path, jer = V15.payload(real_data), "Summer23BPixPrompt23_RunD_JRV1_MC"
    standard = V15.standard(
        real_data,
        uncertainties=read_uncertainties_json(path, V15.tag, V15.algorithm, ["Total"]),
        resolution=read_resolution_json(path, jer, V15.algorithm),
        scale_factor=read_scale_factor_json(path, jer, V15.algorithm),
    )
    events = open_nano(real_data / "nano" / f"{V15.nano}.root")
    jets = standard.apply(events)
    met, given, raw, _ = coffea_inputs(events, jets, V15)
    for smeared in (False, True):
        ours = Type1MET(standard, smeared=smeared, low_pt=False).apply(events, jets=jets)
        theirs = factory(real_data, V15, is_t1_smeared_met=smeared).build(met, given, in_RawMET=raw)
        np.testing.assert_allclose(vectors(ours), vectors(theirs), atol=3e-3)
        for name in ("JER", "JES_Total"):
            for way in ("up", "down"):
                np.testing.assert_allclose(vectors(ours[name][way]), vectors(theirs[name][way]), atol=5e-3)
                assert np.hypot(*(vectors(ours[name][way]) - vectors(ours)).T).mean() > 0.2


def test_where_coffeas_factory_does_not_fit(real_data: Path, open_nano: Open) -> None:
    events = open_nano(real_data / "nano" / f"{V12.nano}.root")
    standard = V12.standard(real_data)
    met, jets, raw, low = coffea_inputs(events, standard.apply(events), V12)
    # Its type-1 mode evaluates its own payload: jets that something else has corrected are not propagated.
    regressed = NanoRegression("PNet").apply(events)
    theirs = factory(real_data, V12).build(met, jets, in_RawMET=raw)
    built = factory(real_data, V12).build(met, coffea_inputs(events, regressed, V12)[1], in_RawMET=raw)
    np.testing.assert_allclose(vectors(built), vectors(theirs), atol=1e-5)
    ours = Type1MET(NanoRegression("PNet"), standard, low_pt=False).apply(events)
    assert np.hypot(*(vectors(ours) - vectors(built)).T).mean() > 1
    # It needs fields that files before v15 do not have, and PuppiMET none of the shifts that it wants.
    with pytest.raises(Exception, match="EmEF"):
        factory(real_data, V12).build(met, jets, in_RawMET=raw, in_CorrT1METJets=ak.without_field(low, "EmEF"))
    with pytest.raises(Exception, match="delta_x"):
        factory(real_data, V12).build(events.PuppiMET, jets, in_RawMET=raw)
    # Down is the mirror image of up, where the file has its own.
    both = theirs.MET_UnclusteredEnergy
    np.testing.assert_allclose(vectors(both.down) + vectors(both.up), 2 * vectors(theirs), atol=1e-3)
    own = Type1MET(standard, low_pt=False).apply(events).MET_UnclusteredEnergy
    down = ak.zip({"pt": events.PuppiMET.ptUnclusteredDown, "phi": events.PuppiMET.phiUnclusteredDown})
    wanted = vectors(theirs) + vectors(down) - vectors(events.PuppiMET)
    np.testing.assert_allclose(vectors(own.down), wanted, atol=3e-3)
    assert abs(vectors(own.down) - vectors(both.down)).max() > 0.05
    # Its other mode takes all of each jet, muons and electrons and those below 15 GeV too, and no L1.
    legacy = CorrectedMETFactory(NAMES).build(
        ak.with_field(ak.with_field(met, raw.pt, "pt"), raw.phi, "phi"), ak.with_field(jets, jets.pt_raw, "pt_orig")
    )
    assert np.quantile(np.hypot(*(vectors(legacy) - vectors(theirs)).T), 0.95) > 1


@pytest.mark.parametrize("file", [V15, UL17], ids=lambda file: file.nano)
def test_the_files_own_met_where_the_payload_is_theirs(real_data: Path, open_nano: Open, file: File) -> None:
    """The file's own MET to a few per cent of what type 1 adds: jets of files are rounded to 10 bits."""
    events = open_nano(real_data / "nano" / f"{file.nano}.root")
    met = Type1MET(file.standard(real_data)).apply(events)
    off = np.hypot(*(vectors(met) - vectors(events[file.met])).T)
    added = np.hypot(*(vectors(events[file.raw]) - vectors(events[file.met])).T)
    assert np.median(off) < 0.1
    assert np.quantile(off, 0.95) < 0.3
    assert np.median(added) > 10


class AsStored(Correction):
    """The correction that the file's jets have: what a correction of one's own takes."""

    summary = asker = "the file's own correction"  # type: ignore[assignment]
    algorithm = None  # type: ignore[assignment]
    payloads = ()  # type: ignore[assignment]

    def measured_on_own_jets(self, made: Any) -> bool:
        return False

    def check(self, layout: Any) -> None:
        pass

    def branches(self, layout: Any) -> list[Any]:
        return []

    def extra_fields(self, layout: Any) -> tuple[str, ...]:
        return ()

    def factor(self, chunk: JetChunk) -> Factors:
        factor = chunk.jet("pt_stored") / chunk.jet("pt_raw").astype(np.float64)
        return Factors(factor, np.full(factor.size, Status.APPLIED, STATUS_TYPE))


@pytest.mark.filterwarnings("ignore:Summer22_22Sep2023_RunCD")  # the payload of the period before is at hand
@pytest.mark.parametrize("file", [V15, V12, UL17, DATA], ids=lambda file: file.nano)
def test_the_files_own_met_from_its_own_jets(real_data: Path, open_nano: Open, file: File) -> None:
    """Whatever the payload was: stored jets give the stored MET (rawFactor is rounded: 0.3 % of a jet)."""
    events = open_nano(real_data / "nano" / f"{file.nano}.root")
    with_level1 = file.standard(real_data) if file is UL17 else None
    met = Type1MET(Provider(AsStored(), name="stored"), with_level1, low_pt=False).apply(events)
    off = np.hypot(*(vectors(met) - vectors(events[file.met])).T)
    assert np.median(off) < (0.4 if file is UL17 else 0.15)
    assert np.quantile(off, 0.95) < (1.0 if file is UL17 else 0.5)


@pytest.mark.filterwarnings("ignore:Summer22_22Sep2023_RunCD")  # the payload of the period before is at hand
def test_data_has_no_generator_branches_and_runs(
    real_data: Path, open_nano: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suitability, "_warned", set())
    path = DATA.payload(real_data)
    standard = DATA.standard(real_data, uncertainties=read_uncertainties_json(path, V12.tag, DATA.algorithm, ["Total"]))
    events = open_nano(real_data / "nano" / f"{DATA.nano}.root")
    met = Type1MET(standard).apply(events)
    assert [name for name in met.fields if name.startswith("JE")] == ["JES_Total"]
    assert np.isfinite(values(met.JES_Total.up.pt)).all()
    assert np.hypot(*(vectors(met.JES_Total.up) - vectors(met)).T).mean() > 0.1


def test_a_network_on_pfnano(real_data: Path, open_nano: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled model on CHS jets; jets that it does not treat and low-pT jets take the standard path."""
    standard = UL17.standard(real_data)
    corrector = MLJEC(fallback=standard)
    events = open_nano(real_data / "nano" / f"{UL17.nano}.root")
    propagation = Type1MET(corrector)
    assert propagation.standard is standard
    monkeypatch.setattr("coffea_mljec.corrections.evaluation._warned", set())
    with pytest.warns(FastSimulationWarning):
        jets = corrector.apply(events)
    met = propagation.apply(events, jets=jets)
    # By hand, from the jets of both and the L1 level that makes CHS MET.
    columns = JetChunk.of(events).jets(("pt_raw", "eta", "area", "rho"))
    level1 = standard.payload.stack[0].evaluate({name: column.astype(float) for name, column in columns.items()})[0]
    flat = {name: values(ak.flatten(jets[name])) for name in (
        "pt", "pt_raw", "eta", "phi", "muonSubtrFactor", "chEmEF", "neEmEF")}  # fmt: skip
    light = 1 - flat["muonSubtrFactor"]
    counting = (light * flat["pt"] > 15) & (flat["chEmEF"] + flat["neEmEF"] < 0.9)
    added = np.where(counting, light * (flat["pt"] - flat["pt_raw"] * level1), 0.0)
    start = vectors(events.RawMET)
    by_hand = [
        start[:, axis] - values(ak.sum(ak.unflatten(added * turn(flat["phi"]), ak.num(jets)), axis=1))
        for axis, turn in enumerate((np.cos, np.sin))
    ]
    np.testing.assert_allclose(vectors(met), np.stack(by_hand, axis=1), atol=2e-3)
    status = values(met.mljec_status).astype(int)
    assert ((status & Status.APPLIED) > 0).any()
