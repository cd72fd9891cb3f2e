"""Sums over each jet's rows, and a jet's values given back to its rows: the gradient of each is the other.

Always added in the same order. On a CPU by a numba kernel, all ways of weighing in one pass over the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.jit import njit
from training.networks.rows.kernels import spread_gradient
from training.networks.rows.segments import rows_of, segment_sums
from training.networks.standardisation import Standardisation

__all__ = ["jet_sums", "pool_weights", "share_columns", "to_rows"]


def share_columns(pooling: Sequence[str], standardisations: Mapping[str, Standardisation]) -> dict[str, int]:
    """Return where each collection has ``rel_pt``, the weight of pooling by pT; -1 where it is not needed.

    Raises
    ------
    InputError
        If a collection that is pooled by pT has no ``rel_pt``.
    """
    collections = [c for c in standardisations if c != "jet"]
    if "pt" not in pooling:
        return dict.fromkeys(collections, -1)
    if lacking := [c for c in collections if "rel_pt" not in standardisations[c].features]:
        raise InputError(f"pooling by pt needs rel_pt among the features of {', '.join(lacking)}: add it")
    return {c: standardisations[c].features.index("rel_pt") for c in collections}


def pool_weights(features: Tensor, pooling: Sequence[str], share: int) -> Tensor:
    """Return what each row [N, F] of a collection weighs in each way of pooling, [N, K]; see `share_columns`."""
    ones = features.new_ones(len(features))
    return torch.stack([features[:, share] if way == "pt" else ones for way in pooling], dim=1)


def jet_sums(rows: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
    """Return weighted sums over each jet's rows, [n, K C], one way of weighing after the other.

    Parameters
    ----------
    rows : Tensor [N, C]
        Rows of all jets.
    weights : Tensor [N, K]
        What each row weighs in each sum; has no gradient.
    offsets : Tensor, int64 [n + 1]
        The rows of each jet. A jet without rows has zeros.
    """
    if rows.device.type != "cpu":
        return torch.cat([segment_sums(rows * weight[:, None], offsets) for weight in weights.unbind(1)], dim=1)
    result: Tensor = _JetSums.apply(rows, weights, offsets)
    return result


def to_rows(values: Tensor, offsets: Tensor, n_rows: int) -> Tensor:
    """Return for every row what its jet has, [N, C].

    Parameters
    ----------
    values : Tensor [n, C]
        One row a jet.
    offsets : Tensor, int64 [n + 1]
        The rows of each jet.
    n_rows : int
        N, the last offset: a GPU must be waited for where it is not told.
    """
    result: Tensor = _ToRows.apply(values, offsets, n_rows)
    return result


class _JetSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
        ctx.weights, ctx.offsets = weights.detach().contiguous().numpy(), offsets.numpy()
        return _summed(rows, ctx.weights, ctx.offsets)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Any, ...]:
        ways = ctx.weights.shape[1]
        result = above.new_empty(len(ctx.weights), above.shape[1] // ways)
        spread_gradient(above.contiguous().numpy(), ctx.weights, ctx.offsets, result.numpy())
        return result, None, None


class _ToRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, offsets: Tensor, n_rows: int) -> Tensor:
        ctx.offsets = offsets
        return values.index_select(0, rows_of(offsets, n_rows))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Any, ...]:
        if above.device.type != "cpu":
            return segment_sums(above, ctx.offsets), None, None
        ones = np.ones((len(above), 1), above.numpy().dtype)
        return _summed(above, ones, ctx.offsets.numpy()), None, None


def _summed(rows: Tensor, weights: Any, offsets: Any) -> Tensor:
    out = rows.new_empty(len(offsets) - 1, weights.shape[1] * rows.shape[1])
    _sum(rows.detach().contiguous().numpy(), weights, offsets, out.numpy())
    return out


@njit()
def _sum(rows: Any, weights: Any, offsets: Any, out: Any) -> None:
    """Set out [n, K C] to the K sums over each jet's rows [N, C] of w times the row, w [N, K]."""
    width, ways = rows.shape[1], weights.shape[1]
    for j in range(len(offsets) - 1):
        for c in range(out.shape[1]):
            out[j, c] = 0
        for e in range(offsets[j], offsets[j + 1]):
            for k in range(ways):
                weight = weights[e, k]
                for c in range(width):
                    out[j, k * width + c] += weight * rows[e, c]
