"""The layers on edges on a CPU, tile by tile: a tile of edges stays in a core's cache through norm, ReLU and product.

torch's own operators would go through memory ten times a layer and keep every result for the gradient. Here only what
enters each norm is kept; what leaves it is computed again on the way back. The plain form, the reference in the tests,
is `training.networks.edges.convolution.EdgeConv.plain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from training.networks import norm_kernels
from training.networks.edges import cpu_kernels as kernels
from training.networks.edges.neighbours import Edges
from training.networks.edges.tiles import Rows, longest, shares_of
from training.networks.norm import Norm, gradient_of_norm, norm_of_sums
from training.networks.threads import side_by_side

__all__ = ["EdgesOnCPU", "means_on_cpu"]


class EdgesOnCPU(torch.autograd.Function):
    """Mean over each row's edges of norm, ReLU, dense, norm, ReLU, ...; norms with the statistics of these edges."""

    @staticmethod
    def forward(
        ctx: Any, edges: Edges, epsilon: tuple[float, ...], own: Tensor, other: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the means [N, C], and for every norm the mean and the variance of what entered it.

        Parameters
        ----------
        ctx
            Of torch.
        edges : Edges
            At least 2.
        epsilon : tuple of float
            Of every norm.
        own, other : Tensor [N, C_1]
            What enters the first norm is their sum.
        *parameters : Tensor
            Gains of all norms, biases of all norms, weights [out, in] of the dense layers between.
        """
        n_norms, n_edges = len(epsilon), len(edges.source)
        gains, biases, weights = parameters[:n_norms], parameters[n_norms : 2 * n_norms], parameters[2 * n_norms :]
        shares = shares_of(edges, max(len(gain) for gain in gains))
        work = _Forward(edges, own, other, gains, weights)
        statistics: list[Tensor] = []
        norms: list[Norm] = []
        with side_by_side() as run:
            sums = sum(run(work.first_sums, shares))
            for layer in range(n_norms):
                norm = norm_of_sums(sums, n_edges, gains[layer], biases[layer], epsilon[layer])
                norms.append(norm)
                statistics += [torch.from_numpy(values).to(own.dtype) for values in (norm.mean, norm.variance)]
                sums = sum(run(partial(work.through, layer, norm), shares))
        ctx.edges, ctx.norms, ctx.shares = edges, norms, shares
        ctx.save_for_backward(own, other, *parameters, *work.entered.later)
        ctx.mark_non_differentiable(*statistics)
        return (work.out, *statistics)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Any, ...]:
        """Return the gradients of own, other and the parameters."""
        norms: list[Norm] = ctx.norms
        n_norms, n_edges = len(norms), len(ctx.edges.source)
        own, other, *saved = ctx.saved_tensors
        gains, weights, entered = saved[:n_norms], saved[2 * n_norms : 3 * n_norms - 1], saved[3 * n_norms - 1 :]
        work = _Backward(_Entered(ctx.edges, own, other, entered), norms, gains, weights, gradient)
        shifts, scales, weight_gradients = [], [], []
        with side_by_side() as run:
            sums = sum(run(work.last_sums, ctx.shares))
            for layer in range(n_norms - 1, -1, -1):
                scale, shift, slope, level = gradient_of_norm(sums, n_edges, norms[layer])
                scales.append(torch.from_numpy(scale).to(own.dtype))
                shifts.append(torch.from_numpy(shift).to(own.dtype))
                if layer == 0:
                    run(partial(work.to_rows, slope, level), ctx.shares)
                    break
                with work.between(layer):
                    parts = run(partial(work.through, layer, slope, level), ctx.shares)
                sums = sum(part for part, _ in parts)
                weight_gradients.append(sum(part for _, part in parts))
        return (
            None, None, work.own, work.other, *reversed(scales), *reversed(shifts), *reversed(weight_gradients),
        )  # fmt: skip


class _Entered:
    """What enters every norm: kept for the later ones; the first one's is gathered anew wherever it is needed."""

    def __init__(self, edges: Edges, own: Tensor, other: Tensor, later: Sequence[Tensor]) -> None:
        self.source, self.starts = edges.source.numpy(), edges.starts.numpy()
        self.own, self.other, self.later = own, other, later
        self._own, self._other = own.contiguous().numpy(), other.contiguous().numpy()

    def __call__(self, layer: int, first: int, last: int, buffer: Tensor) -> Tensor:
        """Return it for the edges of the rows first to last, in the buffer where it is not kept."""
        begin, end = self.starts[first], self.starts[last]
        if layer:
            return self.later[layer - 1][begin:end]
        z = buffer[: end - begin]
        kernels.gather(self._own, self._other, self.source, self.starts, first, last, z.numpy())
        return z

    def buffer(self, tiles: Sequence[Rows], like: Tensor) -> Tensor:
        """Return room for the edges of the largest tile, as wide as the vector ``like`` is long."""
        return like.new_empty(longest(self.starts, tiles), len(like))


class _Forward:
    """The steps of the way forward, each on some tiles."""

    def __init__(
        self, edges: Edges, own: Tensor, other: Tensor, gains: Sequence[Tensor], weights: Sequence[Tensor]
    ) -> None:
        later = [own.new_empty(len(edges.source), len(weight)) for weight in weights]
        self.entered = _Entered(edges, own, other, later)
        self.gains, self.weights = gains, weights
        self.out = own.new_empty(len(own), len(gains[-1]))

    def first_sums(self, tiles: Sequence[Rows]) -> NDArray[np.float64]:
        """Return the sums of what enters the first norm and of its squares, [2, C]."""
        sums, buffer = np.zeros((2, len(self.gains[0]))), self.entered.buffer(tiles, self.gains[0])
        for first, last in tiles:
            norm_kernels.add_sums(self.entered(0, first, last, buffer).numpy(), sums[0], sums[1])
        return sums

    def through(self, layer: int, norm: Norm, tiles: Sequence[Rows]) -> NDArray[np.float64]:
        """Take edges through a norm, its ReLU and the product after it; return the sums of what enters the next norm.

        After the last norm there is the mean over each row's edges, and no sum.
        """
        weights, like = self.weights, self.gains[layer]
        sums = np.zeros((2, len(weights[layer]) if layer < len(weights) else 0))
        buffer, activated = self.entered.buffer(tiles, like), self.entered.buffer(tiles, like)
        for first, last in tiles:
            z = self.entered(layer, first, last, buffer)
            y = activated[: len(z)]
            norm_kernels.activate(z.numpy(), norm.gain, norm.bias, y.numpy())
            if layer == len(weights):
                kernels.mean(y.numpy(), self.entered.starts, first, last, self.out.numpy())
            else:
                z = torch.mm(y, weights[layer].T, out=self.entered(layer + 1, first, last, buffer))
                norm_kernels.add_sums(z.numpy(), sums[0], sums[1])
        return sums


class _Backward:
    """The steps of the way back, each on some tiles.

    Attributes
    ----------
    own, other : Tensor [N, C_1]
        The gradients of what enters the first norm.
    """

    def __init__(
        self, entered: _Entered, norms: Sequence[Norm], gains: Sequence[Tensor], weights: Sequence[Tensor],
        gradient: Tensor,
    ) -> None:  # fmt: skip
        self.entered, self.norms, self.gains, self.weights = entered, norms, gains, weights
        self.above = gradient.contiguous().numpy()
        self.own, self.other = torch.empty_like(entered.own), torch.zeros_like(entered.other)
        # The gradient after each norm and before its ReLU, of the layer under way and the one below.
        self.kept: dict[int, Tensor] = {}
        self._keep(len(norms) - 1)

    def _keep(self, layer: int) -> None:
        self.kept[layer] = self.entered.own.new_empty(len(self.entered.source), len(self.gains[layer]))

    @contextmanager
    def between(self, layer: int) -> Iterator[None]:
        """Make room for the gradient of the layer below, and give this layer's back afterwards."""
        self._keep(layer - 1)
        yield
        del self.kept[layer]

    def _gradient(self, layer: int, first: int, last: int) -> Tensor:
        return self.kept[layer][self.entered.starts[first] : self.entered.starts[last]]

    def _close(self, layer: int, z: Tensor, g: Tensor, sums: NDArray[np.float64]) -> None:
        norm = self.norms[layer]
        norm_kernels.relu_gradient(z.numpy(), norm.gain, norm.bias, g.numpy(), sums[0], sums[1])

    def last_sums(self, tiles: Sequence[Rows]) -> NDArray[np.float64]:
        """Share the gradient of the means among edges; return the sums of it and of g z at the last norm, [2, C]."""
        layer = len(self.norms) - 1
        sums, buffer = np.zeros((2, len(self.gains[layer]))), self.entered.buffer(tiles, self.gains[layer])
        for first, last in tiles:
            z, g = self.entered(layer, first, last, buffer), self._gradient(layer, first, last)
            kernels.spread(self.above, self.entered.starts, first, last, g.numpy())
            self._close(layer, z, g, sums)
        return sums

    def through(
        self, layer: int, slope: NDArray[Any], level: NDArray[Any], tiles: Sequence[Rows]
    ) -> tuple[NDArray[np.float64], Tensor]:
        """Take the gradient through a norm, the product before it, and the ReLU before that.

        Returns
        -------
        sums : float64 array [2, C]
            Of the gradient and of g z at the norm below.
        weight : Tensor [out, in]
            The gradient of the product's weight.
        """
        below = layer - 1
        buffer, lower = (self.entered.buffer(tiles, self.gains[one]) for one in (layer, below))
        activated = torch.empty_like(lower)
        sums, weight = np.zeros((2, len(self.gains[below]))), torch.zeros_like(self.weights[below])
        for first, last in tiles:
            g = self._gradient(layer, first, last)
            z = self.entered(layer, first, last, buffer)
            norm_kernels.norm_gradient(z.numpy(), self.norms[layer].gain, slope, level, g.numpy())
            z = self.entered(below, first, last, lower)
            y = activated[: len(z)]
            norm_kernels.activate(z.numpy(), self.norms[below].gain, self.norms[below].bias, y.numpy())
            weight.addmm_(g.T, y)
            g = torch.mm(g, self.weights[below], out=self._gradient(below, first, last))
            self._close(below, z, g, sums)
        return sums, weight

    def to_rows(self, slope: NDArray[Any], level: NDArray[Any], tiles: Sequence[Rows]) -> None:
        """Take the gradient through the first norm and add it up by row, in `own` and `other`."""
        source, starts = self.entered.source, self.entered.starts
        buffer = self.entered.buffer(tiles, self.gains[0])
        for first, last in tiles:
            z, g = self.entered(0, first, last, buffer).numpy(), self._gradient(0, first, last).numpy()
            norm_kernels.norm_gradient(z, self.norms[0].gain, slope, level, g)
            kernels.scatter(g, source, starts, first, last, self.own.numpy(), self.other.numpy())


def means_on_cpu(
    edges: Edges,
    own: Tensor,
    other: Tensor,
    affine: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    weights: Sequence[Tensor],
) -> Tensor:
    """Return the means [N, C] with norms that are known: nothing is kept, every tile passes through all layers.

    Parameters
    ----------
    edges : Edges
        The edges.
    own, other : Tensor [N, C_1]
        What enters the first norm is their sum.
    affine : sequence of (gain, bias)
        Of every norm, its statistics included.
    weights : sequence of Tensor [out, in]
        Of the dense layers between the norms.
    """
    entering = _Entered(edges, own, other, ())
    sizes = [own.shape[1], *(len(weight) for weight in weights)]
    out = own.new_empty(len(own), sizes[-1])

    def work(tiles: Sequence[Rows]) -> None:
        entered = [own.new_empty(longest(entering.starts, tiles), size) for size in sizes]
        left = [torch.empty_like(buffer) for buffer in entered]
        for first, last in tiles:
            n = len(entering(0, first, last, entered[0]))
            for layer, (gain, bias) in enumerate(affine):
                y = left[layer][:n]
                norm_kernels.activate(entered[layer][:n].numpy(), gain, bias, y.numpy())
                if layer < len(weights):
                    torch.mm(y, weights[layer].T, out=entered[layer + 1][:n])
            kernels.mean(y.numpy(), entering.starts, first, last, out.numpy())

    with side_by_side() as run:
        run(work, shares_of(edges, max(sizes)))
    return out
