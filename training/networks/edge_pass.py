"""The layers on edges, tile by tile: a tile of edges stays in a core's cache while it passes norm, ReLU and product.

torch's own operators would go through memory ten times a layer and keep every result for the gradient. Here only what
enters each norm is kept; what leaves it is computed again on the way back. The plain form, used on a GPU and as the
reference in the tests, is `training.networks.edgeconv.EdgeConv.plain`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from training.networks import edge_kernels as kernels
from training.networks.neighbours import Edges
from training.networks.norm import Norm, gradient_of_norm, norm_of_sums
from training.networks.threads import side_by_side

__all__ = ["EdgePass", "edge_means", "tiles_of"]

#: Numbers in a tile of edges: 256 kB in single precision, half of a core's second-level cache.
_TILE = 2**16

Rows = tuple[int, int]


class EdgePass(torch.autograd.Function):
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
        n_norms = len(epsilon)
        gains, biases, weights = parameters[:n_norms], parameters[n_norms : 2 * n_norms], parameters[2 * n_norms :]
        n_edges = len(edges.source)
        source, starts = edges.source.numpy(), edges.starts.numpy()
        shares = _shares(edges, max(len(gain) for gain in gains))
        own_rows, other_rows = own.contiguous().numpy(), other.contiguous().numpy()
        # What enters each norm after the first; the first's is gathered anew wherever it is needed.
        entered = [own.new_empty(n_edges, len(weight)) for weight in weights]
        statistics: list[Tensor] = []
        norms: list[Norm] = []
        out = own.new_empty(len(own), len(gains[-1]))

        def tile(layer: int, first: int, last: int, buffer: Tensor) -> Tensor:
            begin, end = starts[first], starts[last]
            if layer:
                return entered[layer - 1][begin:end]
            z = buffer[: end - begin]
            kernels.gather(own_rows, other_rows, source, starts, first, last, z.numpy())
            return z

        def measure(tiles: Sequence[Rows]) -> NDArray[np.float64]:
            sums, buffer = np.zeros((2, own.shape[1])), _buffer(starts, tiles, gains[0])
            for first, last in tiles:
                kernels.add_sums(tile(0, first, last, buffer).numpy(), sums[0], sums[1])
            return sums

        def forward(layer: int) -> Callable[[Sequence[Rows]], NDArray[np.float64]]:
            def work(tiles: Sequence[Rows]) -> NDArray[np.float64]:
                like = gains[layer]
                sums = np.zeros((2, len(weights[layer]) if layer < len(weights) else 0))
                buffer, activated = _buffer(starts, tiles, like), _buffer(starts, tiles, like)
                for first, last in tiles:
                    z = tile(layer, first, last, buffer)
                    y = activated[: len(z)]
                    kernels.activate(z.numpy(), norms[layer].gain, norms[layer].bias, y.numpy())
                    if layer == len(weights):
                        kernels.mean(y.numpy(), starts, first, last, out.numpy())
                    else:
                        z = torch.mm(y, weights[layer].T, out=tile(layer + 1, first, last, buffer))
                        kernels.add_sums(z.numpy(), sums[0], sums[1])
                return sums

            return work

        with side_by_side() as run:
            sums = sum(run(measure, shares))
            for layer in range(n_norms):
                norm = norm_of_sums(sums, n_edges, gains[layer], biases[layer], epsilon[layer])
                norms.append(norm)
                statistics += [torch.from_numpy(values).to(own.dtype) for values in (norm.mean, norm.variance)]
                sums = sum(run(forward(layer), shares))
        ctx.edges, ctx.norms, ctx.shares = edges, norms, shares
        ctx.save_for_backward(own, other, *parameters, *entered)
        ctx.mark_non_differentiable(*statistics)
        return (out, *statistics)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *unused: Tensor) -> tuple[Any, ...]:
        """Return the gradients of own, other and the parameters."""
        norms: list[Norm] = ctx.norms
        n_norms = len(norms)
        own, other, *saved = ctx.saved_tensors
        gains, weights, entered = saved[:n_norms], saved[2 * n_norms : 3 * n_norms - 1], saved[3 * n_norms - 1 :]
        source, starts = ctx.edges.source.numpy(), ctx.edges.starts.numpy()
        n_edges = len(source)
        own_rows, other_rows = own.contiguous().numpy(), other.contiguous().numpy()
        above = gradient.contiguous().numpy()
        # The gradient after each norm and before its ReLU, of the layer under way and the one below.
        kept: dict[int, Tensor] = {}
        own_gradient, other_gradient = torch.empty_like(own), torch.zeros_like(other)

        def entering(layer: int, first: int, last: int, buffer: Tensor) -> Tensor:
            begin, end = starts[first], starts[last]
            if layer:
                return entered[layer - 1][begin:end]
            z = buffer[: end - begin]
            kernels.gather(own_rows, other_rows, source, starts, first, last, z.numpy())
            return z

        def closed(layer: int, z: Tensor, g: Tensor, sums: NDArray[np.float64]) -> None:
            kernels.relu_gradient(z.numpy(), norms[layer].gain, norms[layer].bias, g.numpy(), sums[0], sums[1])

        def last_sums(tiles: Sequence[Rows]) -> NDArray[np.float64]:
            layer = n_norms - 1
            sums, buffer = np.zeros((2, len(gains[layer]))), _buffer(starts, tiles, gains[layer])
            for first, last in tiles:
                z = entering(layer, first, last, buffer)
                g = kept[layer][starts[first] : starts[last]]
                kernels.spread(above, starts, first, last, g.numpy())
                closed(layer, z, g, sums)
            return sums

        def backward(
            layer: int, slope: NDArray[Any], level: NDArray[Any]
        ) -> Callable[[Sequence[Rows]], tuple[NDArray[np.float64], Tensor | None]]:
            def work(tiles: Sequence[Rows]) -> tuple[NDArray[np.float64], Tensor | None]:
                below = layer - 1
                buffer = _buffer(starts, tiles, gains[layer])
                lower = _buffer(starts, tiles, gains[below]) if layer else buffer
                activated = torch.empty_like(lower) if layer else buffer
                sums = np.zeros((2, len(gains[below]) if layer else 0))
                weight = torch.zeros_like(weights[below]) if layer else None
                for first, last in tiles:
                    g = kept[layer][starts[first] : starts[last]]
                    z = entering(layer, first, last, buffer)
                    kernels.norm_gradient(z.numpy(), norms[layer].gain, slope, level, g.numpy())
                    if weight is None:
                        kernels.scatter(
                            g.numpy(), source, starts, first, last, own_gradient.numpy(), other_gradient.numpy()
                        )
                        continue
                    z = entering(below, first, last, lower)
                    y = activated[: len(z)]
                    kernels.activate(z.numpy(), norms[below].gain, norms[below].bias, y.numpy())
                    weight.addmm_(g.T, y)
                    g = torch.mm(g, weights[below], out=kept[below][starts[first] : starts[last]])
                    closed(below, z, g, sums)
                return sums, weight

            return work

        shifts, scales, weight_gradients = [], [], []
        with side_by_side() as run:
            kept[n_norms - 1] = own.new_empty(n_edges, len(gains[-1]))
            sums = sum(run(last_sums, ctx.shares))
            for layer in range(n_norms - 1, -1, -1):
                scale, shift, slope, level = gradient_of_norm(sums, n_edges, norms[layer])
                scales.append(torch.from_numpy(scale).to(own.dtype))
                shifts.append(torch.from_numpy(shift).to(own.dtype))
                if layer:
                    kept[layer - 1] = own.new_empty(n_edges, len(gains[layer - 1]))
                parts = run(backward(layer, slope, level), ctx.shares)
                sums = sum(part for part, _ in parts)
                if layer:
                    weight_gradients.append(sum(part for _, part in parts if part is not None))
                del kept[layer]
        return (
            None, None, own_gradient, other_gradient,
            *reversed(scales), *reversed(shifts), *reversed(weight_gradients),
        )  # fmt: skip


def edge_means(
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
    source, starts = edges.source.numpy(), edges.starts.numpy()
    own_rows, other_rows = own.contiguous().numpy(), other.contiguous().numpy()
    sizes = [own.shape[1], *(len(weight) for weight in weights)]
    out = own.new_empty(len(own), sizes[-1])

    def work(tiles: Sequence[Rows]) -> None:
        longest = max((int(starts[last] - starts[first]) for first, last in tiles), default=0)
        entered = [own.new_empty(longest, size) for size in sizes]
        left = [torch.empty_like(buffer) for buffer in entered]
        for first, last in tiles:
            n = int(starts[last] - starts[first])
            kernels.gather(own_rows, other_rows, source, starts, first, last, entered[0].numpy())
            for layer, (gain, bias) in enumerate(affine):
                y = left[layer][:n]
                kernels.activate(entered[layer][:n].numpy(), gain, bias, y.numpy())
                if layer < len(weights):
                    torch.mm(y, weights[layer].T, out=entered[layer + 1][:n])
            kernels.mean(y.numpy(), starts, first, last, out.numpy())

    with side_by_side() as run:
        run(work, _shares(edges, max(sizes)))
    return out


def tiles_of(edges: Edges, width: int) -> list[Rows]:
    """Cut the rows into tiles of about `_TILE` / width edges, (first, last) each; no jet is cut."""
    ends = edges.starts[edges.offsets].numpy()
    tiles, begin = [], 0
    while begin < len(ends) - 1:
        end = int(np.searchsorted(ends, ends[begin] + max(_TILE // width, 1), side="right")) - 1
        end = min(max(end, begin + 1), len(ends) - 1)
        first, last = int(edges.offsets[begin]), int(edges.offsets[end])
        if last > first:
            tiles.append((first, last))
        begin = end
    return tiles


def _shares(edges: Edges, width: int) -> list[list[Rows]]:
    """Return a list of tiles for each of torch's threads: whole jets, so that no two write to the same row."""
    tiles, n = tiles_of(edges, width), torch.get_num_threads()
    return [tiles[i * len(tiles) // n : (i + 1) * len(tiles) // n] for i in range(n)]


def _buffer(starts: NDArray[np.int64], tiles: Sequence[Rows], like: Tensor) -> Tensor:
    """Return room for the edges of the largest tile, as wide as the vector ``like`` is long."""
    longest = max((int(starts[last] - starts[first]) for first, last in tiles), default=0)
    return like.new_empty(longest, len(like))
