"""Edge convolution on flat edges (no padding): a network on (x_i, x_j - x_i), averaged over the neighbours j of i.

Source: Y. Wang et al., arXiv:1801.07829; H. Qu, L. Gouskos, arXiv:1902.08570; reference thesis, equation 6.13.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from training.networks.edges.cpu import EdgesOnCPU, means_on_cpu
from training.networks.edges.gpu import EdgesOnGPU, means_on_gpu
from training.networks.edges.neighbours import Edges, has_triton
from training.networks.layers import BatchNorm, he_normal
from training.networks.rows.segments import segment_sums

__all__ = ["EdgeConv"]


class EdgeConv(nn.Module):
    """``relu(norm(x S) + mean_j psi(x_i, x_j - x_i))``, psi being dense layers with batch norm and ReLU.

    The first layer acts on nodes instead of edges: ``[x_i, x_j - x_i] W = x_i (Wa - Wb) + x_j Wb``. Its parameters are
    those of the dense layer on edges.

    Parameters
    ----------
    n_inputs : int
        Width of x.
    widths : tuple of int
        Of the layers of psi; the last one is the width of the result.
    epsilon, momentum : float
        Of the batch norms.

    Attributes
    ----------
    edge_kind : torch.dtype or None
        On a GPU, the precision of edges and of the products on them (see `EdgesOnGPU`); None: single.
    """

    edge_kind: torch.dtype | None = None

    def __init__(self, n_inputs: int, widths: tuple[int, ...], *, epsilon: float, momentum: float) -> None:
        super().__init__()
        sizes = (2 * n_inputs, *widths)
        self.dense = nn.ModuleList(
            he_normal(nn.Linear(size, width, bias=False)) for size, width in zip(sizes[:-1], widths, strict=True)
        )
        self.norm = nn.ModuleList(BatchNorm(width, eps=epsilon, momentum=momentum) for width in widths)
        self.shortcut = he_normal(nn.Linear(n_inputs, widths[-1], bias=False))
        self.shortcut_norm = BatchNorm(widths[-1], eps=epsilon, momentum=momentum)

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        """Return the new features of every row, [N, widths[-1]].

        Parameters
        ----------
        x : Tensor, float [N, n_inputs]
            Features of all rows.
        edges : Edges
            Their neighbours.
        """
        own_weight, other_weight = cast("nn.Linear", self.dense[0]).weight.chunk(2, dim=1)
        own = nn.functional.linear(x, own_weight - other_weight)
        other = nn.functional.linear(x, other_weight)
        heard = self._heard(own, other, edges)
        return torch.relu(self.shortcut_norm(self.shortcut(x)) + heard)

    def _heard(self, own: Tensor, other: Tensor, edges: Edges) -> Tensor:
        """Return the mean over each row's edges of the rest of psi."""
        on_cpu = own.device.type == "cpu"
        if len(edges.source) < 2 or not (on_cpu or has_triton()):
            return self.plain(own, other, edges)
        return self.on_cpu(own, other, edges) if on_cpu else self.on_device(own, other, edges)

    def on_cpu(self, own: Tensor, other: Tensor, edges: Edges) -> Tensor:
        """Return the same as `plain` by numba's kernels; at least 2 edges."""
        norms, weights = self._norms, self._weights
        if self.training:
            means, *statistics = EdgesOnCPU.apply(edges, tuple(norm.eps for norm in norms), own, other, *self._parts())
            self._update(statistics, len(edges.source))
            return means
        if torch.is_grad_enabled():
            return self.plain(own, other, edges)
        return means_on_cpu(edges, own, other, [norm.affine_of_running() for norm in norms], weights)

    def on_device(self, own: Tensor, other: Tensor, edges: Edges) -> Tensor:
        """Return the same as `plain` by Triton's kernels; at least 2 edges."""
        norms, weights = self._norms, self._weights
        if self.training:
            means, *statistics = EdgesOnGPU.apply(
                edges, tuple(norm.eps for norm in norms), self.edge_kind, own, other, *self._parts()
            )
            self._update(statistics, len(edges.source))
            return means
        if torch.is_grad_enabled():
            return self.plain(own, other, edges)
        return means_on_gpu(edges, own, other, [norm.line_of_running() for norm in norms], weights, self.edge_kind)

    @property
    def _norms(self) -> list[BatchNorm]:
        return [cast("BatchNorm", norm) for norm in self.norm]

    @property
    def _weights(self) -> list[Tensor]:
        return [cast("nn.Linear", dense).weight for dense in self.dense[1:]]

    def _parts(self) -> tuple[Tensor, ...]:
        """Return the parameters of psi but for its first layer: gains, biases, weights."""
        return *(norm.weight for norm in self._norms), *(norm.bias for norm in self._norms), *self._weights

    def _update(self, statistics: list[Tensor], n: int) -> None:
        for norm, mean, variance in zip(self._norms, statistics[0::2], statistics[1::2], strict=True):
            norm.update(mean, variance, n)

    def plain(self, own: Tensor, other: Tensor, edges: Edges) -> Tensor:
        """Return the same as `_heard` by torch's operators."""
        z = own.index_select(0, edges.target) + other.index_select(0, edges.source)
        z = torch.relu(self.norm[0](z))
        for dense, norm in zip(self.dense[1:], self.norm[1:], strict=True):
            z = torch.relu(norm(dense(z)))
        return segment_sums(z, edges.starts) / edges.starts.diff()[:, None]
