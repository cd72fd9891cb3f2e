"""Rows of a jagged table, gathered in any order: the kernel between the prepared arrays and a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit

__all__ = ["gather_jagged"]


@njit()
def _copy_rows(
    content: NDArray[Any],
    offsets: NDArray[np.int64],
    jets: NDArray[np.int64],
    out: NDArray[Any],
    jet_of_row: NDArray[np.int64],
) -> None:
    at = 0
    width = content.shape[1]
    for j in range(len(jets)):
        for i in range(offsets[jets[j]], offsets[jets[j] + 1]):
            for k in range(width):
                out[at, k] = content[i, k]
            jet_of_row[at] = j
            at += 1


def gather_jagged(
    content: NDArray[np.float32], offsets: NDArray[np.int64], jets: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return the constituents of ``jets``, jet by jet.

    Parameters
    ----------
    content : float32 array, shape (N, F)
        All constituents, grouped by jet.
    offsets : int64 array, shape (n + 1,)
        Jet ``j`` owns rows ``offsets[j]:offsets[j + 1]``.
    jets : int64 array, shape (m,)
        Which jets, in which order; repeats are allowed.

    Returns
    -------
    rows : float32 array, shape (M, F)
    offsets : int64 array, shape (m + 1,)
        Of the gathered rows, from 0.
    jet_of_row : int64 array, shape (M,)
        Position in ``jets`` of each row.
    """
    counts = offsets[jets + 1] - offsets[jets]
    gathered = np.zeros(len(jets) + 1, np.int64)
    np.cumsum(counts, out=gathered[1:])
    out = np.empty((int(gathered[-1]), content.shape[1]), content.dtype)
    jet_of_row = np.empty(len(out), np.int64)
    _copy_rows(content, offsets, jets, out, jet_of_row)
    return out, gathered, jet_of_row
