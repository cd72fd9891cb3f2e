"""Dijets of the bundled sample: against a plain loop over events, with and without truth; and files without any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec
from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet
from tests import factories
from training.dataset.cache import open_shard
from training.dataset.dijets import ALPHA_EDGES, Dijets, read_dijets
from training.dataset.further_jets import further_jets

SAMPLE = Path(coffea_mljec.__file__).parent / "data" / "mljec_sample.root"
FEATURES = FeatureSet.from_names({"jet": ("pt", "eta"), "charged": ("pt", "rel_pt")})
PT, ETA = (40.0, 80.0, 2000.0), (0.0, 1.3, 2.5)


def read(truth: bool) -> Dijets:
    return read_dijets([SAMPLE], FEATURES, PT, ETA, truth=truth, progress=False)


def expected() -> list[dict[str, Any]]:
    """What a plain loop finds, event by event."""
    found = []
    for event in open_shard(SAMPLE):
        jets = [(float(j.pt), float(j.eta), float(j.phi)) for j in event.Jet if j.pt > 0]
        jets.sort(key=lambda jet: -jet[0])
        if len(jets) < 2:
            continue
        (p, eta, phi), (q, other, azimuth) = jets[:2]
        average, third = (p + q) / 2, jets[2][0] if len(jets) > 2 else 0.0
        apart = abs((phi - azimuth + np.pi) % (2 * np.pi) - np.pi)
        region, same = (int(np.digitize(abs(x), ETA)) - 1 for x in (eta, other))
        if apart <= 2.7 or third >= max(25.0, 0.25 * average) or region != same or not 0 <= region < 2:
            continue
        if PT[0] <= average < PT[-1]:
            cell = region * 2 + int(np.digitize(average, PT)) - 1
            cell = cell * len(ALPHA_EDGES) + int(np.digitize(third / average, ALPHA_EDGES)) - 1
            found.append({"event": int(event.event), "pt_avg": average, "cell": cell, "eta": {eta, other}})
    return found


def test_as_a_plain_loop_finds_them() -> None:
    dijets, by_hand = read(truth=False), expected()
    assert len(by_hand) > 30
    assert dijets.event.tolist() == [one["event"] for one in by_hand]
    assert dijets.cell.tolist() == [one["cell"] for one in by_hand]
    np.testing.assert_allclose(dijets.pt_avg, [one["pt_avg"] for one in by_hand], rtol=1e-6)
    eta = dijets.jets.columns["eta"].reshape(-1, 2).tolist()
    assert [set(pair) for pair in eta] == [one["eta"] for one in by_hand]
    # The leading jet is the reference in some events, the probe in others.
    leads = dijets.jets.columns["pt_raw"].reshape(-1, 2)
    assert 0.3 < (leads[:, 0] > leads[:, 1]).mean() < 0.7


def test_further_jets_as_a_plain_loop_adds_them_up() -> None:
    dijets = read(truth=False)
    events = {int(event.event): event for event in open_shard(SAMPLE)}
    some = False
    for number, pair, found in zip(
        dijets.event.tolist(), dijets.jets.columns["eta"].reshape(-1, 2), dijets.further, strict=True
    ):
        jets = sorted(events[number].Jet, key=lambda jet: -jet.pt)
        reference = next(jet for jet in jets[:2] if jet.eta == pair[0])
        probe = next(jet for jet in jets[:2] if jet is not reference)
        along = np.array([np.cos(reference.phi) - np.cos(probe.phi), np.sin(reference.phi) - np.sin(probe.phi)])
        along /= np.hypot(*along)
        asked = np.zeros(2)
        for jet in jets[2:]:
            share = np.array([jet.chHEF, 1.0 - jet.chHEF])
            asked -= jet.pt * share * (along @ [np.cos(jet.phi), np.sin(jet.phi)])
        asked /= (reference.pt + probe.pt) / 2.0
        np.testing.assert_allclose(found, asked, atol=2e-5)
        some |= bool(np.abs(asked).max() > 0.05)
    assert some


def test_a_jet_that_recoils_from_both_is_asked_for_by_hand() -> None:
    """Two jets at 0 and pi, a third of 30 GeV, a third of it charged, at 60 degrees: 15 GeV along the axis."""
    pt, phi = np.array([100.0, 110.0, 30.0, np.nan, 50.0]), np.array([np.pi, 0.0, np.pi / 3, 0.0, 1.0])
    charged = np.array([0.5, 0.5, 1.0 / 3.0, 0.5, 0.5])
    offsets, event = np.array([0, 4, 5]), np.array([0])
    found = further_jets(pt, phi, charged, offsets, event, np.array([[1, 0]]))
    np.testing.assert_allclose(found, [[-5.0 / 105.0, -10.0 / 105.0]])
    np.testing.assert_allclose(further_jets(pt, phi, charged, offsets, event, np.array([[0, 1]])), -found)


def test_features_are_those_of_the_pairs_jets() -> None:
    jets = read(truth=False).jets
    np.testing.assert_allclose(jets.features["jet_features"][:, 0], jets.columns["pt_raw"], rtol=1e-6)
    np.testing.assert_allclose(jets.features["jet_features"][:, 1], jets.columns["eta"], rtol=1e-6)
    offsets = jets.features["charged_offsets"]
    assert len(offsets) == len(jets) + 1
    assert offsets[-1] == len(jets.features["charged_features"])
    sums = np.add.reduceat(jets.features["charged_features"][:, 1], offsets[:-1])
    assert 0.4 < np.median(sums) < 0.8


def test_truth_is_read_only_where_it_is_asked_for() -> None:
    without, known = read(truth=False), read(truth=True)
    for name in ("pt_gen", "eta_gen", "target"):
        assert np.isnan(without.jets.columns[name]).all()
    assert (without.jets.columns["flavour"] == 0).all()
    columns = known.jets.columns
    np.testing.assert_allclose(np.exp(columns["target"]), columns["pt_gen"] / columns["pt_raw"], rtol=1e-5)
    assert 0.9 < np.median(columns["pt_gen"] / columns["pt_raw"]) < 1.3
    assert set(known.event.tolist()) <= set(without.event.tolist())
    assert known.counts["generator jets"] == len(known) <= without.counts["usable constituents"]


def test_files_without_dijets_are_refused(tmp_path: Path) -> None:
    features = FeatureSet.from_names({"jet": ("pt",)})
    tables = factories.jets_of_pt([[50.0], [], [70.0]])
    path = factories.write(tables, tmp_path / "one.root")
    with pytest.raises(InputError, match=r"no event with two jets among 3 of .*one.root: give dijet events"):
        read_dijets([path], features, PT, ETA, truth=False, progress=False)
    path = factories.write(factories.jets_of_pt([[50.0, 49.0, 48.0]]), tmp_path / "three.root")
    with pytest.raises(InputError, match=r"no dijet is left in .*three.root: events after each step .*'two jets': 1"):
        read_dijets([path], features, PT, ETA, truth=False, progress=False)
    assert ak.count(open_shard(path).Jet.pt) == 3
