"""ParticleNet for regression on flat jagged batches: dynamic graphs of real constituents only.

Source: H. Qu, L. Gouskos, arXiv:1902.08570, with the layers of the reference thesis, section 6.3.3. Its clouds, one
each of charged and neutral candidates and of secondary vertices, stay apart until they are pooled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from coffea_mljec.errors import InputError
from training.networks.architecture import ParticleNetArchitecture
from training.networks.edges.convolution import EdgeConv
from training.networks.edges.neighbours import find_edges
from training.networks.layers import Block, JetNetwork, as_outputs, output_layer
from training.networks.rows.segments import segment_sums
from training.networks.standardisation import Standardisation

__all__ = ["COORDINATES", "ParticleNet"]

#: Where the first neighbours are looked for, in the units of the features (not standardised: both are angles).
COORDINATES = ("rel_eta", "rel_phi")


class ParticleNet(JetNetwork):
    """A ParticleNet: EdgeConv blocks per collection, mean pooling, jet features, head, one output.

    Neighbours are the nearest in (rel_eta, rel_phi) for the first block, then in the features that the block before
    gave. A jet with fewer than k + 1 constituents uses the neighbours that it has; one constituent hears itself, with
    zero difference; a collection without constituents pools to zeros.

    Parameters
    ----------
    architecture : ParticleNetArchitecture
        Widths and neighbours.
    standardisations : mapping of str to Standardisation
        ``jet`` and any of ``charged``, ``neutral``, ``sv``: order and treatment of the features. A collection without
        features is left out.

    Raises
    ------
    InputError
        If there are no jet features, a collection is unknown, or one lacks ``rel_eta`` or ``rel_phi``.
    """

    def __init__(
        self, architecture: ParticleNetArchitecture, standardisations: Mapping[str, Standardisation], n_outputs: int = 1
    ) -> None:
        super().__init__(standardisations)
        self.architecture = architecture
        self.coordinates = {c: coordinate_columns(c, self.standardisations[c].features) for c in self.collections}
        norm = {"epsilon": architecture.epsilon, "momentum": architecture.momentum}
        self.convolutions = nn.ModuleDict()
        for c in self.collections:
            sizes = [self.n_features(c), *(widths[-1] for widths in architecture.blocks(c))]
            blocks = zip(sizes[:-1], architecture.blocks(c), strict=True)
            self.convolutions[c] = nn.ModuleList(EdgeConv(size, widths, **norm) for size, widths in blocks)
        pooled = sum(architecture.blocks(c)[-1][-1] for c in self.collections)
        n_inputs = pooled + self.n_features("jet")
        self.head = Block(n_inputs, architecture.head, bias=True, **norm)
        self.output = output_layer(architecture.head[-1], n_outputs)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the outputs, shape [n] of one and [n, n_outputs] of several.

        Parameters
        ----------
        batch : mapping of str to Tensor
            ``jet_features`` float32 [n, F] and for each collection ``c_features`` float32 [N, F_c] and ``c_offsets``
            int64 [n + 1].
        """
        jet = self.standardise["jet"](batch["jet_features"])
        parts = [self._pooled(c, batch[f"{c}_features"], batch[f"{c}_offsets"]) for c in self.collections]
        return as_outputs(self.output(self.head(torch.cat([*parts, jet], dim=1))))

    def _pooled(self, collection: str, features: Tensor, offsets: Tensor) -> Tensor:
        """Return the mean over each jet's constituents, [n, width]."""
        x = self.standardise[collection](features)
        points, edges = features[:, self.coordinates[collection]], None
        for convolution in cast("nn.ModuleList", self.convolutions[collection]):
            edges = find_edges(points, offsets, self.architecture.k(collection), edges)
            x = convolution(x, edges)
            points = x
        return segment_sums(x, offsets) / offsets.diff().clamp(min=1)[:, None]


def coordinate_columns(collection: str, features: tuple[str, ...]) -> list[int]:
    """Return the positions of `COORDINATES` among the features of a collection."""
    if missing := [name for name in COORDINATES if name not in features]:
        raise InputError(
            f"a ParticleNet looks for neighbours in {' and '.join(COORDINATES)}: the {collection} features lack "
            f"{', '.join(missing)}; got {', '.join(features)}. Add them, or train a particle flow network."
        )
    return [features.index(name) for name in COORDINATES]
