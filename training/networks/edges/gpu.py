"""The layers on edges on a GPU: `training.networks.edges.cpu` with all edges at once, in Triton kernels.

torch's own operators pass over the edges twice as often; here a norm costs one pass for its sums and one for what
leaves it, in half precision where that is asked for: sums, statistics and gradients of parameters stay in single
precision. triton comes with torch's builds for GPUs; without it `EdgeConv.plain` does the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from training.networks.edges.neighbours import Edges

__all__ = ["EdgesOnGPU", "means_on_gpu"]

#: Numbers of a block that a program holds at a time.
_BLOCK = 4096
#: Blocks that a program adds up.
_STEPS = 32


class EdgesOnGPU(torch.autograd.Function):
    """Mean over each row's edges of norm, ReLU, dense, norm, ReLU, ...; norms with the statistics of these edges."""

    @staticmethod
    def forward(
        ctx: Any, edges: Edges, epsilon: tuple[float, ...], half: torch.dtype | None,
        own: Tensor, other: Tensor, *parameters: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """Return the means [N, C], and for every norm the mean and the variance of what entered it.

        Parameters
        ----------
        ctx
            Of torch.
        edges, epsilon, own, other, *parameters
            As of `EdgesOnCPU.forward`.
        half : torch.dtype or None
            Precision of what is kept of every edge and of the products; None: single.
        """
        n_norms = len(epsilon)
        gains, biases, weights = parameters[:n_norms], parameters[n_norms : 2 * n_norms], parameters[2 * n_norms :]
        kind = half or own.dtype
        own, other = own.contiguous(), other.contiguous()
        kernels = _Kernels(edges, own, other)
        cast = [weight.to(kind) for weight in weights]
        z: Tensor | None = None
        kept: list[Tensor] = []
        norms, statistics = [], []
        for layer in range(n_norms):
            norm, found = kernels.norm(z, gains[layer], biases[layer], epsilon[layer])
            norms.append(norm)
            statistics.append(found)
            if layer < len(weights):
                y = kernels.activate(z, norm, kind)
                kept.append(y)
                z = y @ cast[layer].T
                kept.append(z)
        out = kernels.mean(z, norms[-1])
        ctx.edges, ctx.epsilon, ctx.norms, ctx.statistics = edges, epsilon, norms, statistics
        ctx.save_for_backward(own, other, *cast, *kept)
        told = [values for found in statistics for values in found.unbind(0)]
        ctx.mark_non_differentiable(*told)
        return (out, *told)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Any, ...]:
        """Return the gradients of own, other and the parameters."""
        n_norms = len(ctx.norms)
        own, other, *saved = ctx.saved_tensors
        weights, kept = saved[: n_norms - 1], saved[n_norms - 1 :]
        kernels = _Kernels(ctx.edges, own, other)
        g, pooled = gradient.contiguous(), True
        shifts, scales, weight_gradients = [], [], []
        for layer in range(n_norms - 1, -1, -1):
            z = kept[2 * layer - 1] if layer else None
            norm = ctx.norms[layer]
            of_norm, tilt = kernels.gradient(z, norm, ctx.statistics[layer], ctx.epsilon[layer], g, pooled)
            scale, shift = of_norm.unbind(0)
            scales.append(scale)
            shifts.append(shift)
            if z is None:
                gradients = kernels.scatter(norm, tilt, g, pooled)
                break
            g = kernels.norm_gradient(z, norm, tilt, g, pooled)
            weight_gradients.append((g.T @ kept[2 * layer - 2]).to(own.dtype))
            g, pooled = g @ weights[layer - 1], False
        return (
            None, None, None, *gradients, *reversed(scales), *reversed(shifts), *reversed(weight_gradients),
        )  # fmt: skip


def means_on_gpu(
    edges: Edges,
    own: Tensor,
    other: Tensor,
    affine: Sequence[Tensor],
    weights: Sequence[Tensor],
    half: torch.dtype | None,
) -> Tensor:
    """Return the means [N, C] with norms that are known; see `training.networks.edges.cpu.means_on_cpu`.

    Parameters
    ----------
    edges, own, other, weights
        As there.
    affine : sequence of Tensor [2, C]
        Gain and bias of every norm, its statistics included.
    half : torch.dtype or None
        See `EdgesOnGPU`.
    """
    kernels, kind = _Kernels(edges, own.contiguous(), other.contiguous()), half or own.dtype
    z: Tensor | None = None
    for norm, weight in zip(affine, weights, strict=False):
        z = kernels.activate(z, norm, kind) @ weight.to(kind).T
    return kernels.mean(z, affine[-1])


