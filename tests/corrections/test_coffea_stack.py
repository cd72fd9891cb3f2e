"""coffea's stacks handed over: the numbers of its factory, where its random numbers are ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import awkward as ak
import cloudpickle
import numpy as np
import pytest
from coffea import jetmet_tools
from coffea.jetmet_tools import CorrectedJetsFactory, JECStack
from coffea.lookup_tools import extractor

from coffea_mljec import FactorizedJEC
from coffea_mljec.errors import InputError
from coffea_mljec.numerics.matching import match
from coffea_mljec.systematics import standard_normal
from tests.toy_payloads import RESOLUTION, SCALE_FACTOR, SOURCES

# coffea's reader of text payloads imports numpy.core.
pytestmark = pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")

L1 = "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-(z/y)*[0]*x) Correction L1FastJet}\n-5 5 7 0 200 8 3000 0 10 0.6\n"
L2 = "{1 JetEta 1 JetPt [0]+[1]/x Correction L2Relative}\n-5 0 4 8 3000 1.1 1\n0 5 4 8 3000 1.2 2\n"
NAME_MAP = {
    "JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetA": "area", "Rho": "event_rho",
    "ptRaw": "pt_raw", "massRaw": "mass_raw", "ptGenJet": "pt_gen",
}  # fmt: skip


def flat(array: Any) -> np.ndarray:
    return ak.to_numpy(ak.flatten(array))


@pytest.fixture
def text_stack(tmp_path: Path) -> JECStack:
    """Two levels, two sources, resolution and scale factors, from text by coffea's own reader."""
    texts = {
        "Toy1_V1_MC_L1FastJet_AK4PFPuppi.jec.txt": L1,
        "Toy1_V1_MC_L2Relative_AK4PFPuppi.jec.txt": L2,
        "Toy1_V1_MC_UncertaintySources_AK4PFPuppi.junc.txt": SOURCES,
        "Toy1_V1_MC_PtResolution_AK4PFPuppi.jr.txt": RESOLUTION,
        "Toy1_V1_MC_SF_AK4PFPuppi.jersf.txt": SCALE_FACTOR,
    }
    reader = extractor()
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    reader.add_weight_sets([f"* * {tmp_path / name}" for name in texts])
    reader.finalize()
    evaluator = reader.make_evaluator()
    return JECStack({name: evaluator[name] for name in evaluator.keys()})  # noqa: SIM118


@pytest.fixture
def events(tiny_nano: Path, open_nano: Any) -> Any:
    """With the fields that users of coffea put on their jets."""
    events = open_nano(tiny_nano, mode="eager")
    jets = events.Jet
    jets["pt_raw"] = jets.pt * (1 - jets.rawFactor)
    jets["mass_raw"] = jets.mass * (1 - jets.rawFactor)
    jets["event_rho"] = ak.broadcast_arrays(events.Rho.fixedGridRhoFastjetAll, jets.pt)[0]
    partner = match(jets, events.GenJet, 0.2)
    jets["pt_gen"] = ak.values_astype(ak.fill_none(events.GenJet[ak.mask(partner, partner >= 0)].pt, 0), np.float32)
    return ak.with_field(events, jets, "Jet")


@pytest.fixture
def coffeas(events: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Jets built by coffea's factory, with this package's random numbers: coffea's depend on the chunk."""

    def normal(_: Any) -> Any:
        names = ("run", "luminosityBlock", "event")
        columns = [np.repeat(np.asarray(events[name]), ak.num(events.Jet)) for name in names]
        return ak.Array(standard_normal(*columns, flat(events.Jet.eta), flat(events.Jet.phi)).astype(np.float32))

    monkeypatch.setattr(sys.modules[CorrectedJetsFactory.__module__], "rand_gauss", normal)
    return lambda stack: CorrectedJetsFactory(NAME_MAP, stack).build(events.Jet)


def compare(ours: Any, theirs: Any, sources: list[str]) -> None:
    plain = ["pt", "mass", "pt_jec", "pt_jer", "jet_energy_correction", "jet_energy_resolution"]
    vectors = ["jet_energy_resolution_scale_factor", *(f"jet_energy_uncertainty_{source}" for source in sources)]
    for name in (*plain, *vectors):
        np.testing.assert_allclose(flat(ours[name]), flat(theirs[name]), rtol=1e-6)
    for name in ("JER", *(f"JES_{source}" for source in sources)):
        for direction in ("up", "down"):
            for field in ("pt", "mass"):
                np.testing.assert_allclose(
                    flat(ours[name][direction][field]), flat(theirs[name][direction][field]), rtol=1e-6
                )


def test_text_stack_gives_coffeas_numbers(text_stack: JECStack, events: Any, coffeas: Any) -> None:
    before = dict(NAME_MAP)
    ours = FactorizedJEC.from_coffea(text_stack, NAME_MAP)
    assert before == NAME_MAP
    assert ours.algorithm == "AK4PFPuppi"
    compare(ours(events), coffeas(text_stack), ["Scale", "Flavour"])
    # As coffea's executors do it; its own evaluators hold functions that pickle refuses.
    away = cloudpickle.loads(cloudpickle.dumps(ours))
    np.testing.assert_array_equal(flat(away(events).JER.up.pt), flat(ours(events).JER.up.pt))


def test_correctionlib_stack_gives_coffeas_numbers(real_data: Path, events: Any, coffeas: Any) -> None:
    if not hasattr(jetmet_tools, "CorrectionLibJECStack"):
        pytest.skip("coffea before 2026.4 has no CorrectionLibJECStack")
    stack = jetmet_tools.CorrectionLibJECStack.from_file(
        str(real_data / "jec" / "2022_Summer22_jet_jerc.json.gz"), jec_tag="Summer22_22Sep2023_V3", data_type="MC",
        jet_type="AK4PFPuppi", unc_sources=["Total", "FlavorQCD"], jer_tag="Summer22_22Sep2023_JRV1",
    )  # fmt: skip
    ours = FactorizedJEC.from_coffea(stack, NAME_MAP)
    assert ours.payload.tag == "Summer22_22Sep2023_V3_MC"
    compare(ours(events), coffeas(stack), ["Total", "FlavorQCD"])


def test_without_the_fields_they_are_found(text_stack: JECStack, tiny_nano: Path, open_nano: Any, events: Any) -> None:
    corrector = FactorizedJEC.from_coffea(text_stack, NAME_MAP)
    bare = corrector(open_nano(tiny_nano))
    np.testing.assert_allclose(flat(bare.JES_Scale.up.pt), flat(corrector(events).JES_Scale.up.pt), rtol=1e-6)


def test_what_cannot_be_handed_over(text_stack: JECStack) -> None:
    for name, message in (
        ("Rho", "does not map Rho"),
        ("ptRaw", "coffea takes the jets' pt for raw"),
        ("JetMass", "does not map JetMass"),
    ):
        with pytest.raises(InputError, match=message):
            FactorizedJEC.from_coffea(text_stack, {key: value for key, value in NAME_MAP.items() if key != name})
    with pytest.raises(InputError, match=r"JetPt as 'pt_nano'; jets are corrected in 'pt'"):
        FactorizedJEC.from_coffea(text_stack, NAME_MAP | {"JetPt": "pt_nano"})
    with pytest.raises(InputError, match=r"expected coffea's JECStack .*got dict"):
        FactorizedJEC.from_coffea({}, NAME_MAP)
    without = {name: value for name, value in NAME_MAP.items() if name != "ptGenJet"}
    assert FactorizedJEC.from_coffea(text_stack, without).systematics.smearing == "stochastic"
