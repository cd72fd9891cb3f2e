"""numba kernels on flat rows: sums over each jet's rows, and their gradient, for `training.networks.rows`.

Arrays: ``z``, ``g`` [N, C] per row, ``offsets`` int64 [n + 1] the rows of each jet, ``above`` [n, K C] the gradient
that comes in where rows are summed with K weights each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coffea_mljec.numerics.jit import njit

__all__ = ["activate_and_sum", "spread_gradient"]


@njit()
def activate_and_sum(z: Any, weights: Any, offsets: Any, gain: Any, bias: Any, out: Any) -> None:
    """Set out [n, K C] to the K sums over each jet's rows of w max(0, z gain + bias), w [N, K]; a NaN stays one."""
    zero = z.dtype.type(0)
    width, ways = z.shape[1], weights.shape[1]
    y = np.zeros(width, z.dtype)
    total = np.zeros((ways, width), z.dtype)
    for j in range(len(offsets) - 1):
        total[:] = 0
        for e in range(offsets[j], offsets[j + 1]):
            for c in range(width):
                value = z[e, c] * gain[c] + bias[c]
                y[c] = zero if value < zero else value
            for k in range(ways):
                weight = weights[e, k]
                for c in range(width):
                    total[k, c] += weight * y[c]
        for k in range(ways):
            for c in range(width):
                out[j, k * width + c] = total[k, c]


@njit()
def spread_gradient(above: Any, weights: Any, offsets: Any, g: Any) -> None:
    """Set g to what the gradient [n, K C] of the sums is to every row."""
    width, ways = g.shape[1], weights.shape[1]
    for j in range(len(offsets) - 1):
        for e in range(offsets[j], offsets[j + 1]):
            for c in range(width):
                g[e, c] = weights[e, 0] * above[j, c]
            for k in range(1, ways):
                weight = weights[e, k]
                for c in range(width):
                    g[e, c] += weight * above[j, k * width + c]
