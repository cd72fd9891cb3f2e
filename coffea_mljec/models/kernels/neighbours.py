"""Nearest neighbours within each jet, on flat content + offsets: the edges of a ParticleNet.

Source: H. Qu, L. Gouskos, arXiv:1902.08570 (dynamic graph), with the rules of this project for small jets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.models.kernels.lanes import LANES, merge, square_distances
from coffea_mljec.numerics.jit import njit

__all__ = ["edge_offsets", "nearest_neighbours", "neighbours_with_nothing"]


def nearest_neighbours(
    points: npt.NDArray[np.floating], offsets: npt.NDArray[np.int64], k: int, *, ranked: bool = True
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the k nearest other rows of every row, within its jet.

    Squared Euclidean distances are added up coordinate by coordinate in the points' own precision. Of two rows at the
    same distance the one with the lower index comes first; a distance that is NaN or infinite counts as the largest. A
    jet with fewer than k + 1 rows uses those that it has; a jet with one row is its own neighbour, so that its
    difference is zero.

    Parameters
    ----------
    points : float32 or float64 array, shape (N, C)
        Coordinates of all rows, jet after jet.
    offsets : int64 array, shape (n + 1,)
        Jet j has the rows ``offsets[j]:offsets[j + 1]``; the last offset is N.
    k : int
        Neighbours of a row, at least 1.
    ranked : bool
        The neighbours of a row by rising distance; otherwise by rising index, which takes less time.

    Returns
    -------
    source : int64 array, shape (E,)
        The neighbours of row 0, of row 1, ...; by rising index also where there is no choice.
    starts : int64 array, shape (N + 1,)
        Row i has the edges ``starts[i]:starts[i + 1]``.

    Raises
    ------
    InputError
        If k is below 1 or points and offsets do not fit.
    """
    if k < 1:
        raise InputError(f"k nearest neighbours need k of at least 1; got {k}")
    if points.ndim != 2 or len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != len(points):
        raise InputError(
            f"offsets must run from 0 to the number of rows of a two-dimensional array; got points {points.shape} and "
            f"offsets {'that are empty' if not len(offsets) else f'from {offsets[0]} to {offsets[-1]}'}"
        )
    starts = edge_offsets(offsets, k)
    source = np.empty(int(starts[-1]), np.int64)
    largest = int(np.diff(offsets).max(initial=0))
    # `LANES` rows of a jet side by side, and no more than that: what lies beyond the last row is never looked at.
    places = -(-largest // LANES) * LANES
    columns, square, best = (np.empty(rows * places, points.dtype) for rows in (points.shape[1], largest, k))
    _fill(np.ascontiguousarray(points), offsets, starts, k, ranked, columns, square, best, source)
    return source, starts


_CLOSE = 1e-6
"""Distances that differ by this part of the squares of the coordinates, or less, may be ordered either way by another
program in single precision."""


def neighbours_with_nothing(
    points: npt.NDArray[np.float32], offsets: npt.NDArray[np.int64], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the k nearest other rows of every row, and beyond those of its jet a row of nothing, number N.

    As in padded tensors whose padding lies far away: a jet with fewer than k + 1 rows hears nothing for the others.

    Parameters
    ----------
    points, offsets, k
        As of `nearest_neighbours`.

    Returns
    -------
    source : int64 array, shape (N, k)
        By rising index.
    doubtful : bool array, shape (n,)
        Jets in which the choice hangs on the rounding of distances, that of a row to itself included.
    """
    source = np.full((len(points), k), len(points), np.int64)
    doubtful = np.zeros(len(offsets) - 1, np.bool_)
    largest = int(np.diff(offsets).max(initial=0))
    places = -(-largest // LANES) * LANES
    columns, square, best = (np.empty(rows * places, points.dtype) for rows in (points.shape[1], largest, k + 1))
    _fill_some(points, offsets, k, columns, square, best, source.reshape(-1), doubtful)
    return source, doubtful


@njit()
def _fill_some(
    points: Any, offsets: Any, k: int, columns: Any, square: Any, best: Any, source: Any, doubtful: Any
) -> None:
    """Set the neighbours that there are, and the doubtful jets; room as of `_fill`."""
    for j in range(len(offsets) - 1):
        first = offsets[j]
        size = offsets[j + 1] - first
        if size < 2:
            continue
        stride = (size + LANES - 1) // LANES * LANES
        _distances(points[first : first + size], stride, columns, square)
        _kth_smallest(square, size, stride, k + 1, best)
        some = min(k, size - 1)
        for i in range(size):
            length = 0.0
            for c in range(points.shape[1]):
                length += np.float64(points[first + i, c]) ** 2
            nearest, last = best[i], best[(some - 1) * stride + i]
            doubtful[j] |= not nearest > 2 * _CLOSE * (length + nearest)
            if size > k + 1:
                doubtful[j] |= not best[k * stride + i] - last > 2 * _CLOSE * (length + last)
            begin = (first + i) * k
            _gather(square[i * stride : i * stride + size], some, last, first, source[begin : begin + some])


def edge_offsets(offsets: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.int64]:
    """Return where each row's edges begin, int64 array [N + 1], from the jets' offsets [n + 1]."""
    size = np.diff(offsets)
    starts = np.zeros(int(offsets[-1]) + 1, np.int64)
    np.cumsum(np.repeat(np.maximum(np.minimum(size - 1, k), 1), size), out=starts[1:])
    return starts


@njit()
def _fill(
    points: Any, offsets: Any, starts: Any, k: int, ranked: bool, columns: Any, square: Any, best: Any, source: Any
) -> None:
    """Set ``source``; ``columns``, ``square`` and ``best`` are room for the largest jet, made by the caller: allocating
    takes numba as long to compile as the search."""
    for j in range(len(offsets) - 1):
        first = offsets[j]
        size = offsets[j + 1] - first
        if size == 1:
            source[starts[first]] = first
        elif size <= k + 1:
            for i in range(size):
                edge = starts[first + i]
                for other in range(size):
                    if other != i:
                        source[edge] = first + other
                        edge += 1
        elif size > 1:
            stride = (size + LANES - 1) // LANES * LANES
            _distances(points[first : first + size], stride, columns, square)
            _kth_smallest(square, size, stride, k, best)
            for i in range(size):
                own = square[i * stride : i * stride + size]
                found = source[starts[first + i] : starts[first + i + 1]]
                _gather(own, k, best[(k - 1) * stride + i], first, found)
                if ranked:
                    _rank(own, first, found)


@njit()
def _distances(points: Any, stride: int, columns: Any, square: Any) -> None:
    """Squared distances of all pairs: what is not finite becomes the largest number, a row's to itself infinite."""
    size, width = points.shape
    for c in range(width):
        for i in range(size):
            columns[c * stride + i] = points[i, c]
        for i in range(size, stride):
            columns[c * stride + i] = 0
    for other in range(size):
        for i in range(0, stride, LANES):
            square_distances(columns, i, other, stride, width, square, other * stride + i)
        square[other * stride + other] = np.inf


@njit()
def _kth_smallest(square: Any, size: int, stride: int, k: int, best: Any) -> None:
    """The k smallest distances of every row, ranked: each is inserted among those before it, `LANES` rows at a time."""
    for i in range(k * stride):
        best[i] = np.inf
    for other in range(size):
        for i in range(0, stride, LANES):
            at = other * stride + i
            # From the largest that may change down to the second; the first has nothing below it but itself.
            for place in range(k - 1 if k - 1 < other else other, 0, -1):
                merge(square, at, best, place * stride + i, (place - 1) * stride + i)
            for lane in range(i, i + LANES):
                value = square[other * stride + lane]
                best[lane] = value if value < best[lane] else best[lane]


@njit()
def _gather(distance: Any, k: int, limit: Any, first: int, source: Any) -> None:
    """The k rows that are nearest, by index; of those at the limit the first ones."""
    below = 0
    for other in range(len(distance)):
        below += distance[other] < limit
    level = k - below
    at = 0
    for other in range(len(distance)):
        value = distance[other]
        if value < limit:
            source[at] = first + other
            at += 1
        elif value == limit and level > 0:
            source[at] = first + other
            at += 1
            level -= 1


@njit()
def _rank(distance: Any, first: int, source: Any) -> None:
    """Sort by distance; equal ones stay in the order of their index."""
    for n in range(1, len(source)):
        row = source[n]
        value = distance[row - first]
        place = n
        while place > 0 and value < distance[source[place - 1] - first]:
            source[place] = source[place - 1]
            place -= 1
        source[place] = row
