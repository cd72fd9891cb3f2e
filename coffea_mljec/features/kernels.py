"""The numba kernels behind the features: pure functions on flat tables, gathered by index and grouped by offsets.

Each fills one column of an output matrix. Jets without constituents have no rows in the constituents' matrices, and
shapes of 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.geometry import delta_phi
from coffea_mljec.jit import njit

__all__ = ["gather", "is_equal", "jet_shapes", "relative_eta", "relative_phi", "relative_pt", "significance"]

Array = npt.NDArray[Any]
Index = npt.NDArray[np.int64]

MULTIPLICITY_MIN_PT = 1.0
"""A constituent counts towards the multiplicity above this pT in GeV."""


@njit()
def gather(table: Array, index: Index, out: Array, column: int) -> None:
    """``out[i, column] = table[index[i]]``."""
    for row in range(len(index)):
        out[row, column] = table[index[row]]


@njit()
def is_equal(table: Array, index: Index, value: int, out: Array, column: int) -> None:
    """One-hot: 1 where ``table[index[i]] == value``, else 0."""
    for row in range(len(index)):
        out[row, column] = 1.0 if table[index[row]] == value else 0.0


@njit()
def significance(table: Array, error: Array, index: Index, out: Array, column: int) -> None:
    """Value over error; -1 (the file's own mark for "no track details") where the error is not positive."""
    for row in range(len(index)):
        sigma = error[index[row]]
        out[row, column] = table[index[row]] / sigma if sigma > 0.0 else -1.0


@njit()
def relative_pt(pt: Array, index: Index, offsets: Index, jet_pt: Array, out: Array, column: int) -> None:
    """pt_i / pt_jet (raw)."""
    for jet in range(len(offsets) - 1):
        for row in range(offsets[jet], offsets[jet + 1]):
            out[row, column] = pt[index[row]] / jet_pt[jet]


@njit()
def relative_eta(eta: Array, index: Index, offsets: Index, jet_eta: Array, out: Array, column: int) -> None:
    """sgn(eta_jet) (eta_i - eta_jet), with sgn(0) = 0 (as numpy has it)."""
    for jet in range(len(offsets) - 1):
        sign = np.sign(jet_eta[jet])
        for row in range(offsets[jet], offsets[jet + 1]):
            out[row, column] = sign * (eta[index[row]] - jet_eta[jet])


@njit()
def relative_phi(phi: Array, index: Index, offsets: Index, jet_phi: Array, out: Array, column: int) -> None:
    """phi_i - phi_jet wrapped into [-pi, pi)."""
    for jet in range(len(offsets) - 1):
        for row in range(offsets[jet], offsets[jet + 1]):
            out[row, column] = delta_phi(float(phi[index[row]]), float(jet_phi[jet]))


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
