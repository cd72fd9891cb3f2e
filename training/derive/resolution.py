"""The resolution of the corrected pT in bins of |eta| and rho, in CMS's form, and scale factors of 1.

sigma is half of the central 68.3 % of pt_corrected / pt_gen over its median: the width that smearing has to reproduce,
whatever the tails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.derive.jets import MatchedJets
from training.derive.level import Level, Row, mirrored
from training.derive.medians import effective, group_quantiles

__all__ = [
    "ETA_EDGES",
    "FORMULA",
    "Resolution",
    "fit_resolution",
    "predicted",
    "resolution_level",
    "scale_factor_level",
]

Floats = NDArray[np.float64]

#: CMS's form, with x = pT: noise (negative: N^2 < 0), stochastic term with its power, constant.
FORMULA = "sqrt([0]*abs([0])/(x*x)+[1]*[1]*pow(x,[3])+[2]*[2])"
ETA_EDGES = np.array([
    0.0, 0.522, 0.783, 1.044, 1.305, 1.653, 1.93, 2.172, 2.322, 2.5, 2.65, 2.853, 2.964, 3.139, 3.489, 3.839, 5.191,
])  # fmt: skip
_RHO_EDGES = np.array([0.0, 8.0, 14.0, 20.0, 26.0, 32.0, 38.0])
_LARGEST_RHO = 200.0
_PT_EDGES = np.geomspace(10.0, 3500.0, 19)
_FEWEST = 30.0
_FEWEST_POINTS = 10
_WIDEST_MARGIN = 0.5
_WIDTH_ERROR = 0.9  # of half the central 68 % of a Gaussian, in sigma / sqrt(n)
_HALF = 0.3413447
# Expected values and widths of N's change per GeV of rho, S, C and the power, where jets say little.
_EXPECTED = np.array([0.9, 0.05, -1.0])
_LOOSE = np.array([0.5, 0.05, 0.3])
_BEAM_ENERGY = 6500.0
#: Up and down of the scale factor within and beyond |eta| 2.5: the size of CMS's uncertainties in Run 2.
_UNCERTAINTY = ((0.0, 2.5, 0.05), (2.5, 5.191, 0.10))


@dataclass(frozen=True)
class Resolution:
    """Parameters in bins of |eta| and rho.

    Attributes
    ----------
    rho_edges : float64 array [n_rho + 1]
    noise : float64 array [n_eta, n_rho]
        N in GeV; negative where N^2 is subtracted.
    stochastic, constant, power : float64 arrays [n_eta]
    pt_range : float64 array [n_eta, 2]
        GeV; beyond, the resolution stays what it is there.
    eta_edges : float64 array [n_eta + 1]
    """

    rho_edges: Floats
    noise: Floats
    stochastic: Floats
    constant: Floats
    power: Floats
    pt_range: Floats
    eta_edges: Floats = field(default_factory=lambda: ETA_EDGES)


def fit_resolution(
    jets: MatchedJets, weight: Floats, corrected: Floats, largest_eta: float = float(ETA_EDGES[-1])
) -> Resolution:
    """Fit the resolution.

    In each bin of |eta| one fit of all rho: pileup adds noise, so N differs from one bin of rho to the next, and S, C
    and the power of pT do not.

    Parameters
    ----------
    jets : MatchedJets
    weight, corrected : float64 arrays [n]
        The pT after the whole correction, in GeV.
    largest_eta : float
        Of the bins.

    Raises
    ------
    InputError
        If a part of the |eta| range has too few jets (a bin with few is widened).
    """
    n_rho, n_pt = len(_RHO_EDGES), len(_PT_EDGES) - 1
    eta_edges = ETA_EDGES[largest_eta >= ETA_EDGES]
    away = np.abs(jets["eta"])
    rho_bin = np.clip(np.digitize(jets["rho"], _RHO_EDGES) - 1, 0, n_rho - 1)
    pt_bin = np.digitize(jets["pt_gen"], _PT_EDGES) - 1
    response = corrected / jets["pt_gen"]
    usable = (pt_bin >= 0) & (pt_bin < n_pt) & (weight > 0)
    parameters, noise, pt_range = [], [], []
    for low, high in pairwise(eta_edges):
        margin = 0.0
        while True:
            rows = np.flatnonzero(usable & (away >= low - margin) & (away < high + margin))
            points = _widths(
                response[rows], weight[rows], rho_bin[rows] * n_pt + pt_bin[rows], n_rho * n_pt, jets["pt_gen"][rows]
            )
            kept = np.flatnonzero(points["count"] >= _FEWEST)
            if len(kept) >= _FEWEST_POINTS:
                break
            margin += 0.05
            if margin > _WIDEST_MARGIN:
                raise InputError(
                    f"near {low:g} < |eta| < {high:g} {len(kept)} bins of rho and pT hold {_FEWEST:g} jets to fit the "
                    f"resolution with, expected at least {_FEWEST_POINTS}: simulate more events"
                )
        solution = _fit(points["pt"][kept], points["width"][kept], points["count"][kept], kept // n_pt)
        noise.append(solution[:n_rho])
        parameters.append(solution[n_rho:])
        pt_range.append((_PT_EDGES[0], min(_PT_EDGES[-1], _BEAM_ENERGY / np.cosh(low))))
    stochastic, constant, power = np.abs(np.array(parameters)).T
    edges = np.append(_RHO_EDGES, _LARGEST_RHO)
    return Resolution(edges, np.array(noise), stochastic, constant, -power, np.array(pt_range), eta_edges)


def _widths(
    response: Floats, weight: Floats, group: NDArray[np.int64], n_groups: int, pt_gen: Floats
) -> dict[str, Floats]:
    low, middle, high = group_quantiles(response, weight, group, n_groups, (0.5 - _HALF, 0.5, 0.5 + _HALF)).T
    mass = np.bincount(group, weight, n_groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "pt": np.bincount(group, weight * pt_gen, n_groups) / mass,
            "width": 0.5 * (high - low) / middle,
            "count": effective(weight, group, n_groups),
        }


def _fit(pt: Floats, width: Floats, count: Floats, rho: NDArray[np.int64]) -> Floats:
    """Return N of every bin of rho (a smooth sequence where jets are few), S, C and the power."""
    from scipy.optimize import least_squares

    n_rho = len(_RHO_EDGES)

    def off(solution: Floats) -> Any:
        noise, rest = solution[:n_rho], solution[n_rho:]
        squared = _squared(pt, noise[rho], *rest)
        # Errors of a logarithm do not depend on the width; a negative square is pushed back by its size.
        fit = 0.5 * np.log(np.maximum(squared, 1e-8)) - np.log(width) + 1e3 * np.minimum(squared, 0.0)
        prior = (rest - _EXPECTED) / _LOOSE
        return np.concatenate([fit * np.sqrt(count) / _WIDTH_ERROR, prior, np.diff(noise, 2) / 1.0])

    start = np.concatenate([np.linspace(2.0, 6.0, n_rho), _EXPECTED])
    solution: Floats = least_squares(off, start, max_nfev=2000).x
    return solution


def _squared(pt: Floats, noise: Floats, stochastic: float, constant: float, power: float) -> Floats:
    result: Floats = noise * np.abs(noise) / pt**2 + stochastic**2 * pt**power + constant**2
    return result


def predicted(resolution: Resolution, abs_eta: Floats, rho: Floats, pt: Floats) -> Floats:
    """Return the resolution as the payload gives it, arrays [n]."""
    row = np.clip(np.digitize(abs_eta, resolution.eta_edges) - 1, 0, len(resolution.eta_edges) - 2)
    column = np.clip(np.digitize(rho, resolution.rho_edges) - 1, 0, len(resolution.rho_edges) - 2)
    x = np.clip(pt, resolution.pt_range[row, 0], resolution.pt_range[row, 1])
    noise = resolution.noise[row, column]
    squared = noise * np.abs(noise) / x**2 + resolution.stochastic[row] ** 2 * x ** resolution.power[row]
    result: Floats = np.sqrt(squared + resolution.constant[row] ** 2)
    return result


def resolution_level(resolution: Resolution) -> Level:
    """Return the payload ``PtResolution``."""
    rows = [
        Row.create(
            [eta_bin, rho_bin], [tuple(resolution.pt_range[i])],
            [resolution.noise[i, k], resolution.stochastic[i], resolution.constant[i], resolution.power[i]],
        )
        for i, eta_bin in enumerate(pairwise(resolution.eta_edges))
        for k, rho_bin in enumerate(pairwise(resolution.rho_edges))
    ]  # fmt: skip
    return Level("PtResolution", "Resolution", ("JetEta", "Rho"), ("JetPt",), FORMULA, mirrored(rows))


def scale_factor_level() -> Level:
    """Return the payload ``SF``: 1, since the sample is its own data, with down and up 5 % apart (10 % from |eta| 2.5).

    The variations are of the size that CMS quotes in Run 2; they are there for analyses to be tried out, not measured.
    """
    rows = [Row.create([(low, high)], (), [1.0, 1.0 - shift, 1.0 + shift]) for low, high, shift in _UNCERTAINTY]
    return Level("SF", "ScaleFactor", ("JetEta",), (), "", mirrored(rows))
