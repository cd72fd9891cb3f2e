"""The numba kernels behind the features: pure functions on flat tables, gathered by index and grouped by offsets.

Jets without constituents have no rows in the constituents' matrices, and shapes of 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.geometry import delta_phi
from coffea_mljec.numerics.jit import njit

__all__ = [
    "ETA",
    "FLAGGED",
    "MOMENTS",
    "PHI",
    "PLAIN",
    "PT",
    "RATIO",
    "add_moments",
    "fill_rows",
    "gather",
    "jet_shapes",
]

Array = npt.NDArray[Any]
Index = npt.NDArray[np.int64]

MULTIPLICITY_MIN_PT = 1.0
"""A constituent counts towards the multiplicity above this pT in GeV."""

PT, ETA, PHI = 0, 1, 2
"""Rows of the coordinates of jets, and of constituents in `add_moments`; kinds of columns relative to the jet."""

PLAIN, RATIO = 3, 4
"""Other kinds of columns of `fill_rows`."""

FLAGGED = 256
"""One-hot features compare with whole numbers below this in size."""

_ROWS = 256
"""Rows that are filled at a time: 23 kB of features, which stay in the cache."""

MOMENTS = 8
"""Sums that the shapes of a jet are made from (`add_moments`)."""


@njit()
def gather(table: Array, index: Index, low: float, high: float, out: Array) -> np.bool_:
    """``out[i] = table[index[i]]``, in single precision; return whether all of them are numbers from low to high."""
    inside: np.bool_ = np.bool_(True)
    least, most = np.float32(low), np.float32(high)
    for row in range(len(index)):
        value = np.float32(table[np.uint64(index[row])])
        out[row] = value
        inside &= (value >= least) & (value <= most)
    return inside


@njit()
def fill_rows(values: Array, offsets: Index, jets: Array, columns: Index, flags: Index, out: Array) -> None:
    """Fill the rows of a collection's features, some at a time, so that they stay in the cache.

    Parameters
    ----------
    values : float32 array, shape (Q, N)
        Quantities of the constituents, gathered.
    offsets : int64 array, shape (n + 1,)
        Jet j has the rows ``offsets[j]:offsets[j + 1]``.
    jets : float32 array, shape (3, n)
        Raw pT (GeV), eta, phi of the jets, in the rows `PT`, `ETA`, `PHI`.
    columns : int64 array, shape (any, 4)
        (kind, column, quantity, error). `PLAIN`: the quantity as it is. `RATIO`: quantity over error; -1 (the file's
        own mark for "no track details") where the error is not positive. `PT`: pt_i / pt_jet. `ETA`:
        sgn(eta_jet) (eta_i - eta_jet), with sgn(0) = 0. `PHI`: phi_i - phi_jet, wrapped into [-pi, pi).
    flags : int64 array, shape (any, 1 + 2 `FLAGGED`)
        (quantity, column of the value -`FLAGGED`, ... of `FLAGGED` - 1; -1 where it has none): 1 in the column of the
        quantity's value, 0 in the columns of others.
    out : float32 array, shape (N, F)
        Filled, with zeros in columns that are not named above; a column is named at most once.
    """
    own = np.empty((4, _ROWS), np.float32)
    jet = 0
    for begin in range(0, len(out), _ROWS):
        rows = out[begin : begin + _ROWS]
        end = begin + len(rows)
        for row in range(begin, end):
            while offsets[jet + 1] <= row:
                jet += 1
            for i in range(3):
                own[i, row - begin] = jets[i, jet]
        for row in range(len(rows)):
            for column in range(rows.shape[1]):
                rows[row, column] = 0.0
        for i in range(len(columns)):
            kind, column = columns[i, 0], columns[i, 1]
            quantity, made = values[columns[i, 2], begin:end], own[3]
            if kind == PLAIN:
                made = quantity
            elif kind == RATIO:
                error = values[columns[i, 3], begin:end]
                for row in range(len(rows)):
                    made[row] = quantity[row] / error[row] if error[row] > 0.0 else -1.0
            elif kind == PT:
                for row in range(len(rows)):
                    made[row] = quantity[row] / own[PT, row]
            elif kind == ETA:
                for row in range(len(rows)):
                    made[row] = np.sign(own[ETA, row]) * (quantity[row] - own[ETA, row])
            else:
                for row in range(len(rows)):
                    made[row] = delta_phi(float(quantity[row]), float(own[PHI, row]))
            for row in range(len(rows)):
                rows[row, column] = made[row]
        for i in range(len(flags)):
            quantity = values[flags[i, 0], begin:end]
            for row in range(len(rows)):
                value = quantity[row]
                if -FLAGGED <= value < FLAGGED:
                    number = int(value)
                    column = flags[i, 1 + FLAGGED + number]
                    if column >= 0 and number == value:
                        rows[row, column] = 1.0


@njit()
def add_moments(values: Array, offsets: Index, jets: Array, moments: npt.NDArray[np.float64]) -> None:
    """Add what `jet_shapes` needs of some of the jets' constituents.

    Parameters
    ----------
    values : float32 array, shape (at least 3, N)
        pT (GeV), eta, phi of the constituents, in the rows `PT`, `ETA`, `PHI`.
    offsets : int64 array, shape (n + 1,)
    jets : float32 array, shape (3, n)
        As of `fill_rows`.
    moments : float64 array, shape (n, `MOMENTS`)
        The number of constituents above `MULTIPLICITY_MIN_PT`, and the sums of pt, w = pt^2, w x, w y, w x^2, w y^2,
        w x y, with x and y the differences in eta and phi to the jet. Zeros before the first constituents.
    """
    for jet in range(len(offsets) - 1):
        eta, phi = jets[ETA, jet], jets[PHI, jet]
        count, sum_pt, sum_w, w_x = moments[jet, 0], moments[jet, 1], moments[jet, 2], moments[jet, 3]
        w_y, w_xx, w_yy, w_xy = moments[jet, 4], moments[jet, 5], moments[jet, 6], moments[jet, 7]
        for row in range(offsets[jet], offsets[jet + 1]):
            pt = values[PT, row]
            x = values[ETA, row] - eta
            y = delta_phi(values[PHI, row], phi)
            w = pt * pt
            count += pt > MULTIPLICITY_MIN_PT
            sum_pt += pt
            sum_w += w
            w_x += w * x
            w_y += w * y
            w_xx += w * x * x
            w_yy += w * y * y
            w_xy += w * x * y
        moments[jet, 0], moments[jet, 1], moments[jet, 2], moments[jet, 3] = count, sum_pt, sum_w, w_x
        moments[jet, 4], moments[jet, 5], moments[jet, 6], moments[jet, 7] = w_y, w_xx, w_yy, w_xy


def jet_shapes(moments: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return (multiplicity, ptD, axis2) of each jet over its charged and neutral constituents, shape (n_jets, 3).

    multiplicity counts constituents with pT > 1 GeV; ptD = sqrt(sum pt^2) / sum pt; axis2 is the minor axis of the
    pt^2-weighted covariance of (delta eta, wrapped delta phi). All are 0 for a jet without constituents. See
    ``docs/explanation/physics.md``.

    Parameters
    ----------
    moments : float64 array, shape (n_jets, `MOMENTS`)
        Of `add_moments`, called for the charged and for the neutral constituents.
    """
    count, sum_pt, weight, *sums = moments.T
    out = np.zeros((len(moments), 3), np.float32)
    out[:, 0] = count
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_eta, mean_phi, eta_eta, phi_phi, eta_phi = (one / weight for one in sums)
        a = eta_eta - mean_eta * mean_eta
        b = phi_phi - mean_phi * mean_phi
        c = eta_phi - mean_eta * mean_phi
        minor = 0.5 * (a + b - np.sqrt((a - b) * (a - b) + 4.0 * c * c))
        some = sum_pt > 0.0
        out[some, 1] = (np.sqrt(weight) / sum_pt)[some]
        out[some, 2] = np.sqrt(np.where(minor > 0.0, minor, 0.0))[some]
    return out
