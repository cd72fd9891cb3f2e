"""Nearest neighbours within each jet, on flat content + offsets: the edges of a ParticleNet.

Source: H. Qu, L. Gouskos, arXiv:1902.08570 (dynamic graph), with the rules of this project for small jets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.jit import njit

__all__ = ["edge_offsets", "nearest_neighbours"]


def nearest_neighbours(
    points: npt.NDArray[np.floating], offsets: npt.NDArray[np.int64], k: int
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

    Returns
    -------
    source : int64 array, shape (E,)
        The neighbours of row 0, of row 1, ...; each row's by rising distance, or by rising index where there is no
        choice.
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
    _fill(np.ascontiguousarray(points), offsets, starts, k, source)
    return source, starts


def edge_offsets(offsets: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.int64]:
    """Return where each row's edges begin, int64 array [N + 1], from the jets' offsets [n + 1]."""
    size = np.diff(offsets)
    starts = np.zeros(int(offsets[-1]) + 1, np.int64)
    np.cumsum(np.repeat(np.maximum(np.minimum(size - 1, k), 1), size), out=starts[1:])
    return starts


@njit()
def _fill(points: Any, offsets: Any, starts: Any, k: int, source: Any) -> None:
    width = points.shape[1]
    largest = 0
    for j in range(len(offsets) - 1):
        largest = max(largest, offsets[j + 1] - offsets[j])
    # Coordinates one after the other, so that the distances to all rows of a jet are added up side by side.
    turned = np.empty((width, largest), points.dtype)
    distance = np.empty(largest, points.dtype)
    best = np.empty(k, points.dtype)
    for j in range(len(offsets) - 1):
        first = offsets[j]
        size = offsets[j + 1] - first
        if size == 1:
            source[starts[first]] = first
            continue
        if size <= k + 1:
            for i in range(size):
                edge = starts[first + i]
                for other in range(size):
                    if other != i:
                        source[edge] = first + other
                        edge += 1
            continue
        for i in range(size):
            for c in range(width):
                turned[c, i] = points[first + i, c]
        for i in range(size):
            for other in range(size):
                distance[other] = 0
            for c in range(width):
                mine = turned[c, i]
                for other in range(size):
                    step = mine - turned[c, other]
                    distance[other] += step * step
            _nearest(distance, i, size, k, first, best, source[starts[first + i] : starts[first + i + 1]])


@njit()
def _nearest(distance: Any, own: int, size: int, k: int, first: int, best: Any, source: Any) -> None:
    """Keep the k smallest distances in order; equal ones stay in the order of their index."""
    kept = 0
    for other in range(size):
        if other == own:
            continue
        value = distance[other]
        if value != value:
            value = distance.dtype.type(np.inf)
        if kept == k and not value < best[k - 1]:
            continue
        place = min(kept, k - 1)
        while place > 0 and value < best[place - 1]:
            best[place] = best[place - 1]
            source[place] = source[place - 1]
            place -= 1
        best[place] = value
        source[place] = first + other
        kept = min(kept + 1, k)
