"""The mass of a jet's subjets, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.numerics.subjets import masses_of_subjets


def mass_of(rows: list[tuple[float, float, float, float]]) -> float:
    pt, eta, phi, mass = np.array(rows).T
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2).sum()
    return float(np.sqrt(energy**2 - px.sum() ** 2 - py.sum() ** 2 - pz.sum() ** 2))


def test_subjets_belong_to_the_nearest_jet_of_their_event() -> None:
    # Event 0: two jets across phi = pi; event 1 none; event 2: one jet, and a subjet too far away.
    eta, phi, offsets = np.array([0.0, 1.2, 0.5]), np.array([3.1, -3.1, 0.0]), np.array([0, 2, 2, 3])
    subjets = [
        (200.0, 0.1, -3.1, 10.0), (100.0, -0.3, 3.0, 5.0), (80.0, 1.3, 3.1, 4.0), (60.0, 0.0, 0.0, 1.0),
        (50.0, 0.5, 0.3, 2.0), (40.0, 0.4, -0.3, 0.0), (30.0, 0.5, 1.0, 0.0),
    ]  # fmt: skip
    sub = np.array(subjets).T
    found = masses_of_subjets(eta, phi, offsets, *sub, np.array([0, 3, 4, 7]), 0.8)
    assert found == pytest.approx([mass_of(subjets[:2]), mass_of(subjets[2:3]), mass_of(subjets[4:6])], rel=1e-9)
    assert found[1] == pytest.approx(4.0, rel=1e-6)


def test_jets_without_subjets_have_no_mass() -> None:
    none = np.zeros(0)
    found = masses_of_subjets(
        np.zeros(2), np.zeros(2), np.array([0, 2]), none, none, none, none, np.zeros(2, np.int64), 0.8
    )
    assert np.isnan(found).all()


def test_a_light_subjet_of_high_momentum_keeps_its_mass_in_single_precision() -> None:
    columns = [np.array([value], np.float32) for value in (2500.0, 1.7, 1.0, 2.0)]
    one = np.array([0, 1])
    assert masses_of_subjets(columns[1], columns[2], one, *columns, one, 0.8) == pytest.approx([2.0], rel=1e-4)
