"""Rows and the jets that they belong to, on any device and without waiting for it."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["rows_of", "segment_sums"]


def rows_of(offsets: Tensor, n_rows: int | None = None) -> Tensor:
    """Return the jet of every row, int64 [N], from offsets [n + 1].

    Parameters
    ----------
    offsets : Tensor, int64 [n + 1]
        The rows of each jet.
    n_rows : int, optional
        The last offset: a GPU must be waited for where it is not told.
    """
    return torch.repeat_interleave(offsets.diff(), output_size=n_rows)


def segment_sums(x: Tensor, offsets: Tensor) -> Tensor:
    """Return the sums of each jet's rows, [n, C]: always added in the same order, unlike ``index_add`` on a GPU.

    Parameters
    ----------
    x : Tensor [N, C]
        Rows.
    offsets : Tensor, int64 [n + 1]
        The rows of each jet; one without rows has zeros.
    """
    return torch.segment_reduce(x, "sum", offsets=offsets, axis=0, unsafe=True, initial=0)
