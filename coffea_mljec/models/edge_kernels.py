"""An EdgeConv block on flat edges, tile by tile: a tile of edges stays in a core's cache through all layers.

Source: Y. Wang et al., arXiv:1801.07829; H. Qu, L. Gouskos, arXiv:1902.08570.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coffea_mljec.jit import njit

__all__ = ["convolve", "mean_of_jets"]


@njit()
def convolve(nodes: Any, source: Any, starts: Any, widths: Any, weights: Any, biases: Any, tile: int) -> Any:
    """Return ``relu(shortcut + mean_j psi(relu(own_i + other_j)))`` for every row i, over its neighbours j.

    psi are dense layers, each with a bias and a ReLU; a NaN stays one.

    Parameters
    ----------
    nodes : float32 array, shape (N, 2 widths[0] + widths[-1])
        Of each row: what it says of itself (``own``), what it says to others (``other``), and the shortcut.
    source, starts : int64 array, shape (E,) and (N + 1,)
        Edges, as `coffea_mljec.models.neighbours.nearest_neighbours` gives them; every row has at least one.
    widths : int64 array
        Of psi's input and the outputs of its layers.
    weights, biases : float32 array
        Of psi's layers, [in, out] and [out], one after the other in one array.
    tile : int
        Edges in a tile; at least the most that a row has.

    Returns
    -------
    float32 array, shape (N, widths[-1])
    """
    n = len(starts) - 1
    n_first, n_last = widths[0], widths[-1]
    zero = nodes.dtype.type(0)
    out = np.empty((n, n_last), nodes.dtype)
    edges_kept = min(tile, starts[n])
    here = np.empty(edges_kept * np.max(widths), nodes.dtype)
    there = np.empty(edges_kept * np.max(widths), nodes.dtype)
    first = 0
    while first < n:
        begin = starts[first]
        last = first + 1
        while last < n and starts[last + 1] - begin <= tile:
            last += 1
        n_edges = starts[last] - begin
        z = here[: n_edges * n_first].reshape(n_edges, n_first)
        for i in range(first, last):
            own = nodes[i, :n_first]
            for e in range(starts[i], starts[i + 1]):
                other = nodes[source[e], n_first : 2 * n_first]
                edge = z[e - begin]
                for c in range(n_first):
                    value = own[c] + other[c]
                    edge[c] = zero if value < zero else value
        at_weight = at_bias = 0
        for layer in range(1, len(widths)):
            n_in, n_out = widths[layer - 1], widths[layer]
            weight = weights[at_weight : at_weight + n_in * n_out].reshape(n_in, n_out)
            bias = biases[at_bias : at_bias + n_out]
            at_weight += n_in * n_out
            at_bias += n_out
            z = here[: n_edges * n_in].reshape(n_edges, n_in)
            y = there[: n_edges * n_out].reshape(n_edges, n_out)
            np.dot(z, weight, y)
            for e in range(n_edges):
                edge = y[e]
                for c in range(n_out):
                    value = edge[c] + bias[c]
                    edge[c] = zero if value < zero else value
            here, there = there, here
        z = here[: n_edges * n_last].reshape(n_edges, n_last)
        for i in range(first, last):
            row = out[i]
            for c in range(n_last):
                row[c] = zero
            for e in range(starts[i], starts[i + 1]):
                edge = z[e - begin]
                for c in range(n_last):
                    row[c] += edge[c]
            share = nodes.dtype.type(1.0 / (starts[i + 1] - starts[i]))
            shortcut = nodes[i, 2 * n_first :]
            for c in range(n_last):
                value = row[c] * share + shortcut[c]
                row[c] = zero if value < zero else value
        first = last
    return out


@njit()
def mean_of_jets(rows: Any, offsets: Any, out: Any) -> None:
    """Set out [n, C] to the mean of the rows [N, C] of every jet; to 0 for a jet without rows."""
    for j in range(len(offsets) - 1):
        for c in range(rows.shape[1]):
            out[j, c] = 0
        for i in range(offsets[j], offsets[j + 1]):
            for c in range(rows.shape[1]):
                out[j, c] += rows[i, c]
        size = max(offsets[j + 1] - offsets[j], 1)
        for c in range(rows.shape[1]):
            out[j, c] /= size
