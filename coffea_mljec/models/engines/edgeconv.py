"""ParticleNet on flat edges, without padding: the weights of a model's own graph, applied by numba.

The graph is written by ``training.onnx.graph`` and stays the reference; only its named constants are read here.
Batch norms are folded into them, and the first layer on edges is split: ``[x_i, x_j - x_i] W = x_i (Wa - Wb) + x_j Wb``
is one product per row instead of one per edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models.card import Cloud
from coffea_mljec.models.folder import ModelFolder
from coffea_mljec.models.kernels.edges import convolve, mean_of_jets
from coffea_mljec.models.kernels.neighbours import nearest_neighbours
from coffea_mljec.models.kernels.panels import NO_FLOOR, padded, padded_width
from coffea_mljec.models.weights import NO_COLUMNS, Array, Columns, Dense, Layers, Weights, on_rows
from coffea_mljec.models.wire import read_constants

__all__ = ["COORDINATES", "EdgeConvNetwork"]

COORDINATES = ("rel_eta", "rel_phi")
"""Features in which the first neighbours are looked for."""

_TILE = 256
"""Edges in a tile, if a row has no more: it stays near a core with whatever width. Between 96 and 2,000 nothing
changes."""

_NODES = 2**19
"""Numbers that the rows of the jets in hand say to each other: 2 MB, so that they stay in the third-level cache."""


@dataclass(frozen=True)
class _Block:
    """One EdgeConv block: the layer on rows, with the inputs of which it takes logarithms, and the layers on edges."""

    columns: Columns
    nodes: Layers
    edges: Layers


class EdgeConvNetwork:
    """A ParticleNet, ready to run.

    Parameters
    ----------
    model : ModelFolder
        Its card says ``engine: edgeconv``; its graph holds the weights.

    Raises
    ------
    ModelError
        If the graph lacks a constant, or one has another shape than the card's layers ask for, or another k.
    """

    def __init__(self, model: ModelFolder) -> None:
        card = model.card
        features = card.feature_set.names()
        weights = _Weights(card.name, "a ParticleNet", read_constants(model.graph))
        clouds = {c: card.clouds[c] for c in card.feature_set.constituents}  # in the order of the head's inputs
        self._k = {c: cloud.k for c, cloud in clouds.items()}
        self._columns = {c: [features[c].index(name) for name in COORDINATES] for c in clouds}
        self._blocks: dict[str, list[_Block]] = {}
        for c, cloud in clouds.items():
            self._blocks[c] = weights.blocks(c, len(features[c]), cloud)
            weights.check_neighbours(c, cloud.k)
        self._pooled_widths = {c: cloud.blocks[-1][-1] for c, cloud in clouds.items()}
        n_pooled = sum(self._pooled_widths.values())
        columns, head = weights.head(n_pooled, len(features["jet"]))
        self._head = Columns(columns.index + n_pooled, columns.scale), Layers.of(head)

    def __call__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Array:
        """Return ``log_correction``, float32 [n], of one batch of flat arrays (`coffea_mljec.features.compute`).

        A jet with fewer than k + 1 constituents uses the neighbours that it has; a collection without constituents
        pools to zeros. NaN and infinite inputs pass through to their own jet's output.
        """
        parts = [
            self._pooled(c, arrays[f"{c}_features"], arrays[f"{c}_offsets"])[:, :width]
            for c, width in self._pooled_widths.items()
        ]
        return on_rows(np.concatenate([*parts, arrays["jet_features"]], axis=1), *self._head, NO_FLOOR)[:, 0]

    def _pooled(self, collection: str, features: Array, offsets: npt.NDArray[np.int64]) -> Array:
        """The mean over each jet's rows, [n, width], some jets at a time."""
        blocks = self._blocks[collection]
        rows = max(1, _NODES // max(int(block.nodes.widths[-1]) for block in blocks))
        out = np.empty((len(offsets) - 1, int(blocks[-1].edges.widths[-1])), np.float32)
        start = 0
        while start < len(out):
            stop = max(start + 1, int(np.searchsorted(offsets, offsets[start] + rows, side="right")) - 1)
            own = offsets[start : stop + 1] - offsets[start]
            x = self._convolved(collection, features[offsets[start] : offsets[stop]], own)
            mean_of_jets(x, own, out[start:stop])
            start = stop
        return out

    def _convolved(self, collection: str, features: Array, offsets: npt.NDArray[np.int64]) -> Array:
        """The rows after the last block."""
        points = np.ascontiguousarray(features[:, self._columns[collection]])
        x = features
        k = self._k[collection]
        for block in self._blocks[collection]:
            nodes = on_rows(x, block.columns, block.nodes, NO_FLOOR)
            source, starts = nearest_neighbours(points, offsets, k, ranked=False)
            edges = block.edges
            x = points = convolve(nodes, source, starts, edges.widths, edges.weights, edges.biases, max(_TILE, k))
        return x


def _nodes_width(layers: tuple[int, ...]) -> int:
    """Columns of what a block says of every row: own, other, shortcut."""
    return 2 * int(layers[0]) + int(layers[-1])


def _filled(layers: tuple[int, ...]) -> tuple[int, ...]:
    """Widths rounded up to what the kernels treat at a time."""
    return tuple(padded_width(width) for width in layers)


def _on_nodes(layer: Dense, n_in: int, layers: tuple[int, ...]) -> Dense:
    """The layer on a block's rows, its input padded to ``n_in``, its columns own, other and shortcut each by itself."""
    wide = _filled(layers)

    def columns(value: Array) -> Array:
        parts = np.split(value, [layers[0], 2 * layers[0]], axis=-1)
        sizes = (wide[0], wide[0], wide[-1])
        filled = [padded(part, *part.shape[:-1], size) for part, size in zip(parts, sizes, strict=True)]
        return np.concatenate(filled, -1)

    weight = columns(layer.weight)
    return Dense(padded(weight, n_in, weight.shape[1]), columns(layer.bias))


class _Weights(Weights):
    """The constants of a ParticleNet's graph."""

    def blocks(self, collection: str, n_features: int, cloud: Cloud) -> list[_Block]:
        """The blocks of a collection of ``n_features`` features."""
        blocks: list[_Block] = []
        for b, layers in enumerate(cloud.blocks):
            name = f"{collection}.{b}"
            wide = _filled(layers)
            if b:
                before = cloud.blocks[b - 1]
                columns = NO_COLUMNS
                nodes = _on_nodes(
                    self.dense(f"{name}.nodes", before[-1], _nodes_width(layers)), _filled(before)[-1], layers
                )
            else:
                columns, nodes = self.inputs(collection, n_features, _nodes_width(layers))
                nodes = _on_nodes(nodes, n_features, layers)
            edges = [self.dense(f"{name}.{i}", layers[i - 1], layers[i]) for i in range(1, len(layers))]
            edges = [
                Dense(padded(layer.weight, *wide[i : i + 2]), padded(layer.bias, wide[i + 1]))
                for i, layer in enumerate(edges)
            ]
            blocks.append(_Block(columns, Layers.of([nodes]), Layers.of(edges, wide[0])))
        return blocks

    def check_neighbours(self, collection: str, k: int) -> None:
        """Compare the card's k with the graph's, where the least of it and the other constituents is taken."""
        found = self._constants.inputs.get(f"{collection}.k", ("nothing",))[0]
        if found != f"int64_{k}":
            raise ModelError(
                f"the card of model {self._model!r} says k = {k} for {collection}, its graph has "
                f"{found.removeprefix('int64_')}: export the model again."
            )
