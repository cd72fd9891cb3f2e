"""An EdgeConv block on flat edges, tile by tile: a tile of edges stays in a core's cache through all layers.

Source: Y. Wang et al., arXiv:1801.07829; H. Qu, L. Gouskos, arXiv:1902.08570.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coffea_mljec.models.kernels.lanes import LANES, add_relu, mean_relu
from coffea_mljec.models.kernels.rows import layers
from coffea_mljec.numerics.jit import njit

__all__ = ["convolve", "mean_of_jets"]


def convolve(nodes: Any, source: Any, starts: Any, widths: Any, weights: Any, biases: Any, tile: int) -> Any:
    """Return ``relu(shortcut + mean_j psi(relu(own_i + other_j)))`` for every row i, over its neighbours j.

    psi are dense layers, each with a bias and a ReLU; a NaN stays one. All widths are multiples of `LANES`.

    Parameters
    ----------
    nodes : contiguous float32 array, shape (N, 2 widths[0] + widths[-1])
        Of each row: what it says of itself (``own``), what it says to others (``other``), and the shortcut.
    source, starts : int64 array, shape (E,) and (N + 1,)
        Edges, as `coffea_mljec.models.kernels.neighbours.nearest_neighbours` gives them; every row has at least one.
    widths : int64 array
        Of psi's input and the outputs of its layers.
    weights, biases : float32 array
        Of psi's layers, as of `coffea_mljec.models.weights.Layers`.
    tile : int
        Edges in a tile; at least the most that a row has.

    Returns
    -------
    float32 array, shape (N, widths[-1])
    """
    room = min(tile, int(starts[-1])) * int(widths.max())
    here, there = np.empty(room, nodes.dtype), np.empty(room, nodes.dtype)
    out = np.empty((len(starts) - 1, int(widths[-1])), nodes.dtype)
    _convolve(
        nodes.reshape(-1), nodes.shape[1], source, starts, widths, weights, biases, tile, here, there, out.reshape(-1)
    )
    return out


@njit()
def _convolve(
    said: Any, width: int, source: Any, starts: Any, widths: Any, weights: Any, biases: Any, tile: int, here: Any,
    there: Any, out: Any,
) -> None:  # fmt: skip
    """As `convolve`, with one-dimensional arrays and room for a tile: numba takes longer to compile what makes them."""
    n = len(starts) - 1
    n_first, n_last = widths[0], widths[-1]
    first = 0
    while first < n:
        begin = starts[first]
        last = first + 1
        while last < n and starts[last + 1] - begin <= tile:
            last += 1
        for i in range(first, last):
            for e in range(starts[i], starts[i + 1]):
                other = source[e] * width + n_first
                for c in range(0, n_first, LANES):
                    add_relu(said, i * width + c, said, other + c, here, (e - begin) * n_first + c)
        floor = np.float32(0)
        here, there = layers(here, there, n_first, starts[last] - begin, widths, weights, biases, floor, 0)
        for i in range(first, last):
            at = (starts[i] - begin) * n_last
            heard = starts[i + 1] - starts[i]
            share = said.dtype.type(1.0 / heard)
            shortcut = i * width + 2 * n_first
            for c in range(0, n_last, LANES):
                mean_relu(here, at + c, n_last, heard, share, said, shortcut + c, out, i * n_last + c)
        first = last


@njit()
def mean_of_jets(rows: Any, offsets: Any, out: Any) -> None:
    """Set out [n, C] to the mean of the rows [N, C] of every jet; to 0 for a jet without rows."""
    for j in range(len(offsets) - 1):
        for c in range(rows.shape[1]):
            out[j, c] = 0
        for i in range(offsets[j], offsets[j + 1]):
            for c in range(rows.shape[1]):
                out[j, c] += rows[i, c]
        size = offsets[j + 1] - offsets[j]
        size = size if size > 1 else 1
        for c in range(rows.shape[1]):
            out[j, c] /= size
