"""Functions of a user's own features, as an analysis has them in a module."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, Any]


def scaled_pt(pt: Array, jet_pt: Array) -> Array:
    return np.sqrt(pt / jet_pt)


@numba.njit
def compiled(pt: Array, eta: Array) -> Array:
    out = np.empty(len(pt), np.float32)
    for i in range(len(pt)):
        out[i] = pt[i] if abs(eta[i]) < 1.5 else -1.0
    return out


def plain(value: Array) -> Array:
    return value


class Owner:
    @staticmethod
    def doubled(value: Array) -> Array:
        return 2 * value
