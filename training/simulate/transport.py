"""From the production vertex to the calorimeters' front: straight lines and helices in 3.8 T.

The field fills the cylinder up to the calorimeter surface. Energy loss, multiple scattering and decays in flight of
pions and kaons are lacking; a particle that makes a full turn without reaching an endcap is lost.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.detector import Detector

__all__ = ["propagate"]


@njit()
def _straight(x: float, y: float, ux: float, uy: float, radius: float) -> float:
    """Transverse length from (x, y) along the unit vector (ux, uy) to the circle of ``radius``; 0 if outside."""
    along = x * ux + y * uy
    inside = radius * radius - (x * x + y * y)
    return -along + math.sqrt(along * along + inside) if inside > 0.0 else 0.0


@njit()
def _turn(x: float, y: float, phi: float, bend: float, charge: float, radius: float) -> tuple[float, float, float]:
    """Turning angle (> 0) at which the circle from (x, y) meets ``radius`` (infinite if never), and its centre.

    A positive charge turns clockwise in a field along +z: the centre lies to the right of the direction of flight.
    """
    xc = x + charge * bend * math.sin(phi)
    yc = y - charge * bend * math.cos(phi)
    distance = math.hypot(xc, yc)
    if x * x + y * y >= radius * radius:
        return 0.0, xc, yc
    if distance + bend <= radius or distance == 0.0:
        return math.inf, xc, yc
    cosine = (radius * radius - bend * bend - distance * distance) / (2.0 * bend * distance)
    half = math.acos(min(1.0, max(-1.0, cosine)))
    # Polar angle, seen from the centre, of the start and of the outward direction.
    start = math.atan2(y - yc, x - xc)
    outward = math.atan2(yc, xc)
    # Clockwise for positive charge: angles fall from ``start``; of the two crossings the first one met is taken.
    best = math.inf
    for sign in (-1.0, 1.0):
        change = (start - (outward + sign * half)) * charge
        change -= 2.0 * math.pi * math.floor(change / (2.0 * math.pi))
        best = min(best, change)
    return best, xc, yc


@njit()
def propagate(
    pt: NDArray[np.float32],
    eta: NDArray[np.float32],
    phi: NDArray[np.float32],
    charge: NDArray[np.int8],
    vx: NDArray[np.float32],
    vy: NDArray[np.float32],
    vz: NDArray[np.float32],
    detector: Detector,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return where particles meet the calorimeter surface, as eta and phi seen from the detector's centre.

    Parameters
    ----------
    pt, eta, phi : float arrays [n]
        Momentum at the vertex in GeV.
    charge : int8 array [n]
    vx, vy, vz : float arrays [n]
        Production vertex in cm.
    detector : Detector

    Returns
    -------
    surface_eta, surface_phi : float64 arrays [n]
    reached : bool array [n]
        False for what makes a full turn inside (soft and central).
    """
    n = len(pt)
    surface_eta = np.empty(n)
    surface_phi = np.empty(n)
    reached = np.ones(n, np.bool_)
    for i in range(n):
        x, y, z = float(vx[i]), float(vy[i]), float(vz[i])
        slope = math.sinh(eta[i])
        wall = math.copysign(detector.half_length, slope)
        # Transverse path to the endcap.
        to_end = (wall - z) / slope if slope != 0.0 else math.inf
        to_end = max(to_end, 0.0)
        if charge[i] == 0:
            ux, uy = math.cos(phi[i]), math.sin(phi[i])
            path = min(_straight(x, y, ux, uy, detector.radius), to_end)
            xs, ys = x + path * ux, y + path * uy
        else:
            bend = pt[i] / detector.curvature
            angle, xc, yc = _turn(x, y, phi[i], bend, float(charge[i]), detector.radius)
            path = min(angle * bend, to_end)
            turned = path / bend
            if turned > 2.0 * math.pi:
                reached[i] = False
                surface_eta[i], surface_phi[i] = eta[i], phi[i]
                continue
            at = math.atan2(y - yc, x - xc) - charge[i] * turned
            xs, ys = xc + bend * math.cos(at), yc + bend * math.sin(at)
        zs = z + path * slope
        surface_phi[i] = math.atan2(ys, xs)
        surface_eta[i] = math.asinh(zs / max(math.hypot(xs, ys), 1e-3))
    return surface_eta, surface_phi, reached
