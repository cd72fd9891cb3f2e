"""The density in generator pT and eta that the networks are trained on, and its integral over a grid of cells.

h(pt, eta) = 1 / (cosh(p / p_ref) cosh(eta)) with p = pt cosh(eta) of the generator jet: flat at low pT, steeply falling
above p_ref, the same for every flavour. Source: reference thesis, section 6.1 (the downsampling of overpopulated
regions); ``docs/explanation/physics.md``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Edges", "cell_edges", "cells_of", "target_density", "target_in_cells"]

Floats = NDArray[np.float64]

Edges = tuple[Floats, Floats]
"""Edges of the cells in log(pt / GeV) and in |eta|."""


def target_density(
    pt: NDArray[np.floating], eta: NDArray[np.floating], p_ref: float = 500.0, pt_power: float = 0.0
) -> Floats:
    """Return h(pt, eta) / pt**pt_power, not normalised; pt in GeV."""
    pt = np.asarray(pt, np.float64)
    momentum = pt * np.cosh(eta)
    # Beyond 700 the hyperbolic cosine overflows; the density is nil long before.
    density: Floats = 1.0 / (np.cosh(np.minimum(momentum / p_ref, 700.0)) * np.cosh(eta) * pt**pt_power)
    return density


def cell_edges(pt: Floats, abs_eta: Floats, pt_bins: int, eta_bins: int) -> Edges:
    """Return the edges of equal bins in log(pt), over the range that is there, and in |eta| from 0."""
    low, high = np.log(pt.min()), np.log(pt.max())
    if high <= low:
        high = low + 1e-6
    return np.linspace(low, high, pt_bins + 1), np.linspace(0.0, max(abs_eta.max(), 1e-6), eta_bins + 1)


def cells_of(pt: Floats, abs_eta: Floats, edges: Edges) -> NDArray[np.int64]:
    """Return the number of each jet's cell, row by row in pt."""
    n_pt, n_eta = len(edges[0]) - 1, len(edges[1]) - 1
    i = np.clip(np.searchsorted(edges[0], np.log(pt), side="right") - 1, 0, n_pt - 1)
    j = np.clip(np.searchsorted(edges[1], abs_eta, side="right") - 1, 0, n_eta - 1)
    return i * n_eta + j


def target_in_cells(edges: Edges, p_ref: float, pt_power: float, steps: int = 8) -> Floats:
    """Return the integral of h / pt**pt_power over each cell, flat, up to a common factor.

    Midpoints of ``steps`` x ``steps`` parts of a cell; d(pt) = pt d(log pt).
    """

    def midpoints(edge: Floats) -> Floats:
        inside = (np.arange(steps) + 0.5) / steps
        return (edge[:-1, None] + np.diff(edge)[:, None] * inside).reshape(-1)

    pt, eta = np.exp(midpoints(edges[0])), midpoints(edges[1])
    fine = target_density(pt[:, None], eta[None, :], p_ref, pt_power) * pt[:, None]
    cells = fine.reshape(len(edges[0]) - 1, steps, len(edges[1]) - 1, steps).sum(axis=(1, 3))
    return cells.reshape(-1)
