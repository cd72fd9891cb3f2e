"""numba kernels of a batch norm with ReLU, ``max(0, z gain + bias)``, on rows of any kind; see `norm`.

Arrays: ``z``, ``y`` and ``g`` [rows, C]. Sums are float64 [C], gathered in z's own precision over a few rows at a time:
twice as many numbers fit into a vector.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coffea_mljec.numerics.jit import njit

__all__ = ["activate", "add_sums", "norm_gradient", "open_gradient", "relu_gradient"]

#: Rows that are added up in single precision before they join a sum in double precision.
SHORT = 16


@njit()
def add_sums(z: Any, total: Any, squares: Any) -> None:
    """Add the sums of z and of its squares."""
    n, width = z.shape
    some, some_squares = np.zeros(width, z.dtype), np.zeros(width, z.dtype)
    for first in range(0, n, SHORT):
        some[:] = 0
        some_squares[:] = 0
        for e in range(first, min(first + SHORT, n)):
            for c in range(width):
                some[c] += z[e, c]
                some_squares[c] += z[e, c] * z[e, c]
        for c in range(width):
            total[c] += some[c]
            squares[c] += some_squares[c]


@njit()
def activate(z: Any, gain: Any, bias: Any, y: Any) -> None:
    """Set y to max(0, z gain + bias); a NaN stays one."""
    zero = z.dtype.type(0)  # in z's own precision: a plain 0 would make doubles of all
    for e in range(z.shape[0]):
        for c in range(z.shape[1]):
            value = z[e, c] * gain[c] + bias[c]
            y[e, c] = zero if value < zero else value


@njit()
def relu_gradient(z: Any, gain: Any, bias: Any, g: Any, total: Any, products: Any) -> None:
    """Set g to 0 where the ReLU is closed; add the sums of g and of g z."""
    n, width = z.shape
    zero = z.dtype.type(0)
    some, some_products = np.zeros(width, z.dtype), np.zeros(width, z.dtype)
    for first in range(0, n, SHORT):
        some[:] = 0
        some_products[:] = 0
        for e in range(first, min(first + SHORT, n)):
            for c in range(width):
                g[e, c] = g[e, c] if z[e, c] * gain[c] + bias[c] > zero else zero
            # In a loop of its own: with all arrays in one, the compiler gives up on vectors.
            for c in range(width):
                some[c] += g[e, c]
                some_products[c] += g[e, c] * z[e, c]
        for c in range(width):
            total[c] += some[c]
            products[c] += some_products[c]


@njit()
def open_gradient(z: Any, gain: Any, bias: Any, above: Any, g: Any, total: Any, products: Any) -> None:
    """Set g to ``above`` where the ReLU is open, 0 elsewhere; add the sums of g and of g z."""
    n, width = z.shape
    zero = z.dtype.type(0)
    some, some_products = np.zeros(width, z.dtype), np.zeros(width, z.dtype)
    for first in range(0, n, SHORT):
        some[:] = 0
        some_products[:] = 0
        for e in range(first, min(first + SHORT, n)):
            for c in range(width):
                g[e, c] = above[e, c] if z[e, c] * gain[c] + bias[c] > zero else zero
            # In a loop of its own: with all arrays in one, the compiler gives up on vectors.
            for c in range(width):
                some[c] += g[e, c]
                some_products[c] += g[e, c] * z[e, c]
        for c in range(width):
            total[c] += some[c]
            products[c] += some_products[c]


@njit()
def norm_gradient(z: Any, gain: Any, slope: Any, level: Any, g: Any) -> None:
    """Set g to the gradient before the norm, ``gain g + slope z + level`` (see `gradient_of_norm`)."""
    for e in range(z.shape[0]):
        for c in range(z.shape[1]):
            g[e, c] = gain[c] * g[e, c] + (slope[c] * z[e, c] + level[c])
