"""Hadronic decays in GenPart: copies, radiation, leptons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.validation.mass.decays import ORIGINS, Decays, containing_jets, find_decays, jets_of_quarks

# PDG id, mother.
TOP = [(6, -1), (6, 0), (5, 1), (24, 1), (24, 3), (2, 4), (-1, 4), (21, 1)]
HIGGS = [(21, -1), (25, 0), (25, 1), (5, 2), (-5, 2), (23, 0), (11, 5), (-11, 5)]
GLUONS = [(25, -1), (21, 0), (21, 0), (24, -1), (1, 3), (21, 3), (-2, 3)]
TAU = [(6, -1), (5, 0), (24, 0), (-15, 2), (16, 2)]


def particles(*events: list[tuple[int, int]]) -> ak.Array:
    rng = np.random.default_rng(1)
    rows = [
        [
            {"pdgId": pdg, "genPartIdxMother": mother, "mass": float(i)}
            | {"pt": float(100 + i), "eta": rng.normal(), "phi": rng.normal()}
            for i, (pdg, mother) in enumerate(event)
        ]
        for event in events
    ]
    table = ak.Array(rows) if any(rows) else ak.Array([[{"pdgId": 1}]])[:, :0]
    return ak.Array({"GenPart": table})


def found(*events: list[tuple[int, int]]) -> Decays:
    decays = find_decays(particles(*events))
    assert decays is not None
    return decays


def test_a_top_quark_goes_before_its_boson_and_copies_count_once() -> None:
    decays = found(HIGGS, TOP)
    assert decays.offsets.tolist() == [0, 1, 3]
    assert [ORIGINS[one] for one in decays.origin] == ["H", "top", "W"]
    # Numbers are those of the first copy; radiated gluons are no decay products.
    assert decays.mass.tolist() == [1.0, 0.0, 3.0]
    events = particles(HIGGS, TOP)
    eta = ak.to_numpy(events.GenPart.eta[1])
    assert sorted(decays.eta[1]) == sorted(eta[[2, 5, 6]])
    assert sorted(decays.eta[2, :2]) == sorted(eta[[5, 6]])
    assert np.isnan(decays.eta[2, 2])


def test_gluons_of_higgs_bosons_and_leptonic_decays() -> None:
    decays = found(TAU, GLUONS, [])
    assert decays.offsets.tolist() == [0, 0, 2, 2]
    assert sorted(ORIGINS[one] for one in decays.origin) == ["H", "W"]


def test_events_without_truth() -> None:
    assert find_decays(ak.Array({"Jet": [[1.0]]})) is None
    assert find_decays(ak.Array({"GenPart": [[{"pdgId": 1, "pt": 1.0}]]})) is None


def two_decays() -> Decays:
    none = np.nan
    return Decays(
        np.array([0, 2]), np.array([3, 0]), np.array([500.0, 400.0]), np.array([172.0, 80.0]),
        np.array([[0.0, 0.2, -0.2], [0.2, -0.2, none]]), np.array([[2.6, -3.1, 3.0], [-3.1, 3.0, none]]),
    )  # fmt: skip


def test_a_jet_holds_the_decay_whose_quarks_are_all_inside() -> None:
    """The last jet is too far from the top's first quark, but not from those of its W; phi goes round."""
    eta, phi, offsets = np.array([0.0, 0.0, 0.3]), np.array([3.1, 0.0, -2.8]), np.array([0, 3])
    assert containing_jets(two_decays(), eta, phi, offsets, 0.8).tolist() == [0, -1, 1]


def test_two_jets_of_a_boson() -> None:
    eta, phi, offsets = np.array([0.25, -0.2, 0.21]), np.array([-3.1, 3.05, 3.13]), np.array([0, 3])
    pairs = jets_of_quarks(two_decays(), eta, phi, offsets, 0.2)
    assert pairs.tolist() == [[-1, -1], [0, 1]]
    # One jet cannot be both.
    assert (jets_of_quarks(two_decays(), np.zeros(1), np.array([3.1]), np.array([0, 1]), 0.8) == -1).all()


def test_real_top_pairs(real_data: Path, open_nano: Callable[..., Any]) -> None:
    """Two thirds of the W bosons decay into quarks, and each such W belongs to a top quark."""
    decays = find_decays(open_nano(real_data / "nano" / "nanoaod_v15_tt_mc.root"))
    assert decays is not None
    n = len(decays.offsets) - 1
    counts = {name: int(np.sum(decays.origin == number)) for number, name in enumerate(ORIGINS)}
    assert counts["W"] == pytest.approx(counts["top"], abs=0.05 * n)
    assert counts["top"] > 0.3 * n
    assert np.median(decays.mass[decays.origin == ORIGINS.index("top")]) == pytest.approx(172.5, abs=2.0)
    assert np.median(decays.mass[decays.origin == ORIGINS.index("W")]) == pytest.approx(80.4, abs=1.0)
