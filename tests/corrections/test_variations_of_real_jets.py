"""Variations of real jets: the JERC group's smearing, correctionlib's sources, other processes, large jets, data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from loky import get_reusable_executor

from coffea_mljec import FactorizedJEC, NanoRegression
from coffea_mljec.payloads import (
    read_json,
    read_resolution_json,
    read_scale_factor_json,
    read_uncertainties_json,
)
from coffea_mljec.systematics import JERSmear
from tests.library import library_file

pytestmark = pytest.mark.usefixtures("warnings_afresh")

TAG, JER, ALGORITHM = "Summer22_22Sep2023_V3_MC", "Summer22_22Sep2023_JRV1_MC", "AK4PFPuppi"


def flat(array: Any) -> np.ndarray:
    return ak.flatten(array).to_numpy().astype(float)


def corrector(folder: Path, **options: Any) -> FactorizedJEC:
    path = folder / "2022_Summer22_jet_jerc.json.gz"
    return FactorizedJEC(
        read_json(path, TAG, ALGORITHM),
        uncertainties=read_uncertainties_json(path, TAG, ALGORITHM, ["Total"]),
        resolution=read_resolution_json(path, JER, ALGORITHM),
        scale_factor=read_scale_factor_json(path, JER, ALGORITHM),
        **options,
    )


def test_the_jerc_groups_own_smearing(real_data: Path, open_nano: Callable[..., Any]) -> None:
    folder = real_data / "jec"
    events = open_nano(real_data / "nano" / "nanoaod_v12_tt_mc.root")
    file = folder / "jer_smear.json.gz"
    jets = corrector(folder, smearing=JERSmear(file))(events)
    event = np.repeat(np.asarray(events.event), ak.num(events.Jet))
    rho = np.repeat(np.asarray(events.Rho.fixedGridRhoFastjetAll), ak.num(events.Jet))
    before, sigma = flat(jets.pt_jec), flat(jets.jet_energy_resolution)
    # Beyond three sigma, and beyond half the radius, a generator jet does not count.
    near = jets.metric_table(events.GenJet)
    nearest = ak.argmin(near, axis=2, keepdims=True)
    found = flat(ak.fill_none(ak.flatten(events.GenJet.pt[ak.flatten(nearest, axis=2)], axis=None), -1.0)[None])
    distance = flat(ak.fill_none(ak.flatten(near[nearest], axis=None), 9.0)[None])
    gen = np.where((distance < 0.2) & (abs(before - found) < 3 * sigma * before), found, -1.0)
    reference = library_file(file)["JERSmear"]
    scale = np.asarray(ak.flatten(jets.jet_energy_resolution_scale_factor))[:, 0].astype(float)
    factor = reference.evaluate(before, flat(jets.eta), gen, rho, (event & 0x7FFFFFFF).astype(np.int64), sigma, scale)
    got = flat(jets.pt_jer) / before
    # The matched half is exact but for single precision. The others draw numbers from the bits of pT, which the record
    # holds in single precision only: their spread is compared.
    matched = gen > 0
    assert matched.mean() > 0.3
    np.testing.assert_allclose(got[matched], factor[matched], rtol=2e-5)
    assert np.std(got[~matched]) > 0.05
    assert abs(np.std(got[~matched]) / np.std(factor[~matched]) - 1) < 0.15
    away = abs(flat(jets.eta))
    kept = corrector(folder, smearing=JERSmear(file), unsmeared_eta=(2.5, 3.0))(events)
    still = (away > 2.5) & (away < 3.0) & ~matched
    assert still.any()
    np.testing.assert_array_equal(flat(kept.pt_jer)[still], flat(kept.pt_jec)[still])
    np.testing.assert_array_equal(flat(kept.pt_jer)[~still], flat(jets.pt_jer)[~still])


def test_sources_on_real_jets_are_correctionlibs(real_data: Path, open_nano: Callable[..., Any]) -> None:
    path = real_data / "jec" / "2022_Summer22_jet_jerc.json.gz"
    sources = read_uncertainties_json(path, TAG, ALGORITHM, "all")
    provider = FactorizedJEC(read_json(path, TAG, ALGORITHM), uncertainties=sources)
    jets = provider(open_nano(real_data / "nano" / "nanoaod_v12_tt_mc.root"))
    reference = library_file(path)
    assert len(sources.sources) > 25
    pt, eta = flat(jets.pt), flat(jets.eta)
    for source in sources.sources:
        shift = reference[f"{TAG}_{source}_{ALGORITHM}"].evaluate(eta, pt)
        np.testing.assert_allclose(flat(jets[f"JES_{source}"].up.pt), pt * (1 + shift), rtol=1e-6, err_msg=source)
        np.testing.assert_allclose(flat(jets[f"JES_{source}"].down.pt), pt * (1 - shift), rtol=1e-6, err_msg=source)


def _varied(given: tuple[FactorizedJEC, str, int, int]) -> dict[str, Any]:
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    provider, path, start, stop = given
    factory = NanoEventsFactory.from_root(
        {path: "Events"}, schemaclass=NanoAODSchema, mode="virtual", entry_start=start, entry_stop=stop
    )
    jets = provider(factory.events())
    return {
        name: ak.flatten(values).to_numpy()
        for name, values in {
            "pt": jets.pt, "JER up": jets.JER.up.pt, "JER down": jets.JER.down.pt, "Total up": jets.JES_Total.up.pt,
        }.items()
    }  # fmt: skip


def test_two_processes_vary_as_one(real_data: Path) -> None:
    provider = corrector(real_data / "jec", seed=5)
    path = str(real_data / "nano" / "nanoaod_v12_tt_mc.root")
    whole = _varied((provider, path, 0, 90))
    pieces = [(provider, path, start, start + 30) for start in (0, 30, 60)]
    with get_reusable_executor(max_workers=2) as executor:
        parts = list(executor.map(_varied, pieces))
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)


def test_large_jets_with_their_generator_jets(real_data: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(real_data / "nano" / "pfnano_ul17_mc.root")
    path = real_data / "jec" / "2017_UL_fatJet_jerc.json.gz"
    corrector = FactorizedJEC.from_json(
        path,
        "Summer19UL17_V5_MC",
        "AK8PFPuppi",
        uncertainties=read_uncertainties_json(path, "Summer19UL17_V5_MC", "AK8PFPuppi", ["Total"]),
        resolution=read_resolution_json(path, "Summer19UL17_JRV2_MC", "AK8PFPuppi"),
        scale_factor=read_scale_factor_json(path, "Summer19UL17_JRV2_MC", "AK8PFPuppi"),
        qualified=True,
    )
    assert "GenJetAK8_pt" in corrector.required_branches(events, "FatJet")
    up = corrector.apply(events, "FatJet").JES_Total_AK8PFPuppi.up
    assert type(up) is type(events.FatJet)
    assert up.matched_gen.pt.tolist() == events.FatJet.matched_gen.pt.tolist()
    assert ak.all(up.pt > corrector.apply(events, "FatJet").pt)


@pytest.mark.filterwarnings("ignore:Summer22_22Sep2023_RunCD")  # the payload of the period before is at hand
def test_everything_without_truth_runs_on_data(real_data: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(real_data / "nano" / "nanoaod_v13_egamma2022e_data.root")
    path = real_data / "jec" / "2022_Summer22_jet_jerc_PNet.json.gz"
    era, simulation = "Summer22_22Sep2023_RunCD_V2_DATA", "Summer22_22Sep2023_V2_MC"
    smearing = "Summer22_22Sep2023_JRV1_MC"
    for algorithm in ("AK4PFPuppi", "AK4PFPuppiPNetRegression"):
        payload = FactorizedJEC(read_json(path, era, algorithm))
        options: dict[str, Any] = {
            "uncertainties": read_uncertainties_json(path, simulation, algorithm, ["Total", "FlavorQCD"]),
            "resolution": read_resolution_json(path, smearing, algorithm),
            "scale_factor": read_scale_factor_json(path, smearing, algorithm),
        }
        if algorithm == "AK4PFPuppi":
            corrector: Any = FactorizedJEC(payload.payload, **options)
        else:
            standard = FactorizedJEC.from_json(path, era, "AK4PFPuppi")
            corrector = NanoRegression("PNet", payload=payload, fallback=standard, **options)
        jets = corrector(events)
        assert [name for name in jets.fields if name.startswith("JE")] == ["JES_Total", "JES_FlavorQCD"]
        shift = flat(jets.JES_Total.up.pt / jets.pt) - 1
        assert np.all((shift > 0) & (shift < 0.2))
        assert len(dict(corrector.variations(events))) == 5
