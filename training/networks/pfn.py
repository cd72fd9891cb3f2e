"""The particle flow network for regression on flat jagged batches (deep sets; no padding, no mask, no maximum).

Source: P. T. Komiske, E. M. Metodiev, J. Thaler, arXiv:1810.05165, with the layers of the reference thesis,
section 6.3.2: dense, batch norm, ReLU; sum pooling. Sums weighted with pT are the former's energy flow network.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from training.networks.architecture import Architecture
from training.networks.layers import Block, JetNetwork, as_outputs, output_layer
from training.networks.rows.jet_sums import pool_weights, share_columns
from training.networks.standardisation import Standardisation

__all__ = ["PFN"]


class PFN(JetNetwork):
    """A particle flow network: per-constituent networks, sum pooling, jet features, head, one output.

    Parameters
    ----------
    architecture : Architecture
        Hidden widths.
    standardisations : mapping of str to Standardisation
        ``jet`` and any of ``charged``, ``neutral``, ``sv``: order and treatment of the features. A collection without
        features is left out.

    Raises
    ------
    InputError
        If there are no jet features, a collection is unknown, or one that is pooled by pT has no ``rel_pt``.
    """

    def __init__(
        self, architecture: Architecture, standardisations: Mapping[str, Standardisation], n_outputs: int = 1
    ) -> None:
        super().__init__(standardisations)
        self.architecture = architecture
        norm = {"epsilon": architecture.epsilon, "momentum": architecture.momentum}

        def block(n_inputs: int, widths: tuple[int, ...], dropout: float = 0.0) -> Block:
            return Block(n_inputs, widths, bias=architecture.bias, dropout=dropout, **norm)

        self.phi = nn.ModuleDict({c: block(self.n_features(c), architecture.phi(c)) for c in self.collections})
        self.shares = share_columns(architecture.pooling, self.standardisations)
        pooled = len(architecture.pooling) * sum(architecture.phi(c)[-1] for c in self.collections)
        self.head = block(pooled + self.n_features("jet"), architecture.head, architecture.dropout)
        self.output = output_layer(architecture.head[-1], n_outputs)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the outputs, shape [n] of one and [n, n_outputs] of several.

        Parameters
        ----------
        batch : mapping of str to Tensor
            ``jet_features`` float32 [n, F] and for each collection ``c_features`` float32 [N, F_c] with ``c_offsets``
            int64 [n + 1]. A jet without constituents pools to zeros.
        """
        jet = self.standardise["jet"](batch["jet_features"])
        parts = []
        for c in self.collections:
            features = batch[f"{c}_features"]
            pool = pool_weights(features, self.architecture.pooling, self.shares[c]), batch[f"{c}_offsets"]
            parts.append(self.phi[c](self.standardise[c](features), pool))
        return as_outputs(self.output(self.head(torch.cat([*parts, jet], dim=1))))
