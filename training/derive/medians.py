"""Weighted quantiles of many groups at once, and cells that hold enough jets each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cells", "effective", "group_quantiles", "make_cells", "medians"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MEDIAN_ERROR = 1.2533  # of a Gaussian's median, in sigma / sqrt(n)
_QUARTILES = 1.349  # between those of a Gaussian, in sigma
_SMALLEST_SPREAD = 1e-3


def group_quantiles(
    values: Floats,
    weight: Floats,
    group: Integers,
    n_groups: int,
    probabilities: tuple[float, ...],
    order: Integers | None = None,
) -> Floats:
    """Return quantiles of the weighted values of each group, linear between them: [n_groups, n_probabilities].

    Parameters
    ----------
    values, weight : float64 arrays [n]
        Weights of 0 do not count.
    group : int64 array [n]
        0 to ``n_groups`` - 1, or -1 for none. A group without values gives NaN.
    order : int64 array [n], optional
        ``numpy.lexsort((values, group))``, if it is known already.
    """
    rows = np.lexsort((values, group)) if order is None else order
    rows = rows[(group[rows] >= 0) & (weight[rows] > 0)]
    ordered, mass, owner = values[rows], weight[rows], group[rows]
    result = np.full((n_groups, len(probabilities)), np.nan)
    if len(rows) == 0:
        return result
    total = np.bincount(owner, mass, n_groups)
    first = np.searchsorted(owner, np.arange(n_groups + 1))
    running = np.cumsum(mass)
    before = np.concatenate([[0.0], running])[first[:-1]]
    # A value stands for the middle of its own weight; adding the group's number makes one ascending key of all groups.
    key = owner + np.clip((running - 0.5 * mass - before[owner]) / total[owner], 0.0, 1.0 - 1e-12)
    filled = np.flatnonzero(first[1:] > first[:-1])
    for column, probability in enumerate(probabilities):
        right = np.searchsorted(key, filled + probability)
        low = np.clip(right - 1, first[filled], first[filled + 1] - 1)
        high = np.clip(right, first[filled], first[filled + 1] - 1)
        step = key[high] - key[low]
        share = np.divide(filled + probability - key[low], step, out=np.zeros(len(filled)), where=step > 0)
        result[filled, column] = ordered[low] + np.clip(share, 0.0, 1.0) * (ordered[high] - ordered[low])
    return result


def medians(values: Floats, weight: Floats, group: Integers, n_groups: int) -> tuple[Floats, Floats]:
    """Return each group's median and its error, arrays [n_groups], from its quartiles and its effective number."""
    low, middle, high = group_quantiles(values, weight, group, n_groups, (0.25, 0.5, 0.75)).T
    spread = np.maximum((high - low) / _QUARTILES, _SMALLEST_SPREAD)
    return middle, _MEDIAN_ERROR * spread / np.sqrt(effective(weight, group, n_groups))


def effective(weight: Floats, group: Integers, n_groups: int) -> Floats:
    """Return each group's effective number of entries, (sum w)^2 / sum w^2; 0 where it is empty."""
    inside = group >= 0
    one = np.bincount(group[inside], weight[inside], n_groups)
    two = np.bincount(group[inside], weight[inside] ** 2, n_groups)
    return np.divide(one**2, two, out=np.zeros(n_groups), where=two > 0)


@dataclass(frozen=True)
class Cells:
    """Cells of |eta| and pT, each with enough jets.

    Attributes
    ----------
    group : int64 array [n_jets]
        The cell of each jet, -1 for none.
    row : int64 array [n_cells]
        Its bin of |eta|.
    abs_eta, log_pt : float64 arrays [n_cells]
        Weighted means of its jets.
    """

    group: Integers
    row: Integers
    abs_eta: Floats
    log_pt: Floats

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.row)


def make_cells(
    abs_eta: Floats, pt: Floats, weight: Floats, eta_edges: Floats, pt_edges: Floats, fewest: float
) -> Cells:
    """Join neighbouring bins of pT, within each bin of |eta|, until each cell holds ``fewest`` jets, effectively.

    What is left over at the upper end joins the last cell. A bin of |eta| with fewer jets altogether has no cell.
    """
    n_pt = len(pt_edges) - 1
    row = np.digitize(abs_eta, eta_edges) - 1
    column = np.digitize(pt, pt_edges) - 1
    inside = (row >= 0) & (row < len(eta_edges) - 1) & (column >= 0) & (column < n_pt) & (weight > 0)
    bin_of = np.where(inside, row * n_pt + column, -1)
    n_bins = (len(eta_edges) - 1) * n_pt
    one = np.bincount(bin_of[inside], weight[inside], n_bins)
    two = np.bincount(bin_of[inside], weight[inside] ** 2, n_bins)
    cell_of_bin = np.full(n_bins, -1, np.int64)
    rows: list[int] = []
    for eta_bin in range(len(eta_edges) - 1):
        start, sums = eta_bin * n_pt, np.zeros(2)
        begun_here = len(rows)
        for at in range(eta_bin * n_pt, (eta_bin + 1) * n_pt):
            sums += one[at], two[at]
            if sums[1] > 0 and sums[0] ** 2 / sums[1] >= fewest:
                cell_of_bin[start : at + 1] = len(rows)
                rows.append(eta_bin)
                start, sums = at + 1, np.zeros(2)
        if len(rows) > begun_here:
            cell_of_bin[start : (eta_bin + 1) * n_pt] = len(rows) - 1
    group = np.where(inside, cell_of_bin[np.maximum(bin_of, 0)], -1)
    kept = group >= 0
    mass = np.bincount(group[kept], weight[kept], len(rows))
    means = [np.bincount(group[kept], (weight * x)[kept], len(rows)) / mass for x in (abs_eta, np.log(pt))]
    return Cells(group, np.array(rows, np.int64), means[0], means[1])
