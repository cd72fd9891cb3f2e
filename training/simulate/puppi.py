"""Pileup weights per candidate: PUPPI (Bertolini, Harris, Low, Tran, JHEP 10 (2014) 059), simplified.

alpha_i = ln sum_j (pt_j / dR_ij)^2 over charged candidates of the primary vertex with dR_ij < 0.4 for |eta| < 2.5,
over all candidates beyond. Charged candidates get 1 if the primary vertex is their nearest, else 0. A neutral one
gets the chi2 probability (one degree of freedom) of how far its alpha lies above the median of pileup (central:
charged pileup of the event; forward: all neutral), in units of the width below that median. Simplified: one set of
cuts per region, one iteration, width floors.

``run3`` keeps hard neutral candidates as CMS's tunes since v15 do, and lowers the forward medians. CMS finds those from
charged pileup within |eta| 2 and scales them by 0.90 and 0.75; ours are those of the forward neutrals themselves.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit

__all__ = ["TUNES", "Tune", "puppi_weights"]

_CELL = 0.4
_CONE2 = 0.16
_NO_NEIGHBOUR = -99.0
#: CMS's protection: photons above the first pT within the tracker weigh 1; other neutrals at least as much as they
#: are on the way from the first to the second pT (GeV).
_PROTECTED_ETA = 2.5
_PROTECTED_PT = (20.0, 200.0)


class Tune(NamedTuple):
    """What changed between the runs.

    Attributes
    ----------
    forward_median : float
        Factor on the medians of pileup's alpha beyond the tracker.
    protected : bool
        Whether hard neutral candidates are kept.
    """

    forward_median: float = 1.0
    protected: bool = False


#: Adjusted at |eta| 2.5 to 3: interquartile range over median 0.28 with the tune of Run 2, 0.24 with this
#: one, about 0.14 in CMS.
TUNES = {"run2": Tune(), "run3": Tune(forward_median=0.8, protected=True)}


@njit()
def _alpha(
    start: int,
    stop: int,
    pt: NDArray[np.float64],
    eta: NDArray[np.float64],
    phi: NDArray[np.float64],
    counted: NDArray[np.bool_],
    alpha: NDArray[np.float64],
    wanted: NDArray[np.bool_],
) -> None:
    """Fill ``alpha`` of the wanted candidates of one event from the counted ones, through a grid of cells of 0.4."""
    n_eta, n_phi = 28, 15
    width = 2.0 * math.pi / n_phi
    first = np.full(n_eta * n_phi, -1, np.int64)
    following = np.full(stop - start, -1, np.int64)
    for j in range(start, stop):
        if counted[j]:
            cell = int((eta[j] + 5.6) / _CELL) * n_phi + min(int((phi[j] + math.pi) / width), n_phi - 1)
            following[j - start] = first[cell]
            first[cell] = j
    for i in range(start, stop):
        if not wanted[i]:
            continue
        row, column = int((eta[i] + 5.6) / _CELL), min(int((phi[i] + math.pi) / width), n_phi - 1)
        total = 0.0
        for a in range(max(row - 1, 0), min(row + 2, n_eta)):
            for b in range(column - 1, column + 2):
                j = first[a * n_phi + b % n_phi]
                while j >= 0:
                    d2 = delta_r2(eta[i], phi[i], eta[j], phi[j])
                    if d2 < _CONE2 and j != i:
                        total += pt[j] * pt[j] / max(d2, 1e-4)
                    j = following[j - start]
        alpha[i] = math.log(total) if total > 0.0 else _NO_NEIGHBOUR


@njit()
def _region(eta: float) -> int:
    """0 where the tracker sees, 1 below |eta| 3, 2 beyond."""
    a = abs(eta)
    return 0 if a < 2.5 else (1 if a < 3.0 else 2)


@njit()
def _pileup(
    alpha: NDArray[np.float64], region: NDArray[np.int8], charge: NDArray[np.int32], from_pv: NDArray[np.int32], at: int
) -> tuple[float, float]:
    """Return the median of pileup's alpha in region ``at`` of an event and the width below it; no pileup: width 0."""
    chosen = np.empty(len(alpha))
    m = 0
    for i in range(len(alpha)):
        sample = (charge[i] != 0 and from_pv[i] < 2) if at == 0 else charge[i] == 0
        if region[i] == at and sample and alpha[i] > _NO_NEIGHBOUR:
            chosen[m] = alpha[i]
            m += 1
    if m == 0:
        return 0.0, 0.0
    median = np.median(chosen[:m])
    below, k = 0.0, 0
    for j in range(m):
        if chosen[j] <= median:
            below += (chosen[j] - median) ** 2
            k += 1
    return median, max(math.sqrt(below / k), 0.3)


