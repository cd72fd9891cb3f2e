"""numba kernels on a tile of edges: what surrounds the matrix products of `training.networks.edges.cpu`.

Arrays: ``own``, ``other`` [N, C] per row; ``source`` int64 [E] and ``starts`` int64 [N + 1] as in `Edges`; ``z``,
``y`` and ``g`` [edges of the rows first to last, C].
"""

from __future__ import annotations

from typing import Any

from coffea_mljec.numerics.jit import njit

__all__ = ["gather", "mean", "scatter", "spread"]


@njit()
def gather(own: Any, other: Any, source: Any, starts: Any, first: int, last: int, z: Any) -> None:
    """Set z to own[row] + other[source]."""
    begin = starts[first]
    for i in range(first, last):
        for e in range(starts[i], starts[i + 1]):
            j = source[e]
            for c in range(own.shape[1]):
                z[e - begin, c] = own[i, c] + other[j, c]


@njit()
def mean(y: Any, starts: Any, first: int, last: int, out: Any) -> None:
    """Set out [N, C] to the mean of y over the edges of every row."""
    begin = starts[first]
    for i in range(first, last):
        for c in range(y.shape[1]):
            out[i, c] = 0
        for e in range(starts[i], starts[i + 1]):
            for c in range(y.shape[1]):
                out[i, c] += y[e - begin, c]
        degree = starts[i + 1] - starts[i]
        for c in range(y.shape[1]):
            out[i, c] /= degree


@njit()
def spread(gradient: Any, starts: Any, first: int, last: int, g: Any) -> None:
    """Set g to the gradient [N, C] of the mean, shared by the edges of every row."""
    begin = starts[first]
    for i in range(first, last):
        share = gradient.dtype.type(1.0 / (starts[i + 1] - starts[i]))
        for e in range(starts[i], starts[i + 1]):
            for c in range(g.shape[1]):
                g[e - begin, c] = gradient[i, c] * share


@njit()
def scatter(g: Any, source: Any, starts: Any, first: int, last: int, own: Any, other: Any) -> None:
    """Set own to the sum of g over the edges of every row; add g to the rows that the edges come from."""
    begin = starts[first]
    for i in range(first, last):
        for c in range(g.shape[1]):
            own[i, c] = 0
        for e in range(starts[i], starts[i + 1]):
            j = source[e]
            for c in range(g.shape[1]):
                own[i, c] += g[e - begin, c]
                other[j, c] += g[e - begin, c]
