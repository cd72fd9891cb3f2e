"""Batch norm with ReLU on flat rows in as few passes through memory as it takes, with or without the sum over a jet.

torch's operators pass over the rows twice as often and keep what left the norm; here what is summed is never written.
The plain form is `training.networks.layers.Block` by torch's operators, used on a GPU and in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from training.networks import norm_kernels
from training.networks.norm import gradient_of_norm, norm_of_sums
from training.networks.rows import kernels
from training.networks.threads import side_by_side

__all__ = ["NormReLU"]


class NormReLU(torch.autograd.Function):
    """``max(0, norm(z))`` with the norm's statistics of these rows, or the sums of that over each jet's rows."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, gain: Tensor, bias: Tensor, epsilon: float, pool: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the rows [N, C] or the sums [n, K C], and mean and variance of what entered.

        Parameters
        ----------
        ctx
            Of torch.
        z : Tensor [N, C]
            On the CPU; at least 2 rows.
        gain, bias : Tensor [C]
            The norm's parameters.
        epsilon : float
            Added to the variance.
        pool : tuple of Tensor or None
            Weights [N, K] and offsets int64 [n + 1], the rows of each jet: asks for K weighted sums. A jet without rows
            has zeros.
        """
        rows = z.contiguous().numpy()
        weights, ends = (None, None) if pool is None else (pool[0].contiguous().numpy(), pool[1].numpy())
        if weights is None or ends is None:
            out = torch.empty(z.shape, dtype=z.dtype)
        else:
            out = z.new_empty(len(ends) - 1, weights.shape[1] * z.shape[1])
        result = out.numpy()

        def measure(share: slice) -> NDArray[np.float64]:
            sums = np.zeros((2, rows.shape[1]))
            norm_kernels.add_sums(rows[share], sums[0], sums[1])
            return sums

        def activate(share: slice) -> None:
            if ends is None:
                norm_kernels.activate(rows[share], norm.gain, norm.bias, result[share])
            else:
                of_jets = ends[share.start : share.stop + 1]
                kernels.activate_and_sum(rows, weights, of_jets, norm.gain, norm.bias, result[share])

        with side_by_side() as run:
            norm = norm_of_sums(sum(run(measure, _shares(len(rows)))), len(rows), gain, bias, epsilon)
            run(activate, _shares(len(result)))
        ctx.norm, ctx.weights, ctx.offsets = norm, weights, ends
        ctx.save_for_backward(z)
        mean, variance = (torch.from_numpy(values).to(z.dtype) for values in (norm.mean, norm.variance))
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Any, ...]:
        """Return the gradients of z, gain and bias."""
        (z,) = ctx.saved_tensors
        rows, above, norm, ends = z.contiguous().numpy(), gradient.contiguous().numpy(), ctx.norm, ctx.offsets
        result = torch.empty(z.shape, dtype=z.dtype)
        g = result.numpy()

        def close(share: slice) -> NDArray[np.float64]:
            sums = np.zeros((2, rows.shape[1]))
            if ends is None:
                part = (rows[share], norm.gain, norm.bias, above[share], g[share])
                norm_kernels.open_gradient(*part, sums[0], sums[1])
                return sums
            of_jets = ends[share.start : share.stop + 1]
            mine = slice(int(of_jets[0]), int(of_jets[-1]))
            kernels.spread_gradient(above[share], ctx.weights, of_jets, g)
            norm_kernels.relu_gradient(rows[mine], norm.gain, norm.bias, g[mine], sums[0], sums[1])
            return sums

        def through_norm(slope: NDArray[Any], level: NDArray[Any]) -> Callable[[slice], None]:
            return lambda share: norm_kernels.norm_gradient(rows[share], norm.gain, slope, level, g[share])

        with side_by_side() as run:
            sums = sum(run(close, _shares(len(above))))
            of_gain, of_bias, slope, level = gradient_of_norm(sums, len(rows), norm)
            run(through_norm(slope, level), _shares(len(rows)))
        return result, *(torch.from_numpy(values).to(z.dtype) for values in (of_gain, of_bias)), None, None


def _shares(n: int) -> list[slice]:
    """Cut n rows or jets into one share for each of torch's threads."""
    threads = torch.get_num_threads()
    return [slice(i * n // threads, (i + 1) * n // threads) for i in range(threads)]
