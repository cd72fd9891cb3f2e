"""Jets of a toy detector whose offset, response and resolution are known."""

from __future__ import annotations

import numpy as np

from training.derive.jets import MatchedJets

RHO_0 = 1.5


def true_response(pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    away = 1.0 / (1.0 + np.exp(-(np.abs(eta) - 2.6) / 0.1))
    return (1.0 - 0.35 * np.power(pt, -0.25)) * (1.0 - 0.08 * away)


def true_slope(eta: np.ndarray) -> np.ndarray:
    return 0.5 + 0.1 * np.minimum(np.abs(eta), 3.0)


def resolution(pt: np.ndarray) -> np.ndarray:
    return np.sqrt(0.04**2 + 0.7**2 / pt)


def toy(seed: int, n: int = 120_000) -> MatchedJets:
    rng = np.random.default_rng(seed)
    eta = rng.uniform(-5.19, 5.19, n)
    pt = np.exp(rng.uniform(np.log(8.0), np.log(np.minimum(3000.0, 6000.0 / np.cosh(eta)))))
    n_pu = rng.poisson(rng.uniform(10, 60, n)).astype(float)
    rho = np.maximum(0.0, RHO_0 + 0.65 * n_pu + rng.normal(0, 1.5, n))
    area = rng.normal(0.5, 0.03, n)
    offset = true_slope(eta) * area * (rho - RHO_0)
    raw = true_response(pt, eta) * pt * np.exp(rng.normal(0.0, 1.0, n) * resolution(pt)) + offset
    return MatchedJets(
        {
            "pt_raw": np.maximum(raw, 0.5), "eta": eta, "area": area, "rho": rho, "pt_gen": pt, "eta_gen": eta,
            "weight": np.ones(n), "flavour": np.full(n, 21.0), "process": np.zeros(n), "event": np.arange(n) * 1.0,
        },
        rho, n_pu,
    )  # fmt: skip
