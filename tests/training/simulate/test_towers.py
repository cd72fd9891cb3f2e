"""The steps of a tower's candidates against twins in plain numpy; the whole is in `test_particleflow`."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from training.simulate.calorimeter import calibrate, hadron_sigma
from training.simulate.cells import N_ETA, N_PHI, empty_cells
from training.simulate.detector import DETECTOR
from training.simulate.towers import _compare, _tower, _track_sums


def number_at(middle: float) -> int:
    """A tower whose middle is nearest to this |eta|."""
    ring = int((middle + DETECTOR.hf_eta) / (2.0 * DETECTOR.hf_eta / N_ETA))
    return ring * N_PHI + 4


@pytest.mark.parametrize(
    ("middle", "where"), [(0.0, ""), (1.4, ""), (1.6, "_forward"), (2.4, "_forward"), (2.6, "_gap"), (2.9, "_gap")]
)
@pytest.mark.parametrize("hadronic", [0.0, 0.3, 40.0])
def test_thresholds_of_a_tower(middle: float, where: str, hadronic: float) -> None:
    tower = _tower(number_at(middle), hadronic, DETECTOR)
    ecal, hcal = (getattr(DETECTOR, f"{part}_threshold{where}") for part in ("ecal", "hcal"))
    assert abs(tower.middle - middle) < 0.1
    assert (tower.tracking, tower.ecal_cut, tower.hcal_cut) == (middle < DETECTOR.tracker_eta, ecal, hcal)
    turn_on = DETECTOR.ecal_turn_on if middle <= DETECTOR.barrel_eta else DETECTOR.ecal_turn_on_forward
    assert tower.ecal_turn_on == turn_on
    assert tower.hadronic == (hadronic if calibrate(hadronic, DETECTOR) >= hcal else 0.0)


def test_sums_of_tracks() -> None:
    """Of towers without, with one and with several tracks, in any order."""
    rng = np.random.default_rng(1)
    tracks = rng.uniform(0.1, 2.0, (8, 9))
    lists = [[], [4], [0, 3, 2, 5], [7, 1]]
    cells = empty_cells(len(tracks))
    for k, listed in enumerate(lists):
        cells.towers[k] = 50 * k
        if listed:
            cells.first_track[50 * k] = listed[0]
        for at, then in pairwise(listed):
            cells.next_track[at] = then
    momentum, variance = _track_sums(len(lists), cells, tracks)
    p = tracks[:, 0] * np.cosh(tracks[:, 1])
    assert momentum == pytest.approx([np.sum(p[listed]) for listed in lists], rel=1e-12)
    assert variance == pytest.approx([np.sum((p * tracks[:, 3])[listed] ** 2) for listed in lists], rel=1e-12)


def twin_compare(momentum: float, variance: float, linked: float, hadronic: float, number: int) -> tuple[float, ...]:
    tower = _tower(number, hadronic, DETECTOR)
    calibrated, sigma = calibrate(linked + tower.hadronic, DETECTOR), hadron_sigma(momentum, tower.middle, DETECTOR)
    total, excess = math.hypot(sigma, math.sqrt(variance)), calibrated - momentum
    if excess > DETECTOR.excess_sigmas * (1.0 + math.exp(-calibrated / DETECTOR.excess_energy)) * total:
        photon = min(excess, linked) if min(excess, linked) > tower.ecal_cut else 0.0
        left = excess - photon
        return photon, left if left > tower.hcal_cut and tower.hadronic > 0.0 else 0.0, 0.0
    if calibrated > 0.0 and (excess > -3.0 * total or variance > sigma**2):
        # The mean of both by inverse variance, less the tracks' momentum, over the tracks' variance.
        mean = np.average([momentum, calibrated], weights=[1.0 / variance, 1.0 / sigma**2])
        return 0.0, 0.0, (mean - momentum) / variance
    return 0.0, 0.0, 0.0


def test_energy_beside_tracks() -> None:
    rng = np.random.default_rng(4)
    seen = np.zeros((2, 3), int)
    for _ in range(500):
        momentum, linked, hadronic = rng.exponential(20.0), rng.exponential(10.0), rng.exponential(15.0)
        linked, hadronic = linked * (rng.random() < 0.7), hadronic * (rng.random() < 0.7)
        variance, number = (momentum * rng.uniform(0.005, 0.5)) ** 2, number_at(rng.uniform(0.0, 2.4))
        tower = _tower(number, hadronic, DETECTOR)
        found = _compare(momentum, variance, linked, tower, DETECTOR)
        assert found == pytest.approx(twin_compare(momentum, variance, linked, hadronic, number), rel=1e-9, abs=1e-12)
        seen[0] += np.array(found) > 0.0
        seen[1] += np.array(found) == 0.0
    assert (seen > 10).all()
