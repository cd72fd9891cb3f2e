"""Dense layers for numba kernels: bias, product and ReLU of a panel of the result without leaving the registers.

A panel is some rows times one or two vectors of columns. BLAS reaches the same speed on large matrices only; the layers
of these networks are 16 to 256 wide, and it knows neither bias nor ReLU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils

from coffea_mljec.models.kernels.lanes import LANES, Lanes, intrinsic
from coffea_mljec.numerics.jit import njit

__all__ = ["NO_FLOOR", "dense", "packed", "padded", "padded_width"]

NO_FLOOR = np.float32(-np.inf)
"""The floor of a layer without ReLU."""

_ROWS = 8 if LANES == 16 else 6
"""Rows of a panel of two vectors: with their sums a core's registers are full (32 with AVX-512, 16 without)."""

Array = npt.NDArray[np.float32]


def padded_width(n_out: int) -> int:
    """Columns that `dense` writes for so many outputs."""
    return -(-n_out // LANES) * LANES


def padded(value: Array, *sizes: int) -> Array:
    """The same numbers in a larger array, zeros beyond them: columns of zeros stay zeros through every layer."""
    out = np.zeros(sizes, np.float32)
    out[tuple(slice(size) for size in value.shape)] = value
    return out


def packed(weight: Array, bias: Array) -> tuple[Array, Array]:
    """Return weight [in, out] and bias [out] as `dense` takes them: panel after panel, zeros beyond the last column."""
    n_in, n_out = weight.shape
    width = padded_width(n_out)
    wide = padded(weight, n_in, width)
    starts = [*range(0, width - LANES, 2 * LANES)]
    starts += [width - LANES] if width % (2 * LANES) else []
    ends = [*starts[1:], width]
    columns = [wide[:, start:end].ravel() for start, end in zip(starts, ends, strict=True)]
    return np.concatenate(columns), padded(bias, width)


def _panel(n_vectors: int) -> Any:
    """An intrinsic for panels of so many vectors of columns."""

    def panel(
        typing_context: Any, x: Any, at_x: Any, stride_x: Any, n_in: Any, last: Any, weights: Any, at_weight: Any,
        biases: Any, at_bias: Any, floor: Any, out: Any, at_out: Any, stride_out: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lanes = Lanes(context, builder, signature, arguments)
            _, at_x, stride_x, n_in, last, _, at_weight, _, at_bias, floor, _, at_out, stride_out = arguments

            def constant(number: int) -> Any:
                return ir.Constant(at_x.type, number)

            # Beyond the last row it is done again: the same numbers are written to the same place.
            rows = [
                builder.select(builder.icmp_signed("<", constant(r), last), constant(r), last) for r in range(_ROWS)
            ]
            from_row = [builder.add(at_x, builder.mul(row, stride_x)) for row in rows]
            to_row = [builder.add(at_out, builder.mul(row, stride_out)) for row in rows]
            steps = [constant(v * LANES) for v in range(n_vectors)]
            bias = [lanes.load(7, builder.add(at_bias, step)) for step in steps]
            sums = [[cgutils.alloca_once_value(builder, value) for value in bias] for _ in rows]
            with cgutils.for_range(builder, n_in) as loop:
                at = builder.add(at_weight, builder.mul(loop.index, constant(n_vectors * LANES)))
                weight = [lanes.load(5, builder.add(at, step)) for step in steps]
                for row, own in zip(from_row, sums, strict=True):
                    value = lanes.load_one(0, builder.add(row, loop.index))
                    for part, total in zip(weight, own, strict=True):
                        builder.store(lanes.fma(value, part, builder.load(total)), total)
            least = lanes.spread(floor)
            for place, own in zip(to_row, sums, strict=True):
                for step, total in zip(steps, own, strict=True):
                    lanes.store(lanes.larger(builder.load(total), least), 10, builder.add(place, step))
            return context.get_dummy_value()

        place = types.intp
        kinds = (x, place, place, place, place, weights, place, biases, place, types.float32, out, place, place)
        return types.void(*kinds), generate

    return intrinsic(panel)


_two_vectors = _panel(2)
_one_vector = _panel(1)


@njit(inline="always")
def dense(
    x: Any, stride: int, n_rows: int, n_in: int, weights: Any, at_weight: int, biases: Any, at_bias: int, width: int,
    floor: float, out: Any,
) -> None:  # fmt: skip
    """``out = max(x W + b, floor)``; a NaN stays one. Nothing is checked.

    Every row's result depends on that row alone, to the last bit.

    Parameters
    ----------
    x : one-dimensional float32 array
        Row r is ``x[r * stride:][:n_in]``.
    stride, n_rows, n_in : int
    weights, biases : float32 array
        As `packed` returns them, from ``at_weight`` and ``at_bias`` on.
    width : int
        `padded_width` of the outputs.
    floor : float32
        0 for a ReLU, `NO_FLOOR` for none.
    out : one-dimensional float32 array
        Row r is ``out[r * width:][:width]``.
    """
    for column in range(0, width - LANES, 2 * LANES):
        for row in range(0, n_rows, _ROWS):
            _two_vectors(
                x, row * stride, stride, n_in, n_rows - 1 - row, weights, at_weight + column * n_in, biases,
                at_bias + column, floor, out, row * width + column, width,
            )  # fmt: skip
    if width % (2 * LANES):
        column = width - LANES
        for row in range(0, n_rows, _ROWS):
            _one_vector(
                x, row * stride, stride, n_in, n_rows - 1 - row, weights, at_weight + column * n_in, biases,
                at_bias + column, floor, out, row * width + column, width,
            )  # fmt: skip
