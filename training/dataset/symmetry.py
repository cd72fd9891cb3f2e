"""Turned and mirrored jets: a detector around a solenoid is the same at every azimuth and on both sides.

Every jet of a batch is turned about the beam by an angle of its own. Half of them are mirrored at the transverse plane:
eta and dz change sign; the field along the beam does not. Half are mirrored at a plane that holds the beam. That turns
the field round, and so all charges change sign: tracks bend as before. What is measured relative to the jet stays, but
for azimuths: ``rel_eta`` carries the sign of the jet's eta already. The response to a particle and to its antiparticle
must be the same, as it is nearly in CMS. A detector with dead parts is not symmetric: leave this off.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.features import FeatureSet
from coffea_mljec.numerics.jit import njit

__all__ = ["AZIMUTH", "NO_TRACK", "SIDE", "Columns", "Drawn", "columns_of", "draw", "turn"]

#: Features that change sign with the side of the detector.
SIDE = ("eta", "dz", "track_dz", "track_dz_sig", "jet_minus_eta", "pz")

#: Features that change sign with azimuth and charge.
AZIMUTH = ("dxy", "dxy_sig", "track_dxy", "track_dxy_sig", "rel_phi", "jet_minus_phi", "charge")

#: What dz, dxy and dxy_sig are without track details: no quantity that could change sign.
NO_TRACK = -1.0


class Drawn(NamedTuple):
    """How each of n jets is turned and mirrored: float32 arrays [n]."""

    angle: Any
    side: Any
    azimuth: Any


class Columns(NamedTuple):
    """The columns of one collection that turn, change places, or change sign: each with a value that stays as it is."""

    phi: list[int]
    charges: list[tuple[int, int]]
    side: dict[int, float]
    azimuth: dict[int, float]


def columns_of(names: tuple[str, ...]) -> Columns:
    """Return which of some features turn, which change sign, and which pairs of flags ``id_*`` change places."""
    at = {name: column for column, name in enumerate(names)}
    phi = [at["phi"]] if "phi" in at else []
    pairs = [(at[f"id_-{n}"], at[f"id_{n}"]) for n in (11, 13, 211) if {f"id_-{n}", f"id_{n}"} <= set(at)]
    side, azimuth = (
        {at[name]: NO_TRACK if name in ("dz", "dxy", "dxy_sig") else np.nan for name in group if name in at}
        for group in (SIDE, AZIMUTH)
    )
    return Columns(phi, pairs, side, azimuth)


@njit()
def _turn(rows: Any, offsets: Any, column: int, angle: Any, azimuth: Any) -> None:
    for j in range(len(offsets) - 1):
        for i in range(offsets[j], offsets[j + 1]):
            phi = azimuth[j] * rows[i, column] + angle[j]
            rows[i, column] = phi - 2.0 * np.pi if phi >= np.pi else phi


@njit()
def _change_sign(rows: Any, offsets: Any, column: int, sign: Any, kept: float) -> None:
    for j in range(len(offsets) - 1):
        for i in range(offsets[j], offsets[j + 1]):
            if rows[i, column] != kept:
                rows[i, column] *= sign[j]


@njit()
def _change_places(rows: Any, offsets: Any, first: int, second: int, azimuth: Any) -> None:
    for j in range(len(offsets) - 1):
        if azimuth[j] < 0.0:
            for i in range(offsets[j], offsets[j + 1]):
                rows[i, first], rows[i, second] = rows[i, second], rows[i, first]


def draw(n: int, rng: np.random.Generator) -> Drawn:
    """Return an angle in [0, 2 pi), a side and a sense of azimuth, 1 or -1, for each of n jets."""
    angle = rng.uniform(0.0, 2.0 * np.pi, n).astype(np.float32)
    side, azimuth = (2.0 * rng.integers(0, 2, (2, n)) - 1.0).astype(np.float32)
    return Drawn(angle, side, azimuth)


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
        Of angles, sides and senses of azimuth.
    """
    n = len(arrays["jet_features"])
    drawn = draw(n, rng)
    for collection, names in feature_set.names().items():
        rows = arrays[f"{collection}_features"]
        offsets = np.arange(n + 1) if collection == "jet" else arrays[f"{collection}_offsets"]
        columns = columns_of(names)
        for column in columns.phi:
            _turn(rows, offsets, column, drawn.angle, drawn.azimuth)
        for group, sign in ((columns.side, drawn.side), (columns.azimuth, drawn.azimuth)):
            for column, kept in group.items():
                _change_sign(rows, offsets, column, sign, kept)
        for first, second in columns.charges:
            _change_places(rows, offsets, first, second, drawn.azimuth)
