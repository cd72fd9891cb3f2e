"""The numba kernels behind the features: pure functions on flat tables, gathered by index and grouped by offsets.

Jets without constituents have no rows in the constituents' matrices, and shapes of 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.geometry import delta_phi
from coffea_mljec.jit import njit

__all__ = ["ETA", "FLAGGED", "PHI", "PT", "fill_rows", "gather", "jet_shapes"]

Array = npt.NDArray[Any]
Index = npt.NDArray[np.int64]

MULTIPLICITY_MIN_PT = 1.0
"""A constituent counts towards the multiplicity above this pT in GeV."""

PT, ETA, PHI = 0, 1, 2
"""Rows of the jets' own coordinates in `fill_rows`."""

FLAGGED = 256
"""One-hot features compare with whole numbers below this in size."""

_ROWS = 256
"""Rows of a block: 23 kB of features."""


@njit()
def gather(table: Array, index: Index, out: Array) -> None:
    """``out[i] = table[index[i]]``, in the type of ``out``."""
    for row in range(len(index)):
        out[row] = table[index[row]]


@njit()
def fill_rows(
    values: Array, offsets: Index, jets: Array, plain: Index, flags: Index, ratio: Index, relative: Index, out: Array
) -> None:
    """Fill the rows of a collection's features, some jets at a time, so that their rows stay in the cache.

    Parameters
    ----------
    values : float32 array, shape (Q, N)
        Quantities of the constituents, gathered.
    offsets : int64 array, shape (n + 1,)
        Jet j has the rows ``offsets[j]:offsets[j + 1]``.
    jets : float32 array, shape (3, n)
        Raw pT (GeV), eta, phi of the jets, in the rows `PT`, `ETA`, `PHI`.
    plain : int64 array, shape (any, 2)
        (column, quantity): the quantity as it is.
    flags : int64 array, shape (any, 1 + 2 `FLAGGED`)
        (quantity, column of the value -`FLAGGED`, ... of `FLAGGED` - 1; -1 where it has none): 1 in the column of the
        quantity's value, 0 in the columns of others.
    ratio : int64 array, shape (any, 3)
        (column, quantity, error): quantity over error; -1 (the file's own mark for "no track details") where the error
        is not positive.
    relative : int64 array, shape (3, 2)
        (column, quantity) of pt_i / pt_jet in row `PT`, of sgn(eta_jet) (eta_i - eta_jet), with sgn(0) = 0, in row
        `ETA`, of phi_i - phi_jet wrapped into [-pi, pi) in row `PHI`; -1 for one that is not asked for.
    out : float32 array, shape (N, F)
        Zeros; a column is named at most once above.
    """
    n_jets = len(offsets) - 1
    first = 0
    while first < n_jets:
        begin = offsets[first]
        last = first + 1
        while last < n_jets and offsets[last + 1] - begin <= _ROWS:
            last += 1
        end = offsets[last]
        for i in range(len(plain)):
            column, quantity = plain[i, 0], plain[i, 1]
            for row in range(begin, end):
                out[row, column] = values[quantity, row]
        for i in range(len(flags)):
            quantity = flags[i, 0]
            for row in range(begin, end):
                value = values[quantity, row]
                if -FLAGGED <= value < FLAGGED:
                    number = int(value)
                    column = flags[i, 1 + FLAGGED + number]
                    if column >= 0 and number == value:
                        out[row, column] = 1.0
        for i in range(len(ratio)):
            column, quantity, error = ratio[i, 0], ratio[i, 1], ratio[i, 2]
            for row in range(begin, end):
                sigma = values[error, row]
                out[row, column] = values[quantity, row] / sigma if sigma > 0.0 else -1.0
        for jet in range(first, last):
            jet_pt, jet_eta, jet_phi = jets[PT, jet], jets[ETA, jet], float(jets[PHI, jet])
            sign = np.sign(jet_eta)
            column, quantity = relative[PT, 0], relative[PT, 1]
            if column >= 0:
                for row in range(offsets[jet], offsets[jet + 1]):
                    out[row, column] = values[quantity, row] / jet_pt
            column, quantity = relative[ETA, 0], relative[ETA, 1]
            if column >= 0:
                for row in range(offsets[jet], offsets[jet + 1]):
                    out[row, column] = sign * (values[quantity, row] - jet_eta)
            column, quantity = relative[PHI, 0], relative[PHI, 1]
            if column >= 0:
                for row in range(offsets[jet], offsets[jet + 1]):
                    out[row, column] = delta_phi(float(values[quantity, row]), jet_phi)
        first = last


@njit()
def jet_shapes(
    pt: Array,
    eta: Array,
    phi: Array,
    charged: Index,
    charged_offsets: Index,
    neutral: Index,
    neutral_offsets: Index,
    jet_eta: Array,
    jet_phi: Array,
) -> npt.NDArray[np.float32]:
    """Return (multiplicity, ptD, axis2) of each jet over its charged and neutral constituents, shape (n_jets, 3).

    multiplicity counts constituents with pT > 1 GeV; ptD = sqrt(sum pt^2) / sum pt; axis2 is the minor axis of the
    pt^2-weighted covariance of (delta eta, wrapped delta phi). All are 0 for a jet without constituents. DESIGN
    section 4.
    """
    n_jets = len(charged_offsets) - 1
    out = np.zeros((n_jets, 3), np.float32)
    for jet in range(n_jets):
        count = 0
        sum_pt = 0.0
        weight = 0.0
        mean_eta = 0.0
        mean_phi = 0.0
        eta_eta = 0.0
        phi_phi = 0.0
        eta_phi = 0.0
        first = charged_offsets[jet]
        n_charged = charged_offsets[jet + 1] - first
        n_all = n_charged + neutral_offsets[jet + 1] - neutral_offsets[jet]
        for position in range(n_all):
            if position < n_charged:
                row = charged[first + position]
            else:
                row = neutral[neutral_offsets[jet] + position - n_charged]
            momentum = float(pt[row])
            d_eta = float(eta[row]) - float(jet_eta[jet])
            d_phi = delta_phi(float(phi[row]), float(jet_phi[jet]))
            if momentum > MULTIPLICITY_MIN_PT:
                count += 1
            square = momentum * momentum
            sum_pt += momentum
            weight += square
            mean_eta += square * d_eta
            mean_phi += square * d_phi
            eta_eta += square * d_eta * d_eta
            phi_phi += square * d_phi * d_phi
            eta_phi += square * d_eta * d_phi
        out[jet, 0] = count
        if sum_pt > 0.0:
            out[jet, 1] = np.sqrt(weight) / sum_pt
            mean_eta /= weight
            mean_phi /= weight
            a = eta_eta / weight - mean_eta * mean_eta
            b = phi_phi / weight - mean_phi * mean_phi
            c = eta_phi / weight - mean_eta * mean_phi
            minor = 0.5 * (a + b - np.sqrt((a - b) * (a - b) + 4.0 * c * c))
            out[jet, 2] = np.sqrt(max(0.0, minor))
    return out
