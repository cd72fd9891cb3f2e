"""rho against FastJet's own grid estimate, written plainly, and against what is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.batch import Jagged, offsets_of
from training.simulate.rho import grid_rho


def plain_rho(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, mass: np.ndarray) -> float:
    """The same in plain numpy: 18 x 11 cells over |y| < 5."""
    pz, transverse = pt * np.sinh(eta), np.hypot(pt, mass)
    y = np.arcsinh(pz / transverse)
    cells = [np.linspace(-5, 5, 19), np.linspace(0, 2 * np.pi, 12)]
    sums, _, _ = np.histogram2d(y, phi % (2 * np.pi), cells, weights=pt)
    return float(np.median(sums) / (10 / 18 * 2 * np.pi / 11))


def candidates(counts: list[int], seed: int = 1) -> Jagged:
    rng = np.random.default_rng(seed)
    n = sum(counts)
    columns = {
        "pt": rng.exponential(0.7, n) + 0.1, "eta": rng.uniform(-5.3, 5.3, n), "phi": rng.uniform(-np.pi, np.pi, n),
        "mass": rng.choice([0.0, 0.1396], n),
    }  # fmt: skip
    return Jagged(offsets_of(np.array(counts)), columns)


def test_equals_the_plain_one() -> None:
    batch = candidates([1500, 0, 40, 900])
    rho = grid_rho(batch)
    expected = [plain_rho(*(batch.slice(i, i + 1)[c] for c in ("pt", "eta", "phi", "mass"))) for i in range(4)]
    assert rho == pytest.approx(expected, rel=1e-9)
    assert rho[0] > 5
    assert rho[1] == 0
    assert rho[2] == 0  # most cells are empty


def test_equals_fastjet() -> None:
    fastjet = pytest.importorskip("fastjet")
    if not hasattr(fastjet, "GridMedianBackgroundEstimator"):
        pytest.skip("these FastJet bindings have no GridMedianBackgroundEstimator")
    batch = candidates([1200], seed=4)
    particles = []
    for pt, eta, phi, mass in zip(*(batch[c] for c in ("pt", "eta", "phi", "mass")), strict=True):
        p = fastjet.PseudoJet()
        p.reset_PtYPhiM(pt, np.arcsinh(pt * np.sinh(eta) / np.hypot(pt, mass)), phi, mass)
        particles.append(p)
    estimator = fastjet.GridMedianBackgroundEstimator(5.0, 0.55)
    estimator.set_particles(particles)
    assert grid_rho(batch)[0] == pytest.approx(estimator.rho(), rel=0.02)


def test_edges_and_single_precision() -> None:
    """phi = +-pi and y at the very edge fall into a cell or out of the grid, never into another's memory."""
    columns = {
        "pt": np.array([1, 1, 1, 1, 0], "f4"), "eta": np.array([0, 0, 5, -5, 0], "f4"),
        "phi": np.array([np.pi, -np.pi, 0, 0, 0], "f4"), "mass": np.zeros(5, "f4"),
    }  # fmt: skip
    assert grid_rho(Jagged(np.array([0, 5]), columns)) == pytest.approx([0.0])
    # A grid of one cell: rho is the sum over the area.
    one = Jagged(np.array([0, 2]), {name: column[:2] for name, column in columns.items()})
    assert grid_rho(one, max_rapidity=1.0, cell=10.0) == pytest.approx([2.0 / (2.0 * 2 * np.pi)])