@njit()
def _neutral_weight(pt: float, alpha: float, median: float, width: float, region: int, n_pv: int) -> float:
    """Weight of a neutral candidate: the chi2 probability of its alpha, 0 below the cut on its weighted pT."""
    if width == 0.0:
        return 1.0
    distance = (alpha - median) / width
    if distance <= 0.0:
        return 0.0
    weight = math.erf(distance / math.sqrt(2.0))
    # CMS' cut on the weighted pT of neutrals grows with the number of vertices.
    base = 0.2 if region == 0 else (0.5 if region == 1 else 1.0)
    slope = 0.015 if region == 0 else (0.03 if region == 1 else 0.05)
    return weight if weight > 0.01 and weight * pt > base + slope * n_pv else 0.0


@njit()
def _protected(pt: float, eta: float, photon: bool, weight: float) -> float:
    """Weight of a neutral candidate that is hard enough to be kept."""
    low, high = _PROTECTED_PT
    if photon and abs(eta) < _PROTECTED_ETA:
        return 1.0 if pt > low else weight
    return max(weight, min((pt - low) / (high - low), 1.0))


@njit()
def puppi_weights(
    offsets: NDArray[np.int64],
    pt: NDArray[np.float64],
    eta: NDArray[np.float64],
    phi: NDArray[np.float64],
    pdg: NDArray[np.int32],
    charge: NDArray[np.int32],
    from_pv: NDArray[np.int32],
    n_pv: NDArray[np.int32],
    tune: Tune,
) -> NDArray[np.float64]:
    """Return the PUPPI weight of every candidate, float64 array [n] within 0 to 1.

    Parameters
    ----------
    offsets : int64 array [n_events + 1]
    pt, eta, phi : float64 arrays [n]
    pdg, charge, from_pv : int32 arrays [n]
    n_pv : int32 array [n_events]
    tune : Tune
    """
    n = len(pt)
    weight = np.zeros(n)
    alpha = np.full(n, _NO_NEIGHBOUR)
    primary = np.zeros(n, np.bool_)
    every = np.zeros(n, np.bool_)
    central = np.zeros(n, np.bool_)
    forward = np.zeros(n, np.bool_)
    region = np.empty(n, np.int8)
    for i in range(n):
        region[i] = _region(eta[i])
        near = region[i] == 0
        primary[i] = near and charge[i] != 0 and from_pv[i] >= 2
        every[i] = abs(eta[i]) > 2.0
        central[i] = near and not primary[i]
        forward[i] = not near
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        _alpha(start, stop, pt, eta, phi, primary, alpha, central)
        _alpha(start, stop, pt, eta, phi, every, alpha, forward)
        for at in range(3):
            median, width = _pileup(alpha[start:stop], region[start:stop], charge[start:stop], from_pv[start:stop], at)
            if at > 0:
                median *= tune.forward_median
            for i in range(start, stop):
                if region[i] != at:
                    continue
                if charge[i] != 0:
                    weight[i] = 1.0 if from_pv[i] >= 2 else 0.0
                else:
                    weight[i] = _neutral_weight(pt[i], alpha[i], median, width, at, n_pv[event])
                    if tune.protected:
                        weight[i] = _protected(pt[i], eta[i], pdg[i] == 22, weight[i])
    return weight
