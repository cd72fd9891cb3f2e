"""Turned and mirrored jets: a detector around a solenoid is the same at every azimuth and on both sides.

Every jet of a batch is turned about the beam by an angle of its own, and half of them are mirrored at the transverse
plane (eta and dz change sign; the field along the beam does not). What is measured relative to the jet stays:
``rel_eta`` carries the sign of the jet's eta already. A detector with dead parts is not symmetric: leave this off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.features import FeatureSet
from coffea_mljec.numerics.jit import njit

__all__ = ["MIRRORED", "draw", "turn"]

#: Features that change sign with the side of the detector.
MIRRORED = ("eta", "dz")


@njit()
def _turn(rows: Any, offsets: Any, column: int, angle: Any) -> None:
    for j in range(len(offsets) - 1):
        for i in range(offsets[j], offsets[j + 1]):
            phi = rows[i, column] + angle[j]
            rows[i, column] = phi - 2.0 * np.pi if phi >= np.pi else phi


@njit()
def _mirror(rows: Any, offsets: Any, column: int, sign: Any) -> None:
    for j in range(len(offsets) - 1):
        for i in range(offsets[j], offsets[j + 1]):
            rows[i, column] *= sign[j]


def draw(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return an angle in [0, 2 pi) and a side, 1 or -1, for each of n jets: float32 arrays [n]."""
    angle = rng.uniform(0.0, 2.0 * np.pi, n).astype(np.float32)
    return angle, (2.0 * rng.integers(0, 2, n) - 1.0).astype(np.float32)


def turn(arrays: dict[str, NDArray[Any]], feature_set: FeatureSet, rng: np.random.Generator) -> None:
    """Turn and mirror the jets of a batch, in place.

    Parameters
    ----------
    arrays : dict of str to array
        ``jet_features`` [n, F] and per collection ``c_features`` [N, F_c] and ``c_offsets`` [n + 1]: arrays of this
        batch alone. Angles lie in [-pi, pi).
    feature_set : FeatureSet
        Names of the columns.
    rng : Generator
        Of angles and sides.
    """
    n = len(arrays["jet_features"])
    angle, sign = draw(n, rng)
    for collection, names in feature_set.names().items():
        rows = arrays[f"{collection}_features"]
        offsets = np.arange(n + 1) if collection == "jet" else arrays[f"{collection}_offsets"]
        for column, name in enumerate(names):
            if name == "phi":
                _turn(rows, offsets, column, angle)
            elif name in MIRRORED:
                _mirror(rows, offsets, column, sign)
