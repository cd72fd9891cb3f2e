"""A particle flow network whose constituents hear of their jet: pooled, told to every constituent, pooled again.

Between two pooled sums a jet's constituents, the sums of all collections and the jet features make a short vector, the
jet's context, which enters the per-constituent network of the next round. So a candidate's share in the correction
depends on what else is in the jet, at a cost that grows with the number of constituents, not of their pairs.

Source: M. Zaheer et al., arXiv:1703.06114, section 3.2 (permutation equivariant layers); the vector that constituents
share as in the EPiC layers of E. Buhmann, G. Kasieczka, J. Thaler, arXiv:2301.08128. Pooling as in
`training.networks.pfn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from training.networks.architecture import ContextArchitecture
from training.networks.layers import Block, JetNetwork, as_outputs, he_normal, output_layer
from training.networks.rows.jet_sums import jet_sums, pool_weights, share_columns, to_rows
from training.networks.standardisation import Standardisation

__all__ = ["ContextPFN"]


class ContextPFN(JetNetwork):
    """A particle flow network in rounds: constituents, sums over each jet, context, constituents, ..., sums, head.

    Parameters
    ----------
    architecture : ContextArchitecture
        Hidden widths, round by round.
    standardisations : mapping of str to Standardisation
        ``jet`` and any of ``charged``, ``neutral``, ``sv``: order and treatment of the features. A collection without
        features is left out.

    Attributes
    ----------
    phi : ModuleDict of ModuleList of Block
        Collection -> the per-constituent network of every round.
    told : ModuleDict of ModuleList of Linear
        Collection -> for every round but the first, the part of its first dense layer that reads the context: one small
        product a jet, which joins the product of the jet's rows.
    contexts : ModuleList of Block
        Sums, the context so far and jet features -> context, after every round but the last.

    Raises
    ------
    InputError
        If there are no jet features, a collection is unknown, or one that is pooled by pT has no ``rel_pt``.
    """

    def __init__(
        self, architecture: ContextArchitecture, standardisations: Mapping[str, Standardisation], n_outputs: int = 1
    ) -> None:
        super().__init__(standardisations)
        self.architecture = architecture
        self.shares = share_columns(architecture.pooling, self.standardisations)
        rounds, size = len(architecture.blocks_candidate), architecture.context[-1]

        def block(n_inputs: int, widths: tuple[int, ...]) -> Block:
            norm = {"epsilon": architecture.epsilon, "momentum": architecture.momentum}
            return Block(n_inputs, widths, bias=architecture.bias, **norm)

        self.phi, self.told = nn.ModuleDict(), nn.ModuleDict()
        for c in self.collections:
            blocks = architecture.blocks(c)
            inputs = [self.n_features(c), *(widths[-1] for widths in blocks)]
            self.phi[c] = nn.ModuleList(block(*shape) for shape in zip(inputs[:-1], blocks, strict=True))
            self.told[c] = nn.ModuleList(he_normal(nn.Linear(size, widths[0], bias=False)) for widths in blocks[1:])
        jet = self.n_features("jet")
        ways = len(architecture.pooling)
        sums = [ways * sum(architecture.blocks(c)[i][-1] for c in self.collections) for i in range(rounds)]
        joined = [pooled + (size if i else 0) + jet for i, pooled in enumerate(sums)]
        self.contexts = nn.ModuleList(block(n_inputs, architecture.context) for n_inputs in joined[:-1])
        self.head = block(joined[-1], architecture.head)
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
        rows, pools = {}, {}
        known: list[Tensor] = []  # the context, from the second round on
        for c in self.collections:
            features = batch[f"{c}_features"]
            rows[c] = self.standardise[c](features)
            weights = pool_weights(features, self.architecture.pooling, self.shares[c])
            pools[c] = weights, batch[f"{c}_offsets"]
        for i, context in enumerate(self.contexts):
            rows = {c: self._phi(c, i)(rows[c], None, self._told(c, i, known, pools[c])) for c in rows}
            sums = [jet_sums(rows[c], *pools[c]) for c in rows]
            known = [context(torch.cat([*sums, *known, jet], dim=1))]
        last = len(self.contexts)
        sums = [self._phi(c, last)(rows[c], pools[c], self._told(c, last, known, pools[c])) for c in rows]
        return as_outputs(self.output(self.head(torch.cat([*sums, *known, jet], dim=1))))

    def _phi(self, collection: str, i: int) -> Block:
        return cast("Block", cast("nn.ModuleList", self.phi[collection])[i])

    def _told(self, collection: str, i: int, known: list[Tensor], pool: tuple[Tensor, Tensor]) -> Tensor | None:
        """Return what a collection's rows hear of their jets' context in round i, [N, width]; nothing in the first."""
        if not known:
            return None
        return to_rows(cast("nn.ModuleList", self.told[collection])[i - 1](known[0]), pool[1], len(pool[0]))
