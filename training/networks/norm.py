"""Batch norm with ReLU as ``max(0, z gain + bias)``, and its gradient as ``gain g + slope z + level``.

Source: S. Ioffe, C. Szegedy, arXiv:1502.03167. What needs a pass over the rows (sums, products) is left to the caller:
`training.networks.edges.cpu` on edges, `training.networks.rows.norm_relu` on constituents and jets.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Norm", "gradient_of_norm", "norm_of_sums"]


class Norm(NamedTuple):
    """A batch norm with the statistics of one batch.

    Attributes
    ----------
    mean, inverse_deviation : float64 array [C]
        Of what entered; the inverse includes epsilon.
    variance : float64 array [C]
        Of what entered, divided by n.
    gain, bias : array [C]
        The norm as a straight line, in the rows' precision.
    """

    mean: NDArray[np.float64]
    inverse_deviation: NDArray[np.float64]
    variance: NDArray[np.float64]
    gain: NDArray[Any]
    bias: NDArray[Any]


def norm_of_sums(sums: NDArray[np.float64], n: int, gain: Tensor, bias: Tensor, epsilon: float) -> Norm:
    """Return the norm of n rows.

    Parameters
    ----------
    sums : float64 array [2, C]
        Sums over the rows of z and of its squares.
    n : int
        Rows.
    gain, bias : Tensor [C]
        The norm's parameters.
    epsilon : float
        Added to the variance.
    """
    mean = sums[0] / n
    variance = np.maximum(sums[1] / n - mean**2, 0.0)
    inverse = 1.0 / np.sqrt(variance + epsilon)
    slope = gain.detach().double().numpy() * inverse
    kind = gain.detach().numpy().dtype
    return Norm(
        mean, inverse, variance, slope.astype(kind), (bias.detach().double().numpy() - mean * slope).astype(kind)
    )


def gradient_of_norm(
    sums: NDArray[np.float64], n: int, norm: Norm
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any], NDArray[Any]]:
    """Return the gradients of the norm's gain and bias, and slope and level of the gradient before the norm.

    That gradient is ``gain g + slope z + level``: the batch's own mean and variance depend on every row.

    Parameters
    ----------
    sums : float64 array [2, C]
        Sums over the rows of g and of g z, g being the gradient between norm and ReLU.
    n : int
        Rows.
    norm : Norm
        As it was applied.
    """
    kind = norm.gain.dtype
    of_gain = (sums[1] - norm.mean * sums[0]) * norm.inverse_deviation
    tilt = of_gain / n * norm.inverse_deviation
    gain = norm.gain.astype(np.float64)
    return of_gain, sums[0], (-gain * tilt).astype(kind), (gain * (norm.mean * tilt - sums[0] / n)).astype(kind)
