"""Scale and smearing of masses as options of a provider: numbers, names, modes, and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import JetMass
from coffea_mljec.corrections import FactorizedJEC
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.payloads import read_soft_drop_text
from tests.factories import in_memory
from tests.toy_payloads import smearing, sources
from tests.validation.mass.toy import large_jets

JEC = Path(mljec.__file__).parent / "data" / "jec_ak8"
LEVELS = [JEC / f"MLJECSim_V1_MC_{level}_AK8PFPuppi.jec.txt" for level in ("L1FastJet", "L2Relative", "L3Absolute")]
SCALE, RESOLUTION = (1.01, 1.03, 0.98), (1.1, 1.2, 1.0)
SOFT_DROP = JetMass(
    correction=read_soft_drop_text(JEC / "MLJECSim_V1_MC_SoftDropMass_AK8PFPuppi.jec.txt"), scale=SCALE,
    resolution=RESOLUTION,
)  # fmt: skip
MASSES = (SOFT_DROP, JetMass("mass", scale=SCALE))
pytestmark = pytest.mark.usefixtures("warnings_afresh")


def standard(**options: Any) -> FactorizedJEC:
    return FactorizedJEC.from_txt(LEVELS, **options)


def flat(array: Any) -> np.ndarray:
    return ak.to_numpy(ak.flatten(array)).astype(np.float64)


@pytest.fixture
def events(sample: Path, open_nano: Callable[..., Any]) -> Any:
    return open_nano(sample.with_name("mljec_large_jets.root"), entry_stop=40)


def test_the_option_gives_what_the_tool_gives_by_itself(events: Any) -> None:
    plain = standard().apply(events, "FatJet")
    alone, jets = SOFT_DROP.apply(events, plain), standard(jet_mass=SOFT_DROP).apply(events, "FatJet")
    assert flat(jets.msoftdrop) == pytest.approx(flat(alone.msoftdrop), rel=1e-6)
    assert flat(jets.msoftdrop_orig).tolist() == flat(events.FatJet.msoftdrop).tolist()
    for name in ("JMS", "JMR"):
        for way in ("up", "down"):
            assert flat(jets[name][way].msoftdrop) == pytest.approx(flat(alone[name][way].msoftdrop), rel=1e-6)
            assert flat(jets[name][way].pt).tolist() == flat(plain.pt).tolist()
    assert flat(jets.JMS.up.msoftdrop) == pytest.approx(flat(jets.msoftdrop) * 1.03 / 1.01, rel=1e-5)


def test_all_masses_vary_together_beside_scale_and_smearing_of_pt(events: Any, tmp_path: Path) -> None:
    options = sources(tmp_path, "AK8PFPuppi") | smearing(tmp_path, "AK8PFPuppi")
    provider = standard(jet_mass=MASSES, **options)
    without = standard(**options).apply(events, "FatJet")
    jets = provider.apply(events, "FatJet")
    assert flat(jets.pt).tolist() == flat(without.pt).tolist()
    assert flat(jets.mass) == pytest.approx(1.01 * flat(without.mass), rel=1e-5)
    # Smeared with pT, as the nominal one is.
    assert flat(jets.JMS.up.mass) == pytest.approx(1.03 * flat(without.mass), rel=1e-5)
    assert flat(jets.JMR.up.mass).tolist() == flat(jets.mass).tolist()
    source = next(name for name in jets.fields if name.startswith("JES_"))
    assert flat(jets[source].up.mass) == pytest.approx(1.01 * flat(without[source].up.mass), rel=1e-5)
    assert flat(jets[source].up.msoftdrop).tolist() == flat(jets.msoftdrop).tolist()
    assert source not in jets.JMS.up.fields
    found = dict(provider.variations(events, "FatJet"))
    assert [name for name in found if name.startswith("JM")] == ["JMS_up", "JMS_down", "JMR_up", "JMR_down"]
    for name in ("JMS", "JMR"):
        for way in ("up", "down"):
            for field in ("pt", "mass", "msoftdrop"):
                assert flat(found[f"{name}_{way}"][field]).tolist() == flat(jets[name][way][field]).tolist()


def test_modes_give_the_same_and_read_what_they_declare(sample: Path, open_nano: Callable[..., Any]) -> None:
    dask_awkward = pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    provider, path = standard(jet_mass=MASSES), sample.with_name("mljec_large_jets.root")
    found = {mode: provider.apply(open_nano(path, mode=mode, entry_stop=20), "FatJet") for mode in ("eager", "virtual")}
    lazy = provider.apply(open_nano(path, mode="dask"), "FatJet")
    (touched,) = dask_awkward.necessary_columns(lazy.JMS.up.msoftdrop).values()
    declared = set(provider.required_branches(open_nano(path), "FatJet"))
    assert set(touched) <= declared
    assert {"SubGenJetAK8_mass", "GenJetAK8_eta", "FatJet_msoftdrop", "event"} <= declared
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found["dask"] = lazy.compute()[:20]
    assert lazy.fields == found["dask"].fields
    for name in ("eager", "dask"):
        for way in ("up", "down"):
            for field in ("msoftdrop", "mass"):
                one, other = found[name].JMR[way][field], found["virtual"].JMR[way][field]
                assert flat(one).tolist() == flat(other).tolist()


def test_correcting_twice_is_correcting_once(events: Any) -> None:
    provider = standard(jet_mass=MASSES)
    once = provider.apply(events, "FatJet")
    twice = provider.apply(ak.with_field(events, once, "FatJet"), "FatJet")
    assert set(twice.fields) == set(once.fields)
    for field in ("pt", "mass", "msoftdrop", "msoftdrop_orig"):
        assert flat(twice[field]).tolist() == flat(once[field]).tolist()
    bare = standard().apply(ak.with_field(events, once, "FatJet"), "FatJet")
    assert "JMS" not in bare.fields
    assert flat(bare.msoftdrop).tolist() == flat(events.FatJet.msoftdrop).tolist()


def test_the_mass_of_a_network_is_scaled(events: Any) -> None:
    scaled = JetMass(scale=SCALE)
    plain = mljec.MLJEC("ak8-bdt").apply(events, "FatJet")
    jets = mljec.MLJEC("ak8-bdt", jet_mass=scaled).apply(events, "FatJet")
    assert flat(jets.msoftdrop) == pytest.approx(1.01 * flat(plain.msoftdrop), rel=1e-5)
    assert flat(jets.msoftdrop_orig).tolist() == flat(events.FatJet.msoftdrop).tolist()


def test_data_get_the_correction_alone() -> None:
    tables = large_jets(60)
    data = in_memory(tables.without("GenJetAK8", "SubGenJetAK8", "GenPart", "genWeight"))
    levels = [path for path in LEVELS if "L1FastJet" not in path.name]
    provider = FactorizedJEC.from_txt(levels, jet_mass=MASSES)
    jets = provider.apply(data, "FatJet")
    assert not {"JMS", "JMR"} & set(jets.fields)
    assert [name for name, _ in provider.variations(data, "FatJet")] == ["nominal"]
    only = JetMass(correction=SOFT_DROP.correction).apply(data, jets)
    assert flat(jets.mass) == pytest.approx(flat(FactorizedJEC.from_txt(levels).apply(data, "FatJet").mass), rel=1e-6)
    before = flat(jets.msoftdrop_orig)
    assert flat(jets.msoftdrop) / before == pytest.approx(flat(only.msoftdrop) / flat(only.msoftdrop_before), rel=1e-4)
    assert (np.abs(flat(jets.msoftdrop) / before - 1.0) > 1e-3).any()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((SCALE, RESOLUTION), r"jet_mass must be a JetMass, or several of different fields; got \(\(1.01"),
        ((SOFT_DROP, SOFT_DROP), "jet_mass must be a JetMass, or several of different fields"),
        (JetMass(resolution=RESOLUTION, seed=0), "have the seed 0 both, so that they would go together"),
    ],
)
def test_what_is_refused(given: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        standard(jet_mass=given, **smearing(tmp_path, "AK8PFPuppi"))


def test_events_that_lack_something(events: Any) -> None:
    with pytest.raises(InputError, match="FatJet has no 'particleNet_mass': give the mass that it has"):
        standard(jet_mass=JetMass("particleNet_mass")).apply(events, "FatJet")
    lacking = ak.without_field(events, ["SubGenJetAK8"])
    with pytest.raises(MissingBranchError, match="the smearing of msoftdrop needs SubGenJetAK8_pt"):
        standard(jet_mass=SOFT_DROP).apply(lacking, "FatJet")
    assert "JMS" in standard(jet_mass=MASSES[1]).apply(lacking, "FatJet").fields
