"""Particle-flow candidates as they are written: their rows, and neutral ones as seen from the vertex."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.detector import Detector

__all__ = ["PION_MASS", "Candidates", "from_vertex", "neutral"]

PION_MASS = 0.13957


class Candidates(NamedTuple):
    """Rows to be filled; see `reconstruct_candidates`."""

    values: NDArray[np.float64]
    pdg: NDArray[np.int32]
    source: NDArray[np.int64]


@njit()
def from_vertex(surface_eta: float, z: float, detector: Detector) -> float:
    """Return the pseudorapidity seen from a vertex at ``z`` (cm) of a point on the calorimeters' surface."""
    slope = math.sinh(surface_eta)
    if abs(slope) * detector.radius < detector.half_length:
        return math.asinh(slope - z / detector.radius)
    return math.asinh((math.copysign(detector.half_length, slope) - z) * abs(slope) / detector.half_length)


@njit()
def neutral(
    energy: float, eta: float, phi: float, fraction: float, z: float, detector: Detector
) -> tuple[float, float, float, float, float]:
    """Return the values of a massless candidate of ``energy`` GeV at (eta, phi) of the surface, seen from ``z`` cm."""
    seen = from_vertex(eta, z, detector)
    return energy / math.cosh(seen), seen, phi, 0.0, fraction
