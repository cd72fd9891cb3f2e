"""The mass of each jet's subjets: the soft-drop mass of generator jets, which NanoAOD does not store."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit

__all__ = ["masses_of_subjets"]

Floats = npt.NDArray[np.floating]


@njit()
def masses_of_subjets(
    eta: Floats,
    phi: Floats,
    offsets: npt.NDArray[np.int64],
    sub_pt: Floats,
    sub_eta: Floats,
    sub_phi: Floats,
    sub_mass: Floats,
    sub_offsets: npt.NDArray[np.int64],
    radius: float,
) -> npt.NDArray[np.float64]:
    """Return the mass of all subjets that lie nearest to a jet, and within its radius.

    Parameters
    ----------
    eta, phi : float arrays [n_jets]
        Jets, grouped by ``offsets`` [n_events + 1].
    sub_pt, sub_eta, sub_phi, sub_mass : float arrays [n_subjets]
        Subjets (GeV), grouped by ``sub_offsets`` [n_events + 1].
    radius : float

    Returns
    -------
    float64 array [n_jets]
        In GeV; NaN for jets without a subjet.
    """
    total = np.zeros((len(eta), 4))
    for event in range(len(offsets) - 1):
        for i in range(sub_offsets[event], sub_offsets[event + 1]):
            nearest, best = -1, radius * radius
            for j in range(offsets[event], offsets[event + 1]):
                distance = delta_r2(eta[j], phi[j], sub_eta[i], sub_phi[i])
                if distance < best:
                    nearest, best = j, distance
            if nearest >= 0:
                # In double precision: energy and momentum of a boosted subjet are almost the same.
                pt, angle = np.float64(sub_pt[i]), np.float64(sub_phi[i])
                px, py = pt * math.cos(angle), pt * math.sin(angle)
                pz, own = pt * math.sinh(np.float64(sub_eta[i])), np.float64(sub_mass[i])
                total[nearest, 0] += px
                total[nearest, 1] += py
                total[nearest, 2] += pz
                total[nearest, 3] += math.sqrt(px * px + py * py + pz * pz + own * own)
    mass = np.full(len(eta), np.nan)
    for j in range(len(eta)):
        if total[j, 3] > 0.0:
            square = total[j, 3] ** 2 - total[j, 0] ** 2 - total[j, 1] ** 2 - total[j, 2] ** 2
            mass[j] = math.sqrt(max(0.0, square))
    return mass
