"""The event display: which jets are chosen, and that their particles and pT are the file's."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.style import style
from coffea_mljec.validation.response.clouds import find_clouds
from coffea_mljec.validation.response.jet_display import draw_cloud
from tests.report.conftest import cloud
from tests.validation.conftest import Scaled


@pytest.fixture(scope="module")
def events(sample: Any, open_nano: Any) -> Any:
    return open_nano(sample, entry_stop=300)


@pytest.fixture(scope="module")
def found(events: Any) -> Any:
    return find_clouds(events, {"plain": Scaled(1.0), "double": Scaled(2.0)})


def test_one_jet_of_each_kind_near_100_gev(found: Any) -> None:
    assert [one.flavour for one in found] == ["uds", "g", "b"]
    for one in found:
        assert abs(one.eta) < 2.0
        assert 60.0 < one.pt_gen < 160.0


def test_the_particles_add_up_to_the_jet_and_are_around_it(found: Any, events: Any) -> None:
    for one in found:
        row = int(np.flatnonzero(np.asarray(events.event) == one.event)[0])
        jet = events.Jet[row][one.jet]
        assert one.pt_raw == pytest.approx(float(jet.pt * (1 - jet.rawFactor)), rel=1e-5)
        assert one.eta == pytest.approx(float(jet.eta))
        links = events.JetPFCands[row]
        mine = events.PFCands[row][links.pFCandsIdx[links.jetIdx == one.jet]]
        assert one.particle_pt == pytest.approx(sorted((float(pt) for pt in mine.pt), reverse=True))
        pt, phi = np.array(one.particle_pt), np.array(one.delta_phi)
        assert np.hypot((pt * np.cos(phi)).sum(), (pt * np.sin(phi)).sum()) == pytest.approx(one.pt_raw, rel=3e-3)
        assert (np.hypot(one.delta_eta, one.delta_phi) < 0.8).all()


def test_each_provider_corrects_that_jet(found: Any) -> None:
    for one in found:
        assert one.pt["plain"] == pytest.approx(one.pt_raw, rel=1e-5)
        assert one.pt["double"] == pytest.approx(2 * one.pt_raw, rel=1e-5)


def test_on_data_the_jet_nearest_in_raw_pt_is_shown(events: Any) -> None:
    # The same jets under a name for which there is no truth.
    (one,) = find_clouds(events, {"plain": Scaled(1.0)}, gen_collection="NoSuchJet")
    assert one.flavour is None
    assert one.pt_gen is None
    raw = ak.flatten(events.Jet.pt * (1 - events.Jet.rawFactor))[ak.flatten(abs(events.Jet.eta)) < 2.0]
    assert abs(np.log(one.pt_raw / 100.0)) == pytest.approx(float(ak.min(abs(np.log(raw / 100.0)))), abs=0.02)


def test_without_constituents_there_is_nothing_to_show(open_file: Any) -> None:
    assert find_clouds(open_file(), {"plain": Scaled(1.0)}) == []


@pytest.mark.parametrize("flavour", ["b", None])
def test_the_display_says_how_far_each_pt_is_from_the_generators(flavour: str | None) -> None:
    with style():
        left, right = draw_cloud(cloud(flavour), Caption("coffea-mljec simulation", "AK4", "13 TeV", 2000)).axes
    words = [text.get_text() for text in right.texts]
    assert ("98.0 GeV (\N{MINUS SIGN}2.0 %)" in words) == (flavour is not None)
    assert ("98.0 GeV" in words) == (flavour is None)
    names = [text.get_text() for text in left.get_legend().get_texts()]
    assert names == ["charged hadron, 63 %", "photon, 32 %", "other, 5 %", "vertex, 1.5 GeV"]
