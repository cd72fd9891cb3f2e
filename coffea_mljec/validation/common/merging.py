"""Coarser bins for small samples: neighbouring bins joined, so that every number is an exact sum of the fine ones."""

from __future__ import annotations

from typing import Any

import hist
import numpy as np
import numpy.typing as npt

__all__ = ["merged_axis", "starts_of_merged"]

_FILLED = 0.75
"""Bins stay as they are if this share of those that hold anything holds enough."""


def starts_of_merged(counts: npt.NDArray[np.integer], enough: int) -> list[int]:
    """Which bins begin a merged one, so that most bins hold enough entries.

    Bins are joined from the left until half of the curves hold enough; what is left at the end joins the last one.

    Parameters
    ----------
    counts : ndarray of int, shape (n_curves, n_bins)
        Entries of each curve, all of which get the same bins.
    enough : int
        Entries that a number needs.

    Returns
    -------
    list of int
        Ascending, from 0; all bins if the sample is large enough for them.
    """
    n_bins, filled = counts.shape[1], counts > 0
    if np.count_nonzero(counts >= enough) >= _FILLED * np.count_nonzero(filled):
        return list(range(n_bins))
    # Empty bins at either end stay by themselves: an axis ends where the entries end.
    first, last = np.flatnonzero(filled.any(axis=0))[[0, -1]].tolist()
    starts, held = [first], np.zeros(len(counts), np.int64)
    for number in range(first, last + 1):
        if np.median(held) >= enough:
            starts.append(number)
            held = np.zeros(len(counts), np.int64)
        held = held + counts[:, number]
    if len(starts) > 1 and np.median(held) < enough:
        starts.pop()
    return [*range(first), *starts, *range(last + 1, n_bins)]


def merged_axis(histogram: hist.Hist[Any], name: str, starts: list[int]) -> hist.Hist[Any]:
    """The histogram with the bins of one axis joined.

    Parameters
    ----------
    histogram : hist.Hist
        The axis is one of edges, without under- and overflow.
    name : str
        Of the axis.
    starts : list of int
        From `starts_of_merged`.
    """
    position = [axis.name for axis in histogram.axes].index(name)
    old = histogram.axes[position]
    edges = [*old.edges[starts].tolist(), float(old.edges[-1])]
    new = hist.axis.Variable(edges, name=name, label=old.label, flow=False)
    axes = [new if axis.name == name else axis for axis in histogram.axes]
    result: hist.Hist[Any] = hist.Hist(*axes, storage=histogram.storage_type())
    result.view(flow=True)[...] = np.add.reduceat(histogram.view(flow=True), starts, axis=position)
    return result
