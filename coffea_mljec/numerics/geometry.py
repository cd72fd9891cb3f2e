"""The one delta phi: everything that compares angles calls it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.jit import njit

__all__ = ["delta_phi", "delta_phis", "delta_r2"]

_TWO_PI = 2.0 * math.pi


@njit(inline="always")
def delta_phi(first: float, second: float) -> float:
    """Return ``first - second`` wrapped into [-pi, pi).

    Parameters
    ----------
    first, second : float
        Azimuthal angles in radians.
    """
    difference = first - second
    return difference - _TWO_PI * np.floor((difference + math.pi) / _TWO_PI)


@njit(inline="always")
def delta_r2(eta_1: float, phi_1: float, eta_2: float, phi_2: float) -> float:
    """Return the squared angular distance (delta eta)^2 + (delta phi)^2."""
    d_eta = eta_1 - eta_2
    d_phi = delta_phi(phi_1, phi_2)
    return d_eta * d_eta + d_phi * d_phi


delta_phis: Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[np.float64]] = getattr(
    delta_phi, "py_func", delta_phi
)
"""`delta_phi` of arrays, element by element: the same code, not compiled."""
