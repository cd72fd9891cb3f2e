"""PUPPI weights against a plain double loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.simulate.puppi import TUNES, puppi_weights


def event(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    charge = np.where(rng.random(n) < 0.5, rng.choice([-1, 1], n), 0)
    eta = rng.uniform(-5.1, 5.1, n)
    charge[np.abs(eta) > 2.5] = 0
    return {
        "pt": rng.exponential(1.0, n) + 0.1, "eta": eta, "phi": rng.uniform(-math.pi, math.pi, n),
        "pdg": np.where(charge == 0, rng.choice([22, 130], n), 211 * charge).astype(np.int32),
        "charge": charge.astype(np.int32), "from_pv": rng.choice([0, 0, 1, 3], n).astype(np.int32),
    }  # fmt: skip


def twin(pt, eta, phi, pdg, charge, from_pv, n_pv, tune="run2"):
    n = len(pt)
    central = np.abs(eta) < 2.5
    primary = central & (charge != 0) & (from_pv >= 2)
    alpha = np.full(n, -99.0)
    for i in range(n):
        counted = primary if central[i] else np.abs(eta) > 2.0
        d2 = (eta - eta[i]) ** 2 + (np.mod(phi - phi[i] + math.pi, 2 * math.pi) - math.pi) ** 2
        near = counted & (d2 < 0.16) & (np.arange(n) != i)
        if near.any():
            alpha[i] = math.log(np.sum(pt[near] ** 2 / np.maximum(d2[near], 1e-4)))
    weight = np.where((charge != 0) & (from_pv >= 2), 1.0, 0.0)
    for low, high, base, slope in ((0.0, 2.5, 0.2, 0.015), (2.5, 3.0, 0.5, 0.03), (3.0, 9.0, 1.0, 0.05)):
        inside = (np.abs(eta) >= low) & (np.abs(eta) < high)
        sample = inside & (alpha > -99) & (((charge != 0) & (from_pv < 2)) if low == 0 else (charge == 0))
        for i in np.flatnonzero(inside & (charge == 0)):
            if not sample.any():
                weight[i] = 1.0
                continue
            median = np.median(alpha[sample])
            below = alpha[sample][alpha[sample] <= median]
            width = max(math.sqrt(np.mean((below - median) ** 2)), 0.3)
            if tune == "run3" and low > 0.0:
                median *= 0.8
            w = math.erf(max(alpha[i] - median, 0.0) / width / math.sqrt(2))
            weight[i] = w if w > 0.01 and w * pt[i] > base + slope * n_pv else 0.0
            if tune == "run3" and pdg[i] == 22 and low == 0.0:
                weight[i] = 1.0 if pt[i] > 20.0 else weight[i]
            elif tune == "run3":
                weight[i] = np.clip((pt[i] - 20.0) / 180.0, weight[i], 1.0)
    return weight


@pytest.mark.parametrize("tune", TUNES)
@pytest.mark.parametrize("n", [1, 2, 40, 700])
def test_against_a_double_loop(n: int, tune: str) -> None:
    first, second = event(n, n), event(n // 2, n + 1)
    # Some that are hard enough to be protected.
    first["pt"][::5] *= 60.0
    columns = [np.concatenate([first[name], second[name]]) for name in first]
    weight = puppi_weights(np.array([0, n, n, n + n // 2]), *columns, np.array([20, 5, 1], np.int32), TUNES[tune])
    assert weight[:n] == pytest.approx(twin(*first.values(), 20, tune), abs=1e-9)
    assert weight[n:] == pytest.approx(twin(*second.values(), 1, tune), abs=1e-9)


def test_across_phi_pi() -> None:
    # A hard charged neighbour beyond phi = pi lifts a neutral over the pileup.
    near = {
        "pt": [50.0, 5.0],
        "eta": [0.0, 0.0],
        "phi": [3.14, -3.14],
        "pdg": [211, 130],
        "charge": [1, 0],
        "from_pv": [3, 1],
    }
    pile = event(300, 9)
    keep = np.abs(pile["eta"]) < 2.4
    pile["from_pv"][:] = 0
    columns = [np.concatenate([np.asarray(near[name]), pile[name][keep]]).astype(pile[name].dtype) for name in pile]
    columns[5][2:12] = 3
    weight = puppi_weights(np.array([0, len(columns[0])]), *columns, np.array([10], np.int32), TUNES["run2"])
    assert weight[1] > 0.9
