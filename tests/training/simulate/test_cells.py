"""Cells and towers against twins in plain numpy: which one a place is in, where its energy sits, what is cleared."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_phis
from training.simulate.cells import (
    HF_ETA,
    HF_PHI,
    N_ETA,
    N_PHI,
    cell_of,
    clear,
    cluster_position,
    empty_cells,
    forward_position,
    forward_tower,
    from_cell,
    from_tower,
    middle_of,
    tower_of,
    tower_position,
)
from training.simulate.detector import DETECTOR

WIDTH = 2.0 * DETECTOR.hf_eta / N_ETA
FLOATS = NDArray[np.float64]


def places(n: int = 400) -> tuple[FLOATS, FLOATS]:
    """Anywhere within the HCAL; at its middle, its edges and the seam too."""
    rng = np.random.default_rng(n)
    eta, phi = rng.uniform(-DETECTOR.hf_eta, DETECTOR.hf_eta, n), rng.uniform(-np.pi, np.pi, n)
    eta[:5] = 0.0, -DETECTOR.hf_eta, np.nextafter(DETECTOR.hf_eta, 0.0), DETECTOR.hf_eta, 1e-9
    phi[:5] = np.pi, -np.pi, np.nextafter(np.pi, 0.0), 0.0, -1e-9
    return eta, phi


def twin_cell(eta: FLOATS, phi: FLOATS) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ring and sector of ECAL cells."""
    ring = np.minimum(np.floor((eta + DETECTOR.hf_eta) / WIDTH * 3), 3 * N_ETA - 1).astype(int)
    return ring, np.minimum(np.floor((phi + np.pi) / (2 * np.pi) * 3 * N_PHI), 3 * N_PHI - 1).astype(int)


def test_cells_of_places() -> None:
    eta, phi = places()
    ring, sector = twin_cell(eta, phi)
    assert [cell_of(*place, DETECTOR) for place in zip(eta, phi, strict=True)] == (ring * 3 * N_PHI + sector).tolist()


def test_towers_are_twice_as_wide_in_phi_far_out() -> None:
    ring, sector = np.meshgrid(np.arange(N_ETA), np.arange(N_PHI), indexing="ij")
    middle = np.abs((ring + 0.5) * WIDTH - DETECTOR.hf_eta)
    wide = middle > 1.65
    twin = ring * N_PHI + np.where(wide, sector // 2 * 2, sector)
    found = [tower_of(i, j) for i, j in zip(ring.ravel(), sector.ravel(), strict=True)]
    assert found == twin.ravel().tolist()
    assert [middle_of(tower, DETECTOR) for tower in found] == pytest.approx(middle.ravel().tolist(), abs=1e-12)


def test_positions_are_means_by_energy() -> None:
    """Of deposits in one cell, and in one tower of nine."""
    rng = np.random.default_rng(2)
    for eta_0, phi_0 in zip(*places(40), strict=True):
        ring, sector = (int(one[0]) for one in twin_cell(np.array([eta_0]), np.array([phi_0])))
        cell, tower = ring * 3 * N_PHI + sector, ring // 3 * N_PHI + sector // 3
        energy = rng.exponential(5.0, 6)
        for number, size, corner, position, step in (
            (cell, (WIDTH / 3, 2 * np.pi / (3 * N_PHI)), from_cell, cluster_position, (ring, sector)),
            (tower, (WIDTH, 2 * np.pi / N_PHI), from_tower, tower_position, (ring // 3, sector // 3)),
        ):
            eta = -DETECTOR.hf_eta + (step[0] + rng.random(6)) * size[0]
            phi = -np.pi + (step[1] + rng.random(6)) * size[1]
            away = np.array([corner(*place, number, DETECTOR) for place in zip(eta, phi, strict=True)])
            assert (away >= -1e-12).all()
            assert (away <= np.array(size) + 1e-12).all()
            found = position(energy.sum(), *(energy @ away), number, DETECTOR)
            assert found[0] == pytest.approx(np.average(eta, weights=energy), abs=1e-9)
            assert delta_phis(np.array([found[1]]), np.average(phi, weights=energy)) == pytest.approx(0.0, abs=1e-9)


def test_forward_towers() -> None:
    rng = np.random.default_rng(3)
    low, high = DETECTOR.hf_eta, DETECTOR.edge_eta
    eta, phi = rng.choice([-1.0, 1.0], 500) * rng.uniform(low, high, 500), rng.uniform(-np.pi, np.pi, 500)
    eta[:4], phi[:4] = (low, -low, high, -high), (np.pi, -np.pi, 0.0, np.pi)
    ring = np.minimum((np.abs(eta) - low) / (high - low) * HF_ETA, HF_ETA - 1).astype(int) + HF_ETA * (eta > 0)
    sector = np.minimum((phi + np.pi) / (2 * np.pi) * HF_PHI, HF_PHI - 1).astype(int)
    found = np.array([forward_tower(*place, DETECTOR) for place in zip(eta, phi, strict=True)])
    assert found.tolist() == (ring * HF_PHI + sector).tolist()
    middles = np.array([forward_position(tower, DETECTOR) for tower in found])
    half = 0.5 * (high - low) / HF_ETA, np.pi / HF_PHI
    assert (np.abs(middles - np.stack([eta, phi], axis=1)) <= np.array(half) + 1e-9).all()


@pytest.mark.parametrize("n_towers", [0, 1, 7])
def test_cleared_cells_are_as_new(n_towers: int) -> None:
    cells, fresh = empty_cells(5), empty_cells(5)
    rng = np.random.default_rng(n_towers)
    for k in range(n_towers):
        tower = cells.towers[k] = 100 * k + 3
        cells.hcal[tower] = rng.random(3)
        cells.seen[tower], cells.first_track[tower] = True, k % 5
        for cell in rng.choice(np.arange(9 * 100 * k, 9 * 100 * k + 90), k + 1, replace=False):
            cells.ecal[cell], cells.tracked[cell], cells.listed[cell] = rng.random(3), True, True
            cells.next_cell[cell], cells.first_cell[tower] = cells.first_cell[tower], cell
    cells.forward[:] = rng.random(cells.forward.shape)
    clear(cells, n_towers)
    for name in ("ecal", "tracked", "listed", "hcal", "first_cell", "first_track", "seen", "forward"):
        np.testing.assert_array_equal(getattr(cells, name), getattr(fresh, name), err_msg=name)
