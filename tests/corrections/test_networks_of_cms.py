"""CMS's networks on real files, against the scores that CMS stored there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import MLJEC, Network, Status
from coffea_mljec.errors import MissingBranchError
from tests.modes.networks import derived_scores, network_of_cms, stored_and_ours

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(real_data: Path) -> Callable[[str], Network]:
    return lambda name: network_of_cms(real_data, name)


@pytest.mark.parametrize(("file", "jets"), [("pfnano_ul17_mc", 24), ("pfnano_ul18_partial_mc", 20)])
def test_stored_scores(network: Any, real_data: Path, open_nano: Any, file: str, jets: int) -> None:
    events = open_nano(real_data / "nano" / f"{file}.root")
    for name, (stored, ours) in stored_and_ours(network("ParticleNetAK8_General"), events).items():
        assert len(ours) == jets
        assert np.corrcoef(ours, stored)[0, 1] > 0.999, name
        assert np.abs(ours - stored).max() < 0.03, name
        assert np.median(np.abs(ours - stored)) < 0.001, name


def test_vertices_that_the_file_dropped_matter(network: Any, real_data: Path, open_nano: Any) -> None:
    """Without those that only the links describe, the same jets are farther from what CMS stored."""
    events = open_nano(real_data / "nano" / "pfnano_ul17_mc.root")
    whole = network("ParticleNetAK8_General")
    rules = whole.card.selection
    listed = whole.card.model_copy(
        update={"selection": rules | {"sv": rules["sv"].model_copy(update={"unlisted": False})}}
    )
    few = Network(type(whole.model)(listed, whole.model.graph))
    lost = ak.to_numpy(ak.flatten(ak.any(_lost(events), axis=-1)))
    assert lost.sum() == 7
    stored = ak.to_numpy(ak.flatten(events.FatJet.particleNet_HccvsQCD)).astype(float)
    far, near = (np.abs(derived_scores(one.outputs(events))["HccvsQCD"] - stored) for one in (few, whole))
    np.testing.assert_allclose(far[~lost], near[~lost], atol=1e-6)
    assert far[lost].max() > 0.03
    assert near[lost].max() < 0.002


def _lost(events: Any) -> Any:
    """Jet by link: whether it is a link of the jet to no vertex."""
    links = events.FatJetSVs
    jet = ak.local_index(events.FatJet.pt)
    pairs = ak.cartesian([jet, links.jetIdx], nested=True)
    dropped = ak.cartesian([jet, links.sVIdx], nested=True)["1"] < 0
    return (pairs["0"] == pairs["1"]) & dropped


@pytest.mark.parametrize("file", ["pfnano_ul17_mc", "pfnano_ul18_partial_mc"])
def test_mass_regression(network: Any, real_data: Path, open_nano: Any, file: str) -> None:
    events = open_nano(real_data / "nano" / f"{file}.root")
    regression = network("ParticleNetAK8_MassRegression")
    jets = MLJEC(regression.model).apply(events, "FatJet")
    assert ak.all(Status.APPLIED.of(jets))
    mass = ak.to_numpy(ak.flatten(jets.mass))
    assert np.isfinite(mass).all()
    assert 5 < np.median(mass) < 300
    np.testing.assert_allclose(ak.flatten(jets.pt), ak.flatten(events.FatJet.pt), rtol=1e-6)
    np.testing.assert_array_equal(ak.flatten(jets.mass_orig), ak.flatten(events.FatJet.mass))
    np.testing.assert_array_equal(ak.flatten(jets.msoftdrop), ak.flatten(events.FatJet.msoftdrop))
    if file == "pfnano_ul18_partial_mc":  # of heavy particles, mostly: near to the soft-drop mass where a jet has one
        groomed = ak.to_numpy(ak.flatten(events.FatJet.msoftdrop))
        assert np.corrcoef(mass[groomed > 10], groomed[groomed > 10])[0, 1] > 0.9


def test_ak4(network: Any, real_data: Path, open_nano: Any) -> None:
    events = open_nano(real_data / "nano" / "pfnano_ul17_mc.root")
    found = network("ParticleNetAK4_CHS").outputs(events)
    applied = ak.to_numpy(ak.flatten(Status.APPLIED.of(found)))
    assert applied.sum() > 55
    values = np.stack(
        [ak.to_numpy(ak.flatten(found[name])) for name in ("b", "bb", "c", "cc", "uds", "g", "undef", "pu")]
    )
    np.testing.assert_allclose(values[:, applied].sum(axis=0), 1.0, rtol=1e-5)
    assert np.isnan(values[:, ~applied]).all()


def test_a_file_without_the_branches(network: Any, real_data: Path, open_nano: Any) -> None:
    events = open_nano(real_data / "nano" / "nanoaod_v15_tt_mc.root")
    general = network("ParticleNetAK8_General")
    with pytest.raises(
        MissingBranchError, match=r"feature candidates.\w+ of model 'ParticleNetAK8_General' needs"
    ) as error:
        general.outputs(events)
    for branch in (
        "PFCand_d0",
        "PFCand_dzErr",
        "PFCand_trkQuality",
        "FatJetPFCand_btagSip3dSig",
        "PFCand_lostInnerHits",
    ):
        assert f" {branch}" in str(error.value)
