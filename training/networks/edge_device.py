"""The layers on edges on a GPU: `training.networks.edge_pass` with all edges at once, in Triton kernels.

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

from training.networks.neighbours import Edges

__all__ = ["DevicePass", "device_means"]

#: Numbers of a block that a program holds at a time.
_BLOCK = 4096
#: Blocks that a program adds up.
_STEPS = 16


class DevicePass(torch.autograd.Function):
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
            As of `EdgePass.forward`.
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
            # In double precision: the variance is a small difference of large sums.
            sums = kernels.forward_sums(z, gains[layer]) / len(edges.source)
            average, variance = sums[0], (sums[1] - sums[0] ** 2).clamp(min=0.0)
            slope = gains[layer].double() * torch.rsqrt(variance + epsilon[layer])
            norm = torch.stack([slope, biases[layer].double() - average * slope]).float()
            norms.append(norm)
            statistics += [average.to(own.dtype), variance.to(own.dtype)]
            if layer < len(weights):
                y = kernels.activate(z, norm, kind)
                kept.append(y)
                z = y @ cast[layer].T
                kept.append(z)
        out = kernels.mean(z, norms[-1])
        ctx.edges, ctx.epsilon, ctx.norms = edges, epsilon, norms
        ctx.save_for_backward(own, other, *statistics, *gains, *cast, *kept)
        ctx.mark_non_differentiable(*statistics)
        return (out, *statistics)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Any, ...]:
        """Return the gradients of own, other and the parameters."""
        n_norms, n_edges = len(ctx.norms), len(ctx.edges.source)
        own, other, *saved = ctx.saved_tensors
        statistics, gains = saved[: 2 * n_norms], saved[2 * n_norms : 3 * n_norms]
        weights, kept = saved[3 * n_norms : 4 * n_norms - 1], saved[4 * n_norms - 1 :]
        kernels = _Kernels(ctx.edges, own, other)
        g, pooled = gradient.contiguous(), True
        shifts, scales, weight_gradients = [], [], []
        for layer in range(n_norms - 1, -1, -1):
            z = kept[2 * layer - 1] if layer else None
            norm = ctx.norms[layer]
            sums = kernels.gradient_sums(z, norm, g, pooled)
            average, variance = (values.double() for values in statistics[2 * layer : 2 * layer + 2])
            inverse = torch.rsqrt(variance + ctx.epsilon[layer])
            of_gain = (sums[1] - average * sums[0]) * inverse
            gain, lean = norm[0].double(), of_gain / n_edges * inverse
            tilt = torch.stack([-gain * lean, gain * (average * lean - sums[0] / n_edges)]).float()
            scales.append(of_gain.to(gains[layer].dtype))
            shifts.append(sums[0].to(gains[layer].dtype))
            if z is None:
                gradients = kernels.scatter(norm, tilt, g, pooled)
                break
            g = kernels.norm_gradient(z, norm, tilt, g, pooled)
            weight_gradients.append((g.T @ kept[2 * layer - 2]).to(gains[layer].dtype))
            g, pooled = g @ weights[layer - 1], False
        return (
            None, None, None, *gradients, *reversed(scales), *reversed(shifts), *reversed(weight_gradients),
        )  # fmt: skip


def device_means(
    edges: Edges,
    own: Tensor,
    other: Tensor,
    affine: Sequence[Tensor],
    weights: Sequence[Tensor],
    half: torch.dtype | None,
) -> Tensor:
    """Return the means [N, C] with norms that are known; see `training.networks.edge_pass.edge_means`.

    Parameters
    ----------
    edges, own, other, weights
        As there.
    affine : sequence of Tensor [2, C]
        Gain and bias of every norm, its statistics included.
    half : torch.dtype or None
        See `DevicePass`.
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
        programs = -(-len(self.edges.source) // (size * _STEPS))
        return programs, self.own.new_empty(programs, 2, width), blocks | {"BLOCK_E": size, "STEPS": _STEPS}

    def forward_sums(self, z: Tensor | None, gain: Tensor) -> Tensor:
        """Return the sums of z and of its squares, double [2, C]."""
        from training.networks import edge_triton

        programs, sums, blocks = self._sums(len(gain))
        edge_triton.forward_sums[(programs,)](
            *self._of_edges(z), len(self.edges.source), sums, **blocks, GATHERED=z is None
        )
        return sums.double().sum(0)

    def activate(self, z: Tensor | None, norm: Tensor, kind: torch.dtype) -> Tensor:
        """Return what leaves norm and ReLU, [E, C]."""
        from training.networks import edge_triton

        size, blocks = self._blocks(norm.shape[1])
        n = len(self.edges.source)
        y = self.own.new_empty(n, norm.shape[1], dtype=kind)
        edge_triton.activate[(-(-n // size),)](
            *self._of_edges(z), n, norm, y, **blocks, BLOCK_E=size, GATHERED=z is None
        )
        return y

    def mean(self, z: Tensor | None, norm: Tensor) -> Tensor:
        """Return the mean over every row's edges of what leaves norm and ReLU, [N, C]."""
        from training.networks import edge_triton

        size, blocks = self._blocks(norm.shape[1])
        size = max(size // 4, 1)
        n = len(self.own)
        out = self.own.new_empty(n, norm.shape[1])
        edge_triton.mean[(-(-n // size),)](
            *self._of_edges(z), self.edges.starts, n, norm, out, **blocks, BLOCK_R=size, GATHERED=z is None
        )
        return out

    def gradient_sums(self, z: Tensor | None, norm: Tensor, g: Tensor, pooled: bool) -> Tensor:
        """Return the sums of g and of g z between norm and ReLU, double [2, C]."""
        from training.networks import edge_triton

        programs, sums, blocks = self._sums(norm.shape[1])
        edge_triton.gradient_sums[(programs,)](
            *self._of_edges(z), self.edges.starts, len(self.edges.source), norm, g, sums, **blocks,
            GATHERED=z is None, POOLED=pooled,
        )  # fmt: skip
        return sums.double().sum(0)

    def norm_gradient(self, z: Tensor, norm: Tensor, tilt: Tensor, g: Tensor, pooled: bool) -> Tensor:
        """Return the gradient before the norm [E, C], in place of g where that is of edges."""
        from training.networks import edge_triton

        size, blocks = self._blocks(norm.shape[1])
        out = torch.empty_like(z) if pooled else g
        edge_triton.norm_gradient[(-(-len(z) // size),)](
            z, self.target, self.edges.starts, len(z), norm, tilt, g, out, **blocks, BLOCK_E=size, POOLED=pooled
        )
        return out

    def scatter(self, norm: Tensor, tilt: Tensor, g: Tensor, pooled: bool) -> tuple[Tensor, Tensor]:
        """Return the gradients of own and other, [N, C]."""
        from training.networks import edge_triton

        size, blocks = self._blocks(norm.shape[1])
        size = max(size // 4, 1)
        n = len(self.own)
        own, other = torch.empty_like(self.own), torch.zeros_like(self.other)
        edge_triton.scatter[(-(-n // size),)](
            self.own, self.other, self.edges.source, self.edges.starts, n, norm, tilt, g, own, other,
            **blocks, BLOCK_R=size, POOLED=pooled,
        )  # fmt: skip
        return own, other
