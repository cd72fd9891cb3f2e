"""The event's pileup density: the median transverse momentum of a grid of cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.batch import Jagged

__all__ = ["CELL", "MAX_RAPIDITY", "grid_rho"]

#: CMSSW's ``fixedGridRhoFastjetAll``: cells of about this size, up to this rapidity.
CELL = 0.55
MAX_RAPIDITY = 5.0


@njit()
def _grid_medians(
    pt: NDArray[np.floating],
    eta: NDArray[np.floating],
    phi: NDArray[np.floating],
    mass: NDArray[np.floating],
    offsets: NDArray[np.int64],
    max_rapidity: float,
    cell: float,
) -> NDArray[np.float64]:
    n_y = max(1, int(2.0 * max_rapidity / cell + 0.5))
    n_phi = max(1, int(2.0 * math.pi / cell + 0.5))
    d_y = 2.0 * max_rapidity / n_y
    d_phi = 2.0 * math.pi / n_phi
    rho = np.zeros(len(offsets) - 1)
    sums = np.empty(n_y * n_phi)
    for event in range(len(offsets) - 1):
        sums[:] = 0.0
        for i in range(offsets[event], offsets[event + 1]):
            p_t = float(pt[i])
            if p_t <= 0.0:
                continue
            # Rapidity from pseudorapidity and mass: y = asinh(pz / mT).
            y = math.asinh(p_t * math.sinh(float(eta[i])) / math.sqrt(p_t * p_t + float(mass[i]) ** 2))
            row = math.floor((y + max_rapidity) / d_y)
            if row < 0 or row >= n_y:
                continue
            turned = float(phi[i]) / d_phi
            column = math.floor(turned) % n_phi
            sums[row * n_phi + column] += p_t
        rho[event] = np.median(sums) / (d_y * d_phi)
    return rho


def grid_rho(candidates: Jagged, max_rapidity: float = MAX_RAPIDITY, cell: float = CELL) -> NDArray[np.float64]:
    """Return rho of each event in GeV a unit of (rapidity, phi) area.

    As FastJet's ``GridMedianBackgroundEstimator`` (manual, section 8.1.2, arXiv:1111.6097) with CMSSW's settings, but
    in numba and on all events at once: cells of equal size, the scalar sum of transverse momenta in each, the median
    over all cells (empty ones count) divided by a cell's area.

    Parameters
    ----------
    candidates : Jagged
        Columns ``pt eta phi mass``: all particle-flow candidates, pileup's too, before anything is removed.
    max_rapidity, cell : float
        Extent of the grid and the wanted size of its cells; the size is rounded so that the cells tile the range.

    Returns
    -------
    float64 array [n_events]
        0 for an event without candidates.
    """
    columns = (candidates[name] for name in ("pt", "eta", "phi", "mass"))
    rho: NDArray[np.float64] = _grid_medians(*columns, candidates.offsets, max_rapidity, cell)
    return rho
