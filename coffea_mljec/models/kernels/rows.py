"""Rows through dense layers, tile by tile: a tile stays in a core's cache through all layers, then is summed by jet.

Source of the sums: P. T. Komiske, E. M. Metodiev, J. Thaler, arXiv:1810.05165.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coffea_mljec.models.kernels.lanes import LANES, add_relu, add_rows, bits_of, float_of
from coffea_mljec.models.kernels.panels import NO_FLOOR, dense
from coffea_mljec.numerics.jit import njit

__all__ = ["TILE", "layers", "symlog_columns", "through"]

TILE = 96
"""Rows of a tile: whole panels, and 24 kB where layers are 64 wide."""

_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)
_INFINITE, _NAN = np.float32(np.inf), np.float32(np.nan)
_EXPONENT = np.int32(23)
_ROOT_HALF = np.int32(0x3F3504F3)
"""The bits of sqrt(1/2)."""
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_C0, _C1, _C2 = np.float32(7.0376836292e-2), np.float32(-1.1514610310e-1), np.float32(1.1676998740e-1)
_C3, _C4, _C5 = np.float32(-1.2420140846e-1), np.float32(1.4249322787e-1), np.float32(-1.6668057665e-1)
_C6, _C7, _C8 = np.float32(2.0000714765e-1), np.float32(-2.4999993993e-1), np.float32(3.3333331174e-1)


@njit(inline="always")
def symlog_columns(rows: Any, stride: int, n: int, index: Any, scale: Any, value: Any) -> None:
    """``x = sign(x) log(1 + |x scale|)`` in some columns of n rows, in place; NaN where x is not finite.

    ``value`` is room for n numbers.

    The logarithm is that of the Cephes library (S. Moshier, logf: argument in [sqrt(1/2), sqrt(2)), error below 1e-7 of
    the result), written for a compiler that does eight or sixteen at a time.
    """
    for c in range(len(index)):
        for i in range(n):
            value[i] = rows[np.uintp(i * stride + index[c])] * scale[c]
        for i in range(n):
            size = _ONE + abs(value[i])
            exponent = (bits_of(size) - _ROOT_HALF) >> _EXPONENT
            x = float_of(bits_of(size) - (exponent << _EXPONENT)) - _ONE
            square = x * x
            y = ((((((((_C0 * x + _C1) * x + _C2) * x + _C3) * x + _C4) * x + _C5) * x + _C6) * x + _C7) * x + _C8) * x
            e = np.float32(exponent)
            y = y * square + e * _LN2_LOW - _HALF * square
            y = x + y + e * _LN2_HIGH
            y = -y if value[i] < _ZERO else y
            value[i] = y if size < _INFINITE else _NAN
        for i in range(n):
            rows[np.uintp(i * stride + index[c])] = value[i]


@njit(inline="always")
def width_of(n_out: int) -> int:
    """`coffea_mljec.models.kernels.panels.padded_width`, in kernels."""
    return (n_out + LANES - 1) // LANES * LANES


@njit(inline="always")
def layers(
    here: Any, there: Any, stride: int, n: int, widths: Any, weights: Any, biases: Any, last_floor: float, done: int
) -> Any:
    """Take n rows through dense layers with ReLUs, the last one with another floor; return ``(result, other)`` buffer.

    Parameters
    ----------
    here, there : one-dimensional float32 array
        The input, and as much room as `width_of` the widest layer takes for n rows; both are used.
    stride : int
        Of the input's rows; the result's is `width_of` the last layer.
    widths, weights, biases : ndarray
        As of `coffea_mljec.models.weights.Layers`.
    last_floor : float32
    done : int
        How many of the layers the input went through before.
    """
    at_weight = at_bias = 0
    last = len(widths) - 1
    for layer in range(1, len(widths)):
        n_in, width = widths[layer - 1], width_of(widths[layer])
        if layer > done:
            floor = last_floor if layer == last else _ZERO
            dense(here, stride, n, n_in, weights, at_weight, biases, at_bias, width, floor, there)
            stride = width
            here, there = there, here
        at_weight += n_in * width
        at_bias += width
    return here, there


@njit(inline="always")
def _hear(rows: Any, stride: int, first: int, n: int, offsets: Any, jet: int, heard: Any) -> None:
    """Add to n rows, from the batch's row ``first`` on, what their jets say, and leave out what is negative.

    ``jet`` is that of the row ``first``, or one before.
    """
    for r in range(n):
        while offsets[jet + 1] <= first + r:
            jet += 1
        for c in range(0, stride, LANES):
            add_relu(rows, r * stride + c, heard, jet * stride + c, rows, r * stride + c)


@njit()
def through(
    rows: Any, n_features: int, offsets: Any, index: Any, scale: Any, widths: Any, weights: Any, biases: Any,
    floor: float, here: Any, there: Any, value: Any, total: Any, stride: int, at: int, shares: Any, heard: Any,
    kept: Any,
) -> None:  # fmt: skip
    """Add the sum over each jet's rows of what the layers make of a row to the columns from ``at`` on of ``total``; or,
    without offsets, set the rows of ``total`` to what the layers make of each.

    With ``shares`` the columns behind these get the sums weighted with these numbers.

    Parameters
    ----------
    rows : one-dimensional float32 array
        Row r is ``rows[r * n_features:][:n_features]``; N of them.
    n_features : int
    offsets : int64 array, shape (n + 1,)
        Jet j has the rows ``offsets[j]:offsets[j + 1]``; the last offset is N. Or empty.
    index, scale : ndarray
        As of `coffea_mljec.models.weights.Columns`.
    widths, weights, biases : ndarray
        As of `coffea_mljec.models.weights.Layers`.
    floor : float32
        Of the last layer; 0 for a ReLU.
    here, there, value : one-dimensional float32 array
        Room for `TILE` rows of the widest input or output of a layer.
    total : one-dimensional float32 array
        Jet j is ``total[j * stride:][:stride]``; without offsets, row r with a stride of `width_of` the last layer.
    stride, at : int
    shares : float32 array, shape (N,)
        What weighs the further sums of each row; or empty.
    heard : one-dimensional float32 array
        What jet j says to its rows, ``heard[j * width:][:width]`` with `width_of` the first layer: it is added before
        that layer's ReLU. Or empty.
    kept : one-dimensional float32 array
        Gets what the layers make of each row, beside the sums, as many numbers a row as `width_of` the last layer; or
        empty.
    """
    n_rows = len(rows) // n_features
    width = width_of(widths[-1])
    jet = 0
    for first in range(0, n_rows, TILE):
        n = n_rows - first
        n = n if n < TILE else TILE
        tile = rows[first * n_features : (first + n) * n_features]  # a slice: its indices are seen to be in range
        for i in range(len(tile)):
            here[i] = tile[i]
        symlog_columns(here, n_features, n, index, scale, value)
        done, own_stride = 0, n_features
        if len(heard) > 0:
            done, own_stride = 1, width_of(widths[1])
            dense(here, n_features, n, widths[0], weights, 0, biases, 0, own_stride, NO_FLOOR, there)
            _hear(there, own_stride, first, n, offsets, jet, heard)
            here, there = there, here
        here, there = layers(here, there, own_stride, n, widths, weights, biases, floor, done)
        if len(kept) > 0:
            for i in range(n * width):
                kept[np.uintp(first * width + i)] = here[i]
        if len(offsets) == 0:
            own = total[first * width : (first + n) * width]
            for i in range(len(own)):  # not as one slice: numba would compile a message for unlike shapes, in 2 s
                own[i] = here[i]
            continue
        row = first
        while row < first + n:
            while offsets[jet + 1] <= row:
                jet += 1
            end = offsets[jet + 1]
            end = end if end < first + n else first + n
            for c in range(0, width, LANES):
                add_rows(here, (row - first) * width + c, width, end - row, total, jet * stride + at + c)
            if len(shares) > 0:
                for r in range(row - first, end - first):
                    weight = shares[np.uintp(first + r)]
                    for c in range(width):
                        here[np.uintp(r * width + c)] *= weight
                for c in range(0, width, LANES):
                    add_rows(here, (row - first) * width + c, width, end - row, total, jet * stride + at + width + c)
            row = end
