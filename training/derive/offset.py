"""L1FastJet: the pileup under a jet, from rho and its area."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.derive.jets import MatchedJets
from training.derive.level import Level, Row, mirrored
from training.derive.medians import group_quantiles
from training.derive.smoothing import Axis, smooth_curve

__all__ = ["FORMULA", "PT_RANGE", "Offset", "fit_offset", "no_offset", "offset_level", "subtracted"]

Floats = NDArray[np.float64]

#: CMS's form, with x = rho, y = raw pT, z = area.
FORMULA = "max(0.0001,1-(z/y)*([1]*(x-[0])*(1.+[2]*log(y/15.))))"
PT_RANGE = (5.0, 500.0)
#: Bins of |eta| in which the offset is measured; a smooth curve goes through what they say.
_ETA_EDGES = np.array([
    0.0, 0.261, 0.522, 0.783, 1.044, 1.305, 1.479, 1.653, 1.930, 2.172, 2.322, 2.5, 2.65, 2.75, 2.853, 2.964, 3.05,
    3.139, 3.314, 3.489, 3.839, 4.191, 4.538, 4.889, 5.191,
])  # fmt: skip
_PT_GEN = (12.0, 200.0)
_PT_BINS = 12
_GROWTH = (-0.2, 0.3)
_FEWEST = 300
_ROUNDS = 40


@dataclass(frozen=True)
class Offset:
    """Parameters a bin of |eta|: ``rho_0`` (GeV), ``slope`` and ``growth`` with log(pT / 15 GeV), arrays [n_bins]."""

    edges: Floats
    rho_0: Floats
    slope: Floats
    growth: Floats


def rho_without_pileup(jets: MatchedJets) -> float:
    """Return rho at no pileup: the intercept of rho against the number of interactions."""
    if np.ptp(jets.event_n_pu) < 5:
        raise InputError(
            "the number of pileup interactions hardly varies in this sample: the offset needs a range, --pileup 10,70"
        )
    return float(np.polyfit(jets.event_n_pu, jets.event_rho, 1)[1])


def fit_offset(jets: MatchedJets, weight: Floats, edges: Floats) -> Offset:
    """Fit the offset and give its parameters in bins of |eta|.

    At fixed pt_gen the raw pT grows with area x (rho - rho_0); the slope is fitted by least absolute deviations (so
    that tails of the response do not count), in bins of pt_gen with a free response each, 12 to 200 GeV. ``growth`` is
    the change of the slope with log(pT / 15 GeV). It is fitted and smoothed in |eta| first, then the slope with it: a
    step of the offset between two bins would be a step of the response that L2Relative, smooth, could not follow.

    Parameters
    ----------
    jets : MatchedJets
    weight : float64 array [n]
    edges : float64 array [n_bins + 1]
        In |eta|: of the parameters that are returned.

    Raises
    ------
    InputError
        If pileup hardly varies, or a part of the |eta| range has fewer than 300 jets.
    """
    rho_0 = rho_without_pileup(jets)
    away = np.abs(jets["eta"])
    usable = (jets["pt_gen"] > _PT_GEN[0]) & (jets["pt_gen"] < _PT_GEN[1]) & (weight > 0)
    chosen, centres = [], []
    for low, high in pairwise(_ETA_EDGES):
        margin = 0.0
        while len(rows := np.flatnonzero(usable & (away >= low - margin) & (away < high + margin))) < _FEWEST:
            margin += 0.05
            if margin > 0.5:
                raise InputError(
                    f"{len(rows)} jets near {low:g} < |eta| < {high:g} to fit the offset with, expected at least "
                    f"{_FEWEST}: simulate more"
                )
        chosen.append(rows)
        centres.append(float(np.average(away[rows], weights=weight[rows])))
    axis, at = Axis(_ETA_EDGES), 0.5 * (edges[1:] + edges[:-1])
    x = np.array(centres)
    growth, error = np.array([_fit(jets, weight, rows, rho_0, None) for rows in chosen]).T
    curve = smooth_curve(axis, x, np.clip(growth, *_GROWTH), error)
    slope, error = np.array([
        _fit(jets, weight, rows, rho_0, float(value)) for rows, value in zip(chosen, curve(x), strict=True)
    ]).T  # fmt: skip
    slopes = np.maximum(smooth_curve(axis, x, slope, error)(at), 1e-3)
    return Offset(edges, np.full(len(at), rho_0), slopes, np.clip(curve(at), *_GROWTH))


def no_offset(edges: Floats) -> Offset:
    """Return an offset of 0 in bins of |eta|, for jets without pileup."""
    nothing = np.zeros(len(edges) - 1)
    return Offset(edges, nothing, nothing, nothing)


def _fit(
    jets: MatchedJets, weight: Floats, rows: NDArray[np.int64], rho_0: float, growth: float | None
) -> tuple[float, float]:
    """Return growth, or the slope at a given growth, and its error."""
    pt_gen, raw, w = jets["pt_gen"][rows], jets["pt_raw"][rows], weight[rows]
    pileup = jets["area"][rows] * (jets["rho"][rows] - rho_0)
    bins = np.digitize(pt_gen, np.geomspace(*_PT_GEN, _PT_BINS + 1)) - 1
    # The spread of raw pT grows about as its square root.
    scale = np.sqrt(pt_gen)
    columns = np.zeros((len(rows), _PT_BINS + (2 if growth is None else 1)))
    columns[np.arange(len(rows)), np.clip(bins, 0, _PT_BINS - 1)] = pt_gen
    expected, solution = pt_gen + 0.5 * pileup, np.zeros(columns.shape[1])
    mass = w / scale**2
    # What nothing constrains (an empty bin of pt_gen) stays 0.
    ridge = 1e-9 * np.eye(columns.shape[1])
    for _ in range(_ROUNDS):
        before = solution
        # Not the raw pT itself, whose fluctuations would enter both sides.
        logarithm = np.log(np.clip(expected, *PT_RANGE) / 15.0)
        columns[:, _PT_BINS] = pileup if growth is None else pileup * (1.0 + growth * logarithm)
        if growth is None:
            columns[:, _PT_BINS + 1] = pileup * logarithm
        weighted = columns * mass[:, None]
        solution = np.linalg.solve(columns.T @ weighted + ridge, weighted.T @ raw)
        expected = columns @ solution
        left = (raw - expected) / scale
        # Least absolute deviations by reweighting.
        mass = w / np.maximum(np.abs(left), 0.01) / scale**2
        if np.allclose(solution, before, rtol=1e-4, atol=1e-4):
            break
    covariance = _covariance(columns / scale[:, None], left, w)
    slope = float(solution[_PT_BINS])
    if growth is not None:
        return slope, float(np.sqrt(covariance[_PT_BINS, _PT_BINS]))
    slope = max(slope, 1e-3)
    ratio = float(solution[_PT_BINS + 1]) / slope
    gradient = np.zeros(len(solution))
    gradient[_PT_BINS], gradient[_PT_BINS + 1] = -ratio / slope, 1.0 / slope
    return ratio, float(np.sqrt(gradient @ covariance @ gradient))


def _covariance(columns: Floats, left: Floats, weight: Floats) -> Floats:
    """Return the covariance of a fit of least absolute deviations (R. Koenker, Quantile Regression, 2005, ch. 3)."""
    low, high = group_quantiles(left, weight, np.zeros(len(left), np.int64), 1, (0.4, 0.6))[0]
    density = 0.2 / max(high - low, 1e-6)
    bread = np.linalg.pinv(columns.T @ (columns * (density * weight)[:, None]))
    filling = 0.25 * columns.T @ (columns * (weight**2)[:, None])
    result: Floats = bread @ filling @ bread
    return result


def subtracted(jets: MatchedJets, offset: Offset) -> Floats:
    """Return the offset-corrected pT in GeV, as the text file's formula gives it."""
    row = np.clip(np.digitize(np.abs(jets["eta"]), offset.edges) - 1, 0, len(offset.slope) - 1)
    y = np.clip(jets["pt_raw"], *PT_RANGE)
    density = offset.slope[row] * (jets["rho"] - offset.rho_0[row]) * (1.0 + offset.growth[row] * np.log(y / 15.0))
    result: Floats = jets["pt_raw"] * np.maximum(0.0001, 1.0 - jets["area"] / y * density)
    return result


def offset_level(pileup: Offset) -> Level:
    """Return L1FastJet."""
    ranges = [(0.0, 200.0), PT_RANGE, (0.0, 10.0)]
    rows = [
        Row.create([(pileup.edges[i], pileup.edges[i + 1])], ranges, parameters)
        for i, parameters in enumerate(zip(pileup.rho_0, pileup.slope, pileup.growth, strict=True))
    ]
    return Level("L1FastJet", "Correction", ("JetEta",), ("Rho", "JetPt", "JetA"), FORMULA, mirrored(rows))
