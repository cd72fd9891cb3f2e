"""ParticleNet on flat edges, without padding: the weights of a model's own graph, applied by numba.

The graph is written by ``training.onnx.graph`` and stays the reference; only its named constants are read here.
Batch norms are folded into them, and the first layer on edges is split: ``[x_i, x_j - x_i] W = x_i (Wa - Wb) + x_j Wb``
is one product per row instead of one per edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models import node_names
from coffea_mljec.models.engines.engine import (
    Engine,
    Outputs,
    clouds_problem,
    head_problem,
    outputs_of_head,
    tensors_problem,
)
from coffea_mljec.models.kernels.edges import convolve, mean_of_jets
from coffea_mljec.models.kernels.neighbours import nearest_neighbours
from coffea_mljec.models.kernels.panels import NO_FLOOR, padded, padded_width
from coffea_mljec.models.weights import NO_COLUMNS, Array, Columns, Dense, Layers, Weights, on_rows, pooled
from coffea_mljec.models.wire import Constants, read_constants

if TYPE_CHECKING:
    from coffea_mljec.features import FeatureSet
    from coffea_mljec.models.card import Cloud, ModelCard
    from coffea_mljec.models.folder import ModelFolder

__all__ = ["COORDINATES", "EDGE_TILE", "NODES", "EdgeConvEngine", "EdgeConvNetwork", "filled_widths", "on_nodes"]

COORDINATES = ("rel_eta", "rel_phi")
"""Features in which the first neighbours are looked for."""

EDGE_TILE = 256
"""Edges in a tile, if a row has no more: it stays near a core with whatever width. Between 96 and 2,000 nothing
changes."""

NODES = 2**19
"""Numbers that the rows of the jets in hand say to each other: 2 MB, so that they stay in the third-level cache."""


_WIDE, _SMALL_BATCH = 64, 64
"""With layers wider than this a jet takes 1.5 MB, and a batch has so many jets."""


class EdgeConvEngine(Engine):
    """ParticleNets; the card has ``clouds`` of all their collections."""

    by_rows = True

    def problem(self, card: ModelCard) -> str | None:
        features = card.feature_set
        if problem := clouds_problem(card, features.constituents):
            return problem
        for c in features.constituents:
            if missing := set(COORDINATES) - set(features.names()[c]):
                return f"engine 'edgeconv' looks for neighbours in {sorted(missing)}, no {c} features"
        return head_problem(card) or tensors_problem(card)

    def settings(self, graph: Constants, features: FeatureSet) -> dict[str, Any] | None:
        collections = features.constituents
        if not collections or pooled(graph) != tuple(node_names.mean(c) for c in collections):
            return None
        blocks = {c: _blocks(graph, c) for c in collections}
        widest = max((width for own in blocks.values() for layers in own for width in layers), default=0)
        clouds = {c: {"k": _k(graph, c), "blocks": blocks[c]} for c in collections}
        return {"clouds": clouds} | ({"batch_size": _SMALL_BATCH} if widest > _WIDE else {})

    def build(self, model: ModelFolder) -> EdgeConvNetwork:
        return EdgeConvNetwork(model)


def _k(graph: Constants, collection: str) -> int:
    """Neighbours of a row, where the graph takes the least of them and the other constituents; 0 if it does not."""
    name = graph.inputs.get(node_names.k(collection), ("",))[0]
    value = graph.values.get(name)
    return 0 if value is None else int(value[0])


def _blocks(graph: Constants, collection: str) -> tuple[tuple[int, ...], ...]:
    """Widths of the layers of every block: the first says of a row what it hears itself, what others hear, and its
    shortcut; the others act on edges."""
    blocks: list[tuple[int, ...]] = []
    while True:
        block = node_names.layer(collection, len(blocks))
        on_rows = node_names.bias(node_names.nodes(block) if blocks else node_names.plain(collection))
        if on_rows not in graph.values:
            return tuple(blocks)
        widths: list[int] = []
        while (bias := node_names.bias(node_names.layer(block, len(widths) + 1))) in graph.values:
            widths.append(len(graph.values[bias]))
        n_rows = len(graph.values[on_rows])
        blocks.append(((n_rows - widths[-1]) // 2, *widths) if widths else (n_rows // 3,))


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
        columns, head = weights.head(n_pooled, len(features["jet"]), len(card.outputs))
        self._head = Columns(columns.index + n_pooled, columns.scale), Layers.of(head)
        self._outputs = card.outputs

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        """Return the outputs of one batch.

        A jet with fewer than k + 1 constituents uses the neighbours that it has; a collection without constituents
        pools to zeros. NaN and infinite inputs pass through to their own jet's output.
        """
        parts = [
            self._pooled(c, inputs[f"{c}_features"], inputs[f"{c}_offsets"])[:, :width]
            for c, width in self._pooled_widths.items()
        ]
        rows = np.concatenate([*parts, inputs["jet_features"]], axis=1)
        return outputs_of_head(self._outputs, on_rows(rows, *self._head, NO_FLOOR)[:, : len(self._outputs)])

    def _pooled(self, collection: str, features: Array, offsets: npt.NDArray[np.int64]) -> Array:
        """The mean over each jet's rows, [n, width], some jets at a time."""
        blocks = self._blocks[collection]
        rows = max(1, NODES // max(int(block.nodes.widths[-1]) for block in blocks))
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
            x = points = convolve(nodes, source, starts, edges.widths, edges.weights, edges.biases, max(EDGE_TILE, k))
        return x


def _nodes_width(layers: tuple[int, ...]) -> int:
    """Columns of what a block says of every row: own, other, shortcut."""
    return 2 * int(layers[0]) + int(layers[-1])


def filled_widths(layers: tuple[int, ...]) -> tuple[int, ...]:
    """Widths rounded up to what the kernels treat at a time."""
    return tuple(padded_width(width) for width in layers)


def on_nodes(layer: Dense, n_in: int, layers: tuple[int, ...]) -> Dense:
    """The layer on a block's rows, its input padded to ``n_in``, its columns own, other and shortcut each by itself."""
    wide = filled_widths(layers)

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
            name = node_names.layer(collection, b)
            wide = filled_widths(layers)
            if b:
                before = cloud.blocks[b - 1]
                columns = NO_COLUMNS
                dense = self.dense(node_names.nodes(name), before[-1], _nodes_width(layers))
                nodes = on_nodes(dense, filled_widths(before)[-1], layers)
            else:
                columns, nodes = self.inputs(collection, n_features, _nodes_width(layers))
                nodes = on_nodes(nodes, n_features, layers)
            edges = [self.dense(node_names.layer(name, i), *layers[i - 1 : i + 1]) for i in range(1, len(layers))]
            edges = [
                Dense(padded(layer.weight, *wide[i : i + 2]), padded(layer.bias, wide[i + 1]))
                for i, layer in enumerate(edges)
            ]
            blocks.append(_Block(columns, Layers.of([nodes]), Layers.of(edges, wide[0])))
        return blocks

    def check_neighbours(self, collection: str, k: int) -> None:
        """Compare the card's k with the graph's, where the least of it and the other constituents is taken."""
        if (found := _k(self._constants, collection)) != k:
            raise ModelError(
                f"the card of model {self._model!r} says k = {k} for {collection}, its graph has "
                f"{found or 'nothing'}: export the model again."
            )