class _Kernels:
    """The kernels with the edges that they run on; ``z`` None stands for what enters the first norm."""

    def __init__(self, edges: Edges, own: Tensor, other: Tensor) -> None:
        self.edges = edges
        self.own = own
        self.other = other
        self.target = edges.target

    def _of_edges(self, z: Tensor | None) -> tuple[Tensor, ...]:
        return (self.own if z is None else z), self.own, self.other, self.target, self.edges.source

    def _blocks(self, width: int) -> tuple[int, dict[str, int]]:
        from triton import next_power_of_2

        columns = max(next_power_of_2(width), 16)
        return max(_BLOCK // columns, 1), {"WIDTH": width, "BLOCK_C": columns}

    def _sums(self, width: int) -> tuple[int, Tensor, dict[str, int]]:
        size, blocks = self._blocks(width)
        parts = -(-len(self.edges.source) // (size * _STEPS))
        return parts, self.own.new_empty(parts, 2, width), blocks | {"BLOCK_E": size, "STEPS": _STEPS, "num_warps": 8}

    def norm(self, z: Tensor | None, gain: Tensor, bias: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
        """Return a norm as gain and bias, and mean and variance of what enters it, [2, C] each."""
        from training.networks.edges import gpu_kernels

        parts, sums, blocks = self._sums(len(gain))
        n = len(self.edges.source)
        gpu_kernels.forward_sums[(parts,)](*self._of_edges(z), n, sums, **blocks, GATHERED=z is None)
        norm, statistics = gain.new_empty(2, 2, len(gain))
        grid, blocks = self._finishing(len(gain))
        gpu_kernels.finish_norm[grid](sums, parts, n, gain, bias, epsilon, norm, statistics, **blocks)
        return norm, statistics

    def gradient(
        self, z: Tensor | None, norm: Tensor, statistics: Tensor, epsilon: float, g: Tensor, pooled: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients of a norm's gain and bias, slope and level of the gradient before it, [2, C] each."""
        from training.networks.edges import gpu_kernels

        parts, sums, blocks = self._sums(norm.shape[1])
        n = len(self.edges.source)
        gpu_kernels.gradient_sums[(parts,)](
            *self._of_edges(z), self.edges.starts, n, norm, g, sums, **blocks, GATHERED=z is None, POOLED=pooled
        )
        of_norm, tilt = norm.new_empty(2, *norm.shape)
        grid, blocks = self._finishing(norm.shape[1])
        gpu_kernels.finish_gradient[grid](sums, parts, n, norm, statistics, epsilon, of_norm, tilt, **blocks)
        return of_norm, tilt

    def _finishing(self, width: int) -> tuple[tuple[int], dict[str, int]]:
        return (-(-width // 16),), {"WIDTH": width, "BLOCK_C": 16, "BLOCK_P": 128}

    def activate(self, z: Tensor | None, norm: Tensor, kind: torch.dtype) -> Tensor:
        """Return what leaves norm and ReLU, [E, C]."""
        from training.networks.edges import gpu_kernels

        size, blocks = self._blocks(norm.shape[1])
        n = len(self.edges.source)
        y = self.own.new_empty(n, norm.shape[1], dtype=kind)
        gpu_kernels.activate[(-(-n // size),)](
            *self._of_edges(z), n, norm, y, **blocks, BLOCK_E=size, GATHERED=z is None
        )
        return y

    def mean(self, z: Tensor | None, norm: Tensor) -> Tensor:
        """Return the mean over every row's edges of what leaves norm and ReLU, [N, C]."""
        from training.networks.edges import gpu_kernels

        size, blocks = self._blocks(norm.shape[1])
        size = max(size // 4, 1)
        n = len(self.own)
        out = self.own.new_empty(n, norm.shape[1])
        gpu_kernels.mean[(-(-n // size),)](
            *self._of_edges(z), self.edges.starts, n, norm, out, **blocks, BLOCK_R=size, GATHERED=z is None
        )
        return out

    def norm_gradient(self, z: Tensor, norm: Tensor, tilt: Tensor, g: Tensor, pooled: bool) -> Tensor:
        """Return the gradient before the norm [E, C], in place of g where that is of edges."""
        from training.networks.edges import gpu_kernels

        size, blocks = self._blocks(norm.shape[1])
        out = torch.empty_like(z) if pooled else g
        gpu_kernels.norm_gradient[(-(-len(z) // size),)](
            z, self.target, self.edges.starts, len(z), norm, tilt, g, out, **blocks, BLOCK_E=size, POOLED=pooled
        )
        return out

    def scatter(self, norm: Tensor, tilt: Tensor, g: Tensor, pooled: bool) -> tuple[Tensor, Tensor]:
        """Return the gradients of own and other, [N, C]."""
        from training.networks.edges import gpu_kernels

        size, blocks = self._blocks(norm.shape[1])
        size = max(size // 4, 1)
        n = len(self.own)
        own, other = torch.empty_like(self.own), torch.zeros_like(self.other)
        gpu_kernels.scatter[(-(-n // size),)](
            self.own, self.other, self.edges.source, self.edges.starts, n, norm, tilt, g, own, other,
            **blocks, BLOCK_R=size, POOLED=pooled,
        )  # fmt: skip
        return own, other
