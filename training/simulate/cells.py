"""The calorimeters' cells and towers: what the deposits of an event add up to, and the tracks that lead there.

HCAL towers of 0.087 x 5 degrees (10 degrees beyond |eta| 1.65), nine ECAL cells of 0.029 x 1.7 degrees in each (about
what CMS separates), forward towers of 0.17 x 10 degrees.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_phi
from coffea_mljec.numerics.jit import njit
from training.simulate.detector import Detector

__all__ = [
    "HF_ETA",
    "HF_PHI",
    "N_ETA",
    "N_PHI",
    "Cells",
    "cell_of",
    "clear",
    "cluster_position",
    "empty_cells",
    "forward_position",
    "forward_tower",
    "from_cell",
    "from_tower",
    "middle_of",
    "tower_of",
    "tower_position",
]

#: Towers in eta and phi; those of the forward calorimeter on one side.
N_ETA, N_PHI = 68, 72
HF_ETA, HF_PHI = 13, 36
_TWO_PI = 2.0 * math.pi


class Cells(NamedTuple):
    """Cells and towers of one event, in arrays that serve all events. Energies in GeV; -1 ends a chain.

    Attributes
    ----------
    ecal : float64 array [9 N_ETA N_PHI, 3]
        Energy of the ECAL's cells, and its sums weighted with the distance in eta and phi from the cell's corner.
    tracked, listed : bool arrays [9 N_ETA N_PHI]
        Whether a track leads to the cell; whether the cell is in its tower's chain.
    next_cell : int64 array [9 N_ETA N_PHI]
    hcal : float64 array [N_ETA N_PHI, 3]
        As ``ecal``, of the HCAL's towers.
    first_cell, first_track : int64 arrays [N_ETA N_PHI]
        Where the chains of a tower's cells and tracks begin.
    next_track : int64 array [n_particles]
    seen : bool array [N_ETA N_PHI]
    towers : int64 array [N_ETA N_PHI]
        Towers that were reached, in the order in which they were.
    forward : float64 array [2 HF_ETA HF_PHI, 2]
        Electromagnetic and hadronic energy of the forward towers.
    """

    ecal: NDArray[np.float64]
    tracked: NDArray[np.bool_]
    listed: NDArray[np.bool_]
    next_cell: NDArray[np.int64]
    hcal: NDArray[np.float64]
    first_cell: NDArray[np.int64]
    first_track: NDArray[np.int64]
    next_track: NDArray[np.int64]
    seen: NDArray[np.bool_]
    towers: NDArray[np.int64]
    forward: NDArray[np.float64]


@njit()
def empty_cells(n_particles: int) -> Cells:
    """Return cells without energy and without tracks."""
    n_towers, n_cells = N_ETA * N_PHI, 9 * N_ETA * N_PHI
    return Cells(
        np.zeros((n_cells, 3)),
        np.zeros(n_cells, np.bool_),
        np.zeros(n_cells, np.bool_),
        np.full(n_cells, -1, np.int64),
        np.zeros((n_towers, 3)),
        np.full(n_towers, -1, np.int64),
        np.full(n_towers, -1, np.int64),
        np.full(n_particles, -1, np.int64),
        np.zeros(n_towers, np.bool_),
        np.empty(n_towers, np.int64),
        np.zeros((2 * HF_ETA * HF_PHI, 2)),
    )


@njit()
def tower_of(i_eta: int, i_phi: int) -> int:
    """Tower number; towers beyond |eta| 1.65 (19 of 34 rings) are twice as wide in phi."""
    if i_eta < 15 or i_eta >= N_ETA - 15:
        i_phi -= i_phi % 2
    return i_eta * N_PHI + i_phi


@njit()
def middle_of(tower: int, detector: Detector) -> float:
    """Return |eta| of a tower's middle."""
    return abs(-detector.hf_eta + (tower // N_PHI + 0.5) * (2.0 * detector.hf_eta / N_ETA))


@njit()
def cell_of(eta: float, phi: float, detector: Detector) -> int:
    """Return the number of the ECAL cell at (eta, phi) of the surface, within the HCAL."""
    width = 2.0 * detector.hf_eta / N_ETA
    i_eta = min(int((eta + detector.hf_eta) / width * 3.0), 3 * N_ETA - 1)
    i_phi = min(int((phi + math.pi) / _TWO_PI * 3.0 * N_PHI), 3 * N_PHI - 1)
    return i_eta * 3 * N_PHI + i_phi


@njit()
def from_cell(eta: float, phi: float, cell: int, detector: Detector) -> tuple[float, float]:
    """Return the distance in eta and phi from a cell's corner."""
    width = 2.0 * detector.hf_eta / N_ETA
    i_eta, i_phi = cell // (3 * N_PHI), cell % (3 * N_PHI)
    return eta + detector.hf_eta - i_eta * width / 3.0, phi + math.pi - i_phi * _TWO_PI / (3 * N_PHI)


@njit()
def from_tower(eta: float, phi: float, tower: int, detector: Detector) -> tuple[float, float]:
    """Return the distance in eta and phi from a tower's corner."""
    width = 2.0 * detector.hf_eta / N_ETA
    i_eta, i_phi = tower // N_PHI, tower % N_PHI
    return eta + detector.hf_eta - i_eta * width, phi + math.pi - i_phi * _TWO_PI / N_PHI


@njit()
def forward_tower(eta: float, phi: float, detector: Detector) -> int:
    """Return the number of the forward tower at (eta, phi) of the surface."""
    width = (detector.edge_eta - detector.hf_eta) / HF_ETA
    ring = min(int((abs(eta) - detector.hf_eta) / width), HF_ETA - 1) + (HF_ETA if eta > 0 else 0)
    return ring * HF_PHI + min(int((phi + math.pi) / _TWO_PI * HF_PHI), HF_PHI - 1)


@njit()
def forward_position(tower: int, detector: Detector) -> tuple[float, float]:
    """Return eta and phi of a forward tower's middle."""
    width = (detector.edge_eta - detector.hf_eta) / HF_ETA
    ring, sector = tower // HF_PHI, tower % HF_PHI
    side = 1.0 if ring >= HF_ETA else -1.0
    eta = side * (detector.hf_eta + (ring % HF_ETA + 0.5) * width)
    return eta, -math.pi + (sector + 0.5) * _TWO_PI / HF_PHI


@njit()
def tower_position(
    energy: float, eta_sum: float, phi_sum: float, tower: int, detector: Detector
) -> tuple[float, float]:
    """Return the mean eta and phi of a tower's energy, which is not 0; phi may lie beyond pi."""
    width = 2.0 * detector.hf_eta / N_ETA
    eta = eta_sum / energy - detector.hf_eta + (tower // N_PHI) * width
    return eta, phi_sum / energy - math.pi + (tower % N_PHI) * _TWO_PI / N_PHI


@njit()
def cluster_position(
    energy: float, eta_sum: float, phi_sum: float, cell: int, detector: Detector
) -> tuple[float, float]:
    """Return the mean eta and phi of an ECAL cell's energy, which is not 0."""
    width = 2.0 * detector.hf_eta / N_ETA
    eta = eta_sum / energy - detector.hf_eta + (cell // (3 * N_PHI)) * width / 3.0
    phi = phi_sum / energy - math.pi + (cell % (3 * N_PHI)) * _TWO_PI / (3 * N_PHI)
    return eta, delta_phi(phi, 0.0)


@njit()
def clear(cells: Cells, n_towers: int) -> None:
    """Empty all that the towers of an event hold, for the next one."""
    ecal, tracked, listed, next_cell, hcal = cells.ecal, cells.tracked, cells.listed, cells.next_cell, cells.hcal
    first_cell, first_track, seen = cells.first_cell, cells.first_track, cells.seen
    for tower in cells.towers[:n_towers]:
        cell = first_cell[tower]
        while cell >= 0:
            ecal[cell, 0], ecal[cell, 1], ecal[cell, 2] = 0.0, 0.0, 0.0
            tracked[cell] = False
            listed[cell] = False
            cell = next_cell[cell]
        hcal[tower, 0], hcal[tower, 1], hcal[tower, 2] = 0.0, 0.0, 0.0
        first_cell[tower] = -1
        first_track[tower] = -1
        seen[tower] = False
    cells.forward[:] = 0.0
