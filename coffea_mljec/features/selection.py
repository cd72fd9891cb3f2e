"""Which constituents of a jet a network reads, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.flat import Constituents
from coffea_mljec.numerics.jit import njit

__all__ = ["select"]

Index = npt.NDArray[np.int64]


def select(
    constituents: Constituents,
    order_by: str,
    minimum_puppi_weight: float | None = None,
    at_most: int | None = None,
) -> Constituents:
    """Return a jet's constituents with the largest first, without those that weigh little, and not more than a number.

    Parameters
    ----------
    constituents : Constituents
        With the quantity ``order_by``.
    order_by : str
        Whose absolute value orders them; equal ones, and NaN at the end, keep the order that they have.
    minimum_puppi_weight : float, optional
        Candidates below it are left out; there must be a ``puppi_weight`` then.
    at_most : int, optional
        Constituents beyond this number are left out.
    """
    key = np.abs(_values(constituents, order_by))
    if minimum_puppi_weight is None:
        keep = np.ones(len(key), np.bool_)
    else:
        keep = _values(constituents, "puppi_weight") >= minimum_puppi_weight
    order, offsets = _ordered(key, keep, constituents.offsets, len(key) if at_most is None else at_most)
    links = None if constituents.links is None else constituents.links[order]
    return replace(constituents, index=constituents.index[order], offsets=offsets, links=links)


def _values(constituents: Constituents, quantity: str) -> npt.NDArray[np.float64]:
    values: npt.NDArray[Any] = constituents.columns[quantity][constituents.rows(quantity)]
    return values.astype(np.float64)


@njit()
def _ordered(
    key: npt.NDArray[np.float64], keep: npt.NDArray[np.bool_], offsets: Index, at_most: int
) -> tuple[Index, Index]:
    """Positions of the rows that stay, jet by jet, and the offsets of these."""
    order = np.empty(len(key), np.int64)
    new = np.zeros(len(offsets), np.int64)
    count = 0
    for jet in range(len(offsets) - 1):
        begin, end = offsets[jet], offsets[jet + 1]
        ranks = np.argsort(-key[begin:end], kind="mergesort")
        taken = 0
        for rank in ranks:
            if taken < at_most and keep[begin + rank]:
                order[count] = begin + rank
                count += 1
                taken += 1
        new[jet + 1] = count
    return order[:count], new
