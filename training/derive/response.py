"""The median response as a smooth surface in |eta| and pt_gen.

Medians are taken in small cells, relative to the surface of the pass before, so that a slope within a cell does not
shift them; a penalised spline in |eta| and log(pt_gen) goes through them. Jets of radius 0.4 see the edges of the
detector's parts smeared, so the response has no steps in |eta|; the spline's breaks lie dense where it changes fast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.derive.medians import make_cells, medians
from training.derive.smoothing import Axis, smooth_surface

__all__ = ["ResponseSurface", "fit_response"]

Floats = NDArray[np.float64]

_ETA_BREAKS = np.array([
    0.0, 0.261, 0.522, 0.783, 1.044, 1.218, 1.392, 1.566, 1.74, 1.93, 2.172, 2.322, 2.411, 2.5, 2.575, 2.65, 2.75,
    2.853, 2.91, 2.964, 3.05, 3.139, 3.225, 3.314, 3.489, 3.839, 4.191, 4.538, 4.889, 5.191,
])  # fmt: skip
_PT_EDGES = np.geomspace(8.0, 6500.0, 61)
#: Dense where the response bends: at low pT.
_PT_BREAKS = np.log([
    8.0, 9.5, 11.5, 14.0, 17.0, 21.0, 26.0, 33.0, 43.0, 58.0, 80.0, 115.0, 170.0, 270.0, 450.0, 800.0, 1500.0, 3000.0,
    6500.0,
])  # fmt: skip
_FEWEST = 60.0
_FEWEST_CELLS = 8
_PASSES = 4
_RANGE = (0.1, 2.0)


@dataclass(frozen=True)
class ResponseSurface:
    """Median response as a function of |eta| and pt_gen.

    Attributes
    ----------
    eta_edges : float64 array [n_bins + 1]
    log_pt : float64 array [n_bins, 2]
        Where each bin of |eta| has its first and last cell, in log(pt_gen / GeV): beyond, the response stays constant.
    """

    eta_edges: Floats
    log_pt: Floats
    surface: Callable[[Floats, Floats], Floats]

    def at(self, row: NDArray[np.int64], abs_eta: Floats, pt: Floats) -> Floats:
        """Return the response at |eta| and pt_gen (GeV) of jets in the bins ``row`` of |eta|, arrays [n]."""
        inside = np.clip(np.log(pt), self.log_pt[row, 0], self.log_pt[row, 1])
        return np.clip(self.surface(abs_eta, inside), *_RANGE)

    def curve(self, row: int) -> Callable[[Floats], Floats]:
        """Return the response at the middle of one bin of |eta| as a function of pt_gen."""
        middle = 0.5 * (self.eta_edges[row] + self.eta_edges[row + 1])
        return lambda pt: self.at(np.full(len(pt), row), np.full(len(pt), middle), pt)


def fit_response(
    response: Floats, abs_eta: Floats, abs_eta_gen: Floats, pt_gen: Floats, weight: Floats, eta_edges: Floats
) -> ResponseSurface:
    """Fit the surface.

    The correction is a function of the reconstructed jet's eta, but it is to close at fixed eta of the generator's
    jet. Where the response falls steeply with |eta| the two differ: at low pT, jets that were pulled towards the
    better part of the detector are also those with more pT. So medians are taken in cells of |eta_gen|, of the
    response over the surface at the reconstructed |eta|, and move the surface until they are 1.

    Parameters
    ----------
    response, abs_eta, abs_eta_gen, pt_gen, weight : float64 arrays [n]
        Reconstructed pT / pt_gen with the reconstructed pT that is to be corrected; |eta| of both jets.
    eta_edges : float64 array [n_bins + 1]
        Bins of the correction, within which it does not depend on eta.

    Raises
    ------
    InputError
        If there are too few jets in all, or none at some |eta| (the message says where).
    """
    cells = make_cells(abs_eta_gen, pt_gen, weight, eta_edges, _PT_EDGES, _FEWEST)
    n_bins = len(eta_edges) - 1
    if len(cells) < _FEWEST_CELLS:
        raise InputError(
            f"{len(cells)} cells of |eta| and pt_gen hold {_FEWEST:g} jets each, expected at least {_FEWEST_CELLS}: "
            "simulate more events"
        )
    log_pt = _ranges(cells.row, cells.log_pt, eta_edges)
    kept = np.flatnonzero(cells.group >= 0)
    group, mass, pt = cells.group[kept], weight[kept], pt_gen[kept]
    row = np.clip(np.digitize(abs_eta[kept], eta_edges) - 1, 0, n_bins - 1)
    middle_eta = (0.5 * (eta_edges[1:] + eta_edges[:-1]))[row]
    axes = (Axis(_ETA_BREAKS), Axis(_PT_BREAKS))
    fitted = ResponseSurface(eta_edges, log_pt, lambda eta, pt: np.ones(len(eta)))
    strengths = None
    for _ in range(_PASSES):
        ratio = response[kept] / fitted.at(row, middle_eta, pt)
        middle, error = medians(ratio, mass, group, len(cells))
        before = fitted.at(cells.row, cells.abs_eta, np.exp(cells.log_pt))
        surface, strengths = smooth_surface(
            axes, cells.abs_eta, cells.log_pt, middle * before, error * before, strengths
        )
        fitted = ResponseSurface(eta_edges, log_pt, surface)
    return fitted


def _ranges(row: NDArray[np.int64], log_pt: Floats, eta_edges: Floats) -> Floats:
    """Return the first and the last cell's log(pT) of every bin of |eta|; an empty one takes its neighbour's."""
    n_bins = len(eta_edges) - 1
    ranges = np.full((n_bins, 2), np.nan)
    for number in np.unique(row):
        ranges[number] = log_pt[row == number].min(), log_pt[row == number].max()
    filled = np.flatnonzero(np.isfinite(ranges[:, 0]))
    nearest = filled[np.argmin(np.abs(np.arange(n_bins)[:, None] - filled), axis=1)]
    gap = np.abs(nearest - np.arange(n_bins))
    if gap.max() > _WIDEST_GAP:
        at = int(np.argmax(gap))
        raise InputError(
            f"no bin of |eta| near {eta_edges[at]:g} to {eta_edges[at + 1]:g} holds {_FEWEST:g} jets, expected jets up "
            f"to |eta| = {eta_edges[-1]:g}: simulate more events"
        )
    result: Floats = ranges[nearest]
    return result


_WIDEST_GAP = 3
