"""Type-1 MET of the bundled simulation: as coffea's factory makes it, and what it gains over the raw one."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import awkward as ak
import correctionlib
import numpy as np
import numpy.typing as npt
import pytest
from coffea.jetmet_tools import CorrectedMETFactory

from coffea_mljec import MLJEC, FactorizedJEC
from coffea_mljec.errors import MissingBranchError
from coffea_mljec.met import Type1MET

CorrectionLibJEC = pytest.importorskip(
    "coffea.jetmet_tools.correctionlib_adapters", reason="coffea before 2026.4 has no CorrectionLibJEC"
).CorrectionLibJEC

DATA = Path(str(files("coffea_mljec") / "data"))
NAMES = {
    "METpt": "pt", "METphi": "phi", "RawMETpt": "pt", "RawMETphi": "phi",
    "UnClusteredEnergyDeltaX": "delta", "UnClusteredEnergyDeltaY": "delta",
    "JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetPhi": "phi", "JetA": "area", "Rho": "event_rho",
    "ptRaw": "pt_raw", "massRaw": "mass_raw", "JetMuonSubtrFactor": "muonSubtrFactor",
    "JetMuonSubtrDeltaPhi": "none", "JetChEmEF": "chEmEF", "JetNeEmEF": "neEmEF",
}  # fmt: skip


def vectors(met: Any) -> npt.NDArray[np.float64]:
    pt, phi = (np.asarray(ak.to_numpy(part), np.float64) for part in (met.pt, met.phi))
    return np.stack([pt * np.cos(phi), pt * np.sin(phi)], axis=1)


@pytest.fixture
def events(open_nano: Callable[..., Any]) -> Any:
    return open_nano(DATA / "mljec_sample.root")


@pytest.fixture(scope="module")
def standard() -> FactorizedJEC:
    return FactorizedJEC.from_json(DATA / "jec" / "MLJECSim_V1_MC_AK4PFchs.json.gz", "MLJECSim_V1_MC", "AK4PFchs")


def test_equal_to_coffeas_factory(events: Any, standard: FactorizedJEC) -> None:
    corrections = correctionlib.CorrectionSet.from_file(str(DATA / "jec" / "MLJECSim_V1_MC_AK4PFchs.json.gz"))
    factory = CorrectedMETFactory(
        NAMES,
        jec_L1L2L3=CorrectionLibJEC(corrections.compound["MLJECSim_V1_MC_L1L2L3Res_AK4PFchs"]),
        jec_L1=CorrectionLibJEC(corrections["MLJECSim_V1_MC_L1FastJet_AK4PFchs"]),
    )
    jets = standard.apply(events)
    given = ak.with_field(jets, ak.broadcast_arrays(events.fixedGridRhoFastjetAll, jets.eta)[0], "event_rho")
    given = ak.with_field(given, ak.zeros_like(jets.eta), "none")
    met = ak.with_field(events.MET, ak.zeros_like(events.MET.pt), "delta")
    theirs = factory.build(met, given, in_RawMET=events.RawMET)
    ours = Type1MET(standard, low_pt=False).apply(events, jets=jets)
    np.testing.assert_allclose(vectors(ours), vectors(theirs), atol=2e-3)
    assert np.hypot(*(vectors(ours) - vectors(events.RawMET)).T).mean() > 1


@pytest.mark.filterwarnings("ignore::coffea_mljec.MismatchWarning")
def test_a_networks_met_is_nearer_to_the_truth_than_the_standard_paths(events: Any, standard: FactorizedJEC) -> None:
    truth = vectors(events.GenMET)

    def width(provider: Any) -> float:
        low, high = np.quantile(vectors(Type1MET(provider, standard, low_pt=False).apply(events)) - truth, [0.16, 0.84])
        return float(high - low)

    assert width(MLJEC(fallback=standard)) < width(standard)


def test_the_low_pt_jets_that_the_simulation_lacks_are_asked_for(events: Any, standard: FactorizedJEC) -> None:
    with pytest.raises(MissingBranchError, match="CorrT1METJet_rawPt"):
        Type1MET(standard).apply(events)
