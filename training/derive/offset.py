"""L1FastJet: the pileup under a jet, from rho and its area."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.derive.sample import MatchedJets

__all__ = ["FORMULA", "Offset", "fit_offset", "subtracted"]

#: CMS's form, with x = rho, y = raw pT, z = area.
FORMULA = "max(0.0001,1-(z/y)*([1]*(x-[0])*(1.+[2]*log(y/15.))))"
PT_RANGE = (5.0, 500.0)
_PT_GEN = (12.0, 200.0)
_FEWEST = 300
_ROUNDS = 30


@dataclass(frozen=True)
class Offset:
    """Parameters a bin of |eta|: ``rho_0`` (GeV), ``slope`` and ``growth`` with log(pT / 15 GeV), arrays [n_bins]."""

    edges: NDArray[np.float64]
    rho_0: NDArray[np.float64]
    slope: NDArray[np.float64]
    growth: NDArray[np.float64]


def rho_without_pileup(jets: MatchedJets) -> float:
    """Return rho at no pileup: the intercept of rho against the number of interactions."""
    if np.ptp(jets.event_n_pu) < 5:
        raise InputError(
            "the number of pileup interactions hardly varies in this sample: the offset needs a range, --pileup 10,70"
        )
    return float(np.polyfit(jets.event_n_pu, jets.event_rho, 1)[1])


def fit_offset(jets: MatchedJets, weight: NDArray[np.float64], edges: NDArray[np.float64]) -> Offset:
    """Fit the offset in bins of |eta|.

    At fixed pt_gen the raw pT grows with area x (rho - rho_0); the slope is fitted by least absolute deviations (so
    that tails of the response do not count), in bins of pt_gen with a free response each, 12 to 200 GeV. ``growth`` is
    the change of the slope with log(pT / 15 GeV). A bin of |eta| with fewer than 300 jets is widened until it has them.

    Parameters
    ----------
    jets : MatchedJets
    weight : float64 array [n]
    edges : float64 array [n_bins + 1]
        In |eta|.
    """
    rho_0 = rho_without_pileup(jets)
    away = np.abs(jets["eta"])
    usable = (jets["pt_gen"] > _PT_GEN[0]) & (jets["pt_gen"] < _PT_GEN[1]) & (weight > 0)
    if usable.sum() < _FEWEST:
        raise InputError(f"{int(usable.sum())} jets to fit the offset with, expected at least {_FEWEST}: simulate more")
    slopes, growths = [], []
    for low, high in pairwise(edges):
        margin = 0.0
        while (chosen := usable & (away >= low - margin) & (away < high + margin)).sum() < _FEWEST:
            margin += 0.1
        slope, growth = _fit(jets, weight, np.flatnonzero(chosen), rho_0)
        slopes.append(slope)
        growths.append(growth)
    return Offset(edges, np.full(len(slopes), rho_0), np.array(slopes), np.array(growths))


def _fit(
    jets: MatchedJets, weight: NDArray[np.float64], rows: NDArray[np.int64], rho_0: float
) -> tuple[float, float]:
    pt_gen, raw = jets["pt_gen"][rows], jets["pt_raw"][rows]
    pileup = jets["area"][rows] * (jets["rho"][rows] - rho_0)
    pt_edges = np.geomspace(*_PT_GEN, 13)
    group = np.digitize(pt_gen, pt_edges) - 1
    response = (group[:, None] == np.arange(12)) * pt_gen[:, None]
    design = np.column_stack([response, pileup, pileup * np.log(pt_gen / 15.0)])
    # Least absolute deviations by reweighting; the spread of raw pT grows about as its square root.
    scale = np.sqrt(pt_gen)
    root: NDArray[Any] = np.sqrt(weight[rows]) / scale
    solution: NDArray[Any] = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        before = solution
        solution = np.linalg.lstsq(design * root[:, None], raw * root, rcond=None)[0]
        left = np.abs(raw - design @ solution) / scale
        root = np.sqrt(weight[rows] / np.maximum(left, 0.01)) / scale
        if np.allclose(solution, before, rtol=1e-4, atol=1e-4):
            break
    slope = max(float(solution[12]), 1e-3)
    # Beyond +-0.3 the fit follows noise: the slope would change sign within the range of pT.
    return slope, float(np.clip(solution[13] / slope, -0.2, 0.3))


def subtracted(jets: MatchedJets, offset: Offset) -> NDArray[np.float64]:
    """Return the offset-corrected pT in GeV, as the text file's formula gives it."""
    row = np.clip(np.digitize(np.abs(jets["eta"]), offset.edges) - 1, 0, len(offset.slope) - 1)
    y = np.clip(jets["pt_raw"], *PT_RANGE)
    density = offset.slope[row] * (jets["rho"] - offset.rho_0[row]) * (1.0 + offset.growth[row] * np.log(y / 15.0))
    return jets["pt_raw"] * np.maximum(0.0001, 1.0 - jets["area"] / y * density)
