"""The momentum of each jet's constituents together: enough to tell whether they are all there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.jit import njit

__all__ = ["constituent_sums"]

Index = npt.NDArray[np.int64]

_ROWS = 256
"""Constituents that are added up at a time, so that they stay in the cache."""

_TURN = 2.0 * math.pi

_FARTHEST_ETA = 90.0
"""No particle is there, and sinh overflows in 32 bits."""


def constituent_sums(
    index: Index,
    offsets: Index,
    pt: npt.NDArray[Any],
    eta: npt.NDArray[Any],
    phi: npt.NDArray[Any],
) -> npt.NDArray[np.float64]:
    """Return ``(px, py, pz)`` of the sum of each jet's constituents, shape (n_jets, 3), in GeV.

    Right to 1e-6 of the constituents' momenta for |eta| below 10 and |phi| below 1e6; NaN where an angle is NaN or phi
    infinite. A larger |eta| counts as `_FARTHEST_ETA` at most, where no jet is.
    """
    sums = np.zeros((len(offsets) - 1, 3), np.float64)
    _add_up(index, offsets, pt, eta, phi, *np.empty((3, _ROWS)), sums)
    return sums


@njit()
def _add_up(
    index: Index,
    offsets: Index,
    pt: npt.NDArray[Any],
    eta: npt.NDArray[Any],
    phi: npt.NDArray[Any],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    z: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
) -> None:
    """Add to the sums, some rows at a time: gathered, turned into momenta, and given to their jets."""
    jet = 0
    for first in range(0, len(index), len(x)):
        n_rows = min(len(x), len(index) - first)
        for i in range(n_rows):
            row = np.uint64(index[first + i])
            x[i] = pt[row]
            y[i] = phi[row]
            z[i] = eta[row]
        for i in range(n_rows):  # without branches and calls: several constituents at a time
            momentum = x[i]
            cosine, sine = _direction(y[i])
            x[i] = momentum * cosine
            y[i] = momentum * sine
            z[i] = momentum * _sinh(z[i])
        begin = 0
        while begin < n_rows:
            while offsets[jet + 1] <= first + begin:
                jet += 1
            end = min(offsets[jet + 1] - first, n_rows)
            px, py, pz = 0.0, 0.0, 0.0
            for i in range(begin, end):
                px += x[i]
                py += y[i]
                pz += z[i]
            sums[jet, 0] += px
            sums[jet, 1] += py
            sums[jet, 2] += pz
            begin = end


@njit(inline="always")
def _direction(phi: float) -> tuple[float, float]:
    """(cos phi, sin phi), to 1e-7: of a quarter of the angle by their series, whose angle is then doubled twice."""
    x = 0.25 * (phi - _TURN * np.floor(phi * (1 / _TURN) + 0.5))
    x2 = x * x
    sine = x * (1 - x2 * (1 / 6 - x2 * (1 / 120 - x2 * (1 / 5040 - x2 * (1 / 362880)))))
    cosine = 1 - x2 * (1 / 2 - x2 * (1 / 24 - x2 * (1 / 720 - x2 * (1 / 40320))))
    double_sine = 2 * sine * cosine
    double_cosine = 1 - 2 * sine * sine
    return 1 - 2 * double_sine * double_sine, 2 * double_sine * double_cosine


@njit(inline="always")
def _sinh(eta: float) -> float:
    """sinh eta, to 1e-9 for |eta| < 10: exp(eta / 256) by its series, squared eight times."""
    bounded = _FARTHEST_ETA if eta > _FARTHEST_ETA else eta  # a NaN stays one
    bounded = -_FARTHEST_ETA if bounded < -_FARTHEST_ETA else bounded
    x = bounded / 256
    power = 1 + x * (1 + x * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720))))))
    for _ in range(8):
        power *= power
    return 0.5 * (power - 1 / power)
