"""Edge convolution on flat edges (no padding): a network on (x_i, x_j - x_i), averaged over the neighbours j of i.

Source: Y. Wang et al., arXiv:1801.07829; H. Qu, L. Gouskos, arXiv:1902.08570; reference thesis, equation 6.13.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from training.networks.edge_pass import EdgePass, edge_means
from training.networks.layers import BatchNorm, he_normal, rows_of
from training.networks.neighbours import Edges

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
    """

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
        if own.device.type != "cpu":
            return self.plain(own, other, edges)
        norms = [cast("BatchNorm", norm) for norm in self.norm]
        weights = [cast("nn.Linear", dense).weight for dense in self.dense[1:]]
        if self.training and len(edges.source) > 1:
            parameters = (*(norm.weight for norm in norms), *(norm.bias for norm in norms), *weights)
            means, *statistics = EdgePass.apply(edges, tuple(norm.eps for norm in norms), own, other, *parameters)
            for norm, mean, variance in zip(norms, statistics[0::2], statistics[1::2], strict=True):
                norm.update(mean, variance, len(edges.source))
            return means
        if torch.is_grad_enabled():
            return self.plain(own, other, edges)
        return edge_means(edges, own, other, [norm.affine_of_running() for norm in norms], weights)

    def plain(self, own: Tensor, other: Tensor, edges: Edges) -> Tensor:
        """Return the same as `_heard` by torch's operators."""
        target = rows_of(edges.starts)
        z = own.index_select(0, target) + other.index_select(0, edges.source)
        z = torch.relu(self.norm[0](z))
        for dense, norm in zip(self.dense[1:], self.norm[1:], strict=True):
            z = torch.relu(norm(dense(z)))
        return z.new_zeros(len(own), z.shape[1]).index_add(0, target, z) / edges.starts.diff()[:, None]
