"""Impact parameters against stepping back along the helix; efficiencies; what is never a track."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.simulate.detector import DETECTOR
from training.simulate.tracker import TRACK_COLUMNS, impact, impact_error, momentum_error, reconstruct_tracks


def nearest(pt: float, eta: float, phi: float, charge: int, x: float, y: float, z: float) -> tuple[float, float]:
    """The twin: the point nearest to the z axis among points every 1e-4 of a turn along the helix."""
    bend = pt / DETECTOR.curvature
    turn = np.linspace(-0.5, 0.5, 200_001)  # of charge * path / bend, in radians
    xc, yc = x + charge * bend * math.sin(phi), y - charge * bend * math.cos(phi)
    start = math.atan2(y - yc, x - xc)
    xs, ys = xc + bend * np.cos(start + turn), yc + bend * np.sin(start + turn)
    best = np.argmin(np.hypot(xs, ys))
    direction = phi + turn[best]
    path = -charge * turn[best] * bend
    d0 = -xs[best] * math.sin(direction) + ys[best] * math.cos(direction)
    return float(d0), z + path * math.sinh(eta)


@pytest.mark.parametrize(
    "case",
    [
        (1.0, 0.0, 0.1, 1, 0.5, 0.2, 0.0),
        (1.0, 0.0, 0.1, -1, 0.5, 0.2, 0.0),
        (3.0, 1.2, math.pi, 1, -4.0, 1.0, 2.0),
        (0.7, -2.0, -math.pi, -1, -3.0, -3.0, -1.0),
        (40.0, 0.5, 1.5, 1, 0.0, 10.0, 5.0),
    ],
)
def test_impact_against_the_nearest_point(case: tuple[float, ...]) -> None:
    d0, dz, _ = impact(*case, DETECTOR.curvature)
    expected = nearest(*case)  # type: ignore[arg-type]
    assert d0 == pytest.approx(expected[0], abs=1e-5)
    assert dz == pytest.approx(expected[1], abs=5e-3)


def test_prompt_tracks_have_no_impact_parameter() -> None:
    d0, dz, phi = impact(2.0, 1.0, 0.7, -1.0, 0.0, 0.0, 0.3, DETECTOR.curvature)
    assert (d0, dz, phi) == pytest.approx((0.0, 0.3, 0.7))


def test_errors_are_those_of_cms() -> None:
    assert momentum_error(10.0, 0.0, DETECTOR) == pytest.approx(0.01, rel=0.25)
    for pt, expected in ((1.0, 75e-4), (10.0, 20e-4), (100.0, 11e-4)):
        assert impact_error(pt, 0.0)[0] == pytest.approx(expected, rel=0.2)


def tracks_of(pt: np.ndarray, eta: np.ndarray, spread: float = 3.0, **columns: np.ndarray) -> np.ndarray:
    n = len(pt)
    zero = np.zeros(n, np.float32)
    phi = np.linspace(-spread, spread, n).astype(np.float32)
    kind = columns.get("kind", np.full(n, 4, np.int8))
    vx = columns.get("vx", zero)
    tracks, hits = reconstruct_tracks(
        np.random.default_rng(3), np.array([0, n]), kind, np.ones(n, np.int8), pt.astype(np.float32),
        eta.astype(np.float32), phi, vx, zero, zero, np.zeros((1, 3)), eta.astype(np.float64),
        phi.astype(np.float64), np.ones(n, np.bool_), DETECTOR,
    )  # fmt: skip
    assert hits.shape == (n, 3)
    return tracks


def test_efficiency_resolution_and_pulls() -> None:
    n = 6000
    tracks = tracks_of(np.full(n, 10.0), np.zeros(n))
    found = tracks[:, 0] > 0
    assert found.mean() < DETECTOR.eff_hard_central + 0.01  # dense: 20 tracks in every cell of phi
    spread = np.subtract(*np.quantile(tracks[found, 0], [0.84, 0.16])) / 2
    assert spread == pytest.approx(10.0 * momentum_error(10.0, 0.0, DETECTOR), rel=0.15)
    tracks = tracks_of(np.full(n, 10.0), np.random.default_rng(2).uniform(-1.4, 1.4, n))
    found = tracks[:, 0] > 0
    pull = np.abs(tracks[found, TRACK_COLUMNS.index("d0")] / tracks[found, TRACK_COLUMNS.index("d0Err")])
    # Secondary tracks lie in the tail; the core is a Gaussian of about one error, wider where tracks are dense.
    assert 0.6 < np.median(pull) < 1.3
    assert np.mean(pull > 5.0) == pytest.approx(DETECTOR.track_secondary * 0.4**0.7, abs=0.03)


def test_hits_and_chi2_are_those_of_pfnano() -> None:
    """Shares in ten public events of PFNano (2017): lost inner hits and the integer part of chi2/ndof."""
    rng = np.random.default_rng(5)
    for pt, first, below_one in ((0.6, 0.81, 0.65), (3.0, 0.75, 0.53), (50.0, 0.76, 0.28)):
        tracks = tracks_of(np.full(8000, pt), rng.uniform(-2.4, 2.4, 8000))
        found = tracks[:, 0] > 0
        lost = hits_of(pt)
        assert np.mean(lost == -1) == pytest.approx(first, abs=0.06)
        assert set(lost) == {-1, 0, 1, 2}
        chi2 = tracks[found, TRACK_COLUMNS.index("chi2")]
        assert np.mean(chi2 < 1.0) == pytest.approx(below_one, abs=0.08)
        error = tracks[found, TRACK_COLUMNS.index("d0Err")]
        assert np.quantile(error, 0.95) > 2.0 * np.median(error)


def hits_of(pt: float) -> np.ndarray:
    """Lost inner hits of tracks of one pT."""
    n = 6000
    eta = np.random.default_rng(6).uniform(-2.4, 2.4, n).astype(np.float32)
    zero = np.zeros(n, np.float32)
    phi = np.linspace(-3.0, 3.0, n).astype(np.float32)
    tracks, hits = reconstruct_tracks(
        np.random.default_rng(7), np.array([0, n]), np.full(n, 4, np.int8), np.ones(n, np.int8),
        np.full(n, pt, np.float32), eta, phi, zero, zero, zero, np.zeros((1, 3)), eta.astype(np.float64),
        phi.astype(np.float64), np.ones(n, np.bool_), DETECTOR,
    )  # fmt: skip
    return hits[tracks[:, 0] > 0, 2]


def test_dense_cores_lose_tracks() -> None:
    n = 4000
    eta = np.random.default_rng(1).uniform(-1.4, 1.4, n)
    apart = tracks_of(np.full(n, 5.0), eta)[:, 0] > 0
    core = tracks_of(np.full(60, 5.0), np.full(60, 0.005), spread=0.005)[:, 0] > 0
    assert apart.mean() == pytest.approx(DETECTOR.eff_hard_central, abs=0.015)
    assert core.mean() < 0.6


def test_no_track_beyond_the_tracker_nor_from_far_out() -> None:
    far = np.full(500, 80.0, np.float32)
    assert not tracks_of(np.full(500, 5.0), np.full(500, 2.6)).any()
    assert not tracks_of(np.full(500, 5.0), np.zeros(500), vx=far).any()
