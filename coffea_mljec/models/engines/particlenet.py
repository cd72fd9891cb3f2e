"""Weaver's ParticleNets on flat edges: the weights of the padded graph, applied by the kernels of `edgeconv`.

Without padding, and with the first layer of every block once a row instead of once an edge, there is half the work. The
graph stays the reference: a network that it does not agree with on made-up jets is left to onnxruntime, and so are jets
in which the choice of neighbours hangs on rounding, which a graph in single precision may decide the other way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.models import node_names
from coffea_mljec.models.engines.edgeconv import EDGE_TILE, NODES, filled_widths, on_nodes
from coffea_mljec.models.engines.engine import Outputs
from coffea_mljec.models.independence import taken
from coffea_mljec.models.kernels.edges import convolve
from coffea_mljec.models.kernels.neighbours import neighbours_with_nothing
from coffea_mljec.models.kernels.panels import NO_FLOOR, padded, padded_width
from coffea_mljec.models.weaver_particlenet import EdgeBlock, WeaverParticleNet, read_particlenet
from coffea_mljec.models.weights import NO_COLUMNS, Array, Dense, Layers, add_jet_sums, on_rows
from coffea_mljec.models.wire import read_constants

if TYPE_CHECKING:
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.engines.padded import PaddedNetwork
    from coffea_mljec.models.folder import ModelFolder

__all__ = ["FlatParticleNet"]

Index = npt.NDArray[np.int64]

_TOLERANCE = 1e-4
"""Of the largest output: how far flat and padded results of made-up jets may be apart."""

_COUNTS = (0, 1, 2, 7, 8, 9, 10, 16, 17, 18, 24, 31, 40)
"""Their constituents: around usual numbers of neighbours, fewer and more."""


@dataclass(frozen=True)
class _Block:
    nodes: Layers
    edges: Layers
    width: int
    """Columns of its output, without those that fill it up."""


class FlatParticleNet:
    """A ParticleNet of weaver, ready to run; make it with `of`."""

    def __init__(self, network: WeaverParticleNet, output: str, card: ModelCard, padded_network: PaddedNetwork) -> None:
        tensors = {tensor.name: tensor for tensor in card.tensors}
        self._padded, self._output, self._softmax, self._k = padded_network, output, network.softmax, network.k
        self._clouds = [
            (cloud, tensors[cloud.features], Layers.of([cloud.layer]), len(cloud.layer.bias))
            for cloud in network.clouds
        ]
        self._blocks: list[_Block] = []
        width = len(network.clouds[0].layer.bias)
        for block in network.blocks:
            self._blocks.append(_packed(block, padded_width(width)))
            width = self._blocks[-1].width
        self._fusion, self._pooled = Layers.of([network.fusion]), len(network.fusion.bias)
        self._head = Layers.of(_after(network.head, padded_width(self._pooled)))
        self._columns = len(network.head[-1].bias)

    @classmethod
    def of(cls, model: ModelFolder, padded_network: PaddedNetwork) -> FlatParticleNet | None:
        """The same network as the padded one; None if it is no ParticleNet that runs here, or gives other numbers."""
        outputs = {output.source for output in model.card.outputs}
        if len(outputs) != 1 or model.members:
            return None
        (output,) = outputs
        network = read_particlenet(read_constants(model.graph), output)
        if network is None or not _fits(network, model.card):
            return None
        flat = cls(network, output, model.card, padded_network)
        return flat if flat._agrees(model.card) else None

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        """Evaluate a batch; see `coffea_mljec.models.engines.padded.PaddedNetwork.run`."""
        outputs = self._padded.empty(len(inputs[node_names.features("jet")]))
        values, doubtful = self._evaluated(inputs)
        outputs[self._output][:] = values[:, : outputs[self._output].shape[1]]
        for jet in np.flatnonzero(doubtful):  # alone: its choice of neighbours may hang on the size of the batch too
            outputs[self._output][jet] = self._padded.run(taken(inputs, np.array([jet])))[self._output][0]
        return outputs | {node_names.REPLACED: self._padded.replaced(inputs)}

    def _evaluated(self, inputs: Mapping[str, npt.NDArray[Any]]) -> tuple[Array, npt.NDArray[np.bool_]]:
        """The outputs of all jets, and for which of them onnxruntime is to be asked."""
        points, x, offsets, doubtful = self._rows(inputs)
        pooled = np.zeros((len(offsets) - 1, padded_width(self._pooled)), np.float32)
        at_most = max(1, NODES // max(int(block.nodes.widths[-1]) for block in self._blocks))
        start = 0
        while start < len(pooled):
            stop = max(start + 1, int(np.searchsorted(offsets, offsets[start] + at_most, side="right")) - 1)
            own = slice(offsets[start], offsets[stop])
            begin = offsets[start : stop + 1] - offsets[start]
            fused, unsure = self._convolved(points[own], x[own], begin)
            doubtful[start:stop] |= unsure
            add_jet_sums(fused, begin, NO_COLUMNS, self._fusion, np.float32(0), pooled[start:stop], 0)
            start = stop
        pooled /= np.maximum(np.diff(offsets), 1)[:, None].astype(np.float32)
        values = on_rows(pooled, NO_COLUMNS, self._head, NO_FLOOR)[:, : self._columns]
        if self._softmax:
            values = np.exp(values - values.max(axis=1, keepdims=True))
            values /= values.sum(axis=1, keepdims=True)
        return values, doubtful

    def _rows(self, inputs: Mapping[str, npt.NDArray[Any]]) -> tuple[Array, Array, Index, npt.NDArray[np.bool_]]:
        """Points, and features after their first layer, of all kinds of constituents, jet by jet."""
        tensors, found = self._padded.standardised(inputs), self._padded.offsets(inputs)
        n_jets = len(inputs[node_names.features("jet")])
        doubtful = np.zeros(n_jets, np.bool_)
        begins = [found[tensor.collection] for _, tensor, _, _ in self._clouds]
        counts = [
            np.minimum(np.diff(begin), tensor.max_length)
            for begin, (_, tensor, _, _) in zip(begins, self._clouds, strict=True)
        ]
        offsets = np.concatenate([[0], np.cumsum(np.sum(counts, axis=0))]).astype(np.int64)
        cloud, _, _, width = self._clouds[0]
        points = np.empty((offsets[-1], tensors[cloud.points].shape[1]), np.float32)
        x = np.zeros((offsets[-1], padded_width(width)), np.float32)
        at = offsets[:-1].copy()
        for (cloud, _, layers, _), begin, count in zip(self._clouds, begins, counts, strict=True):
            jet = np.repeat(np.arange(n_jets), count)
            place = np.arange(len(jet)) - np.repeat(np.cumsum(count) - count, count)
            source, target = begin[jet] + place, at[jet] + place
            points[target] = tensors[cloud.points][source]
            rows = np.ascontiguousarray(tensors[cloud.features][source])
            x[target] = np.maximum(on_rows(rows, NO_COLUMNS, layers, NO_FLOOR), 0)
            doubtful[jet[(tensors[cloud.mask][source] != 1).any(axis=1)]] = True  # another mask is none
            at += count
        return points, x, offsets, doubtful

    def _convolved(self, points: Array, x: Array, offsets: Index) -> tuple[Array, npt.NDArray[np.bool_]]:
        """The outputs of all blocks side by side, and the jets that are doubtful."""
        n_rows, k = len(x), self._k
        starts = np.append(np.arange(n_rows + 1) * k, n_rows * k + 1)  # the row of nothing hears itself
        doubtful = np.zeros(len(offsets) - 1, np.bool_)
        outputs = []
        x = np.concatenate([x, np.zeros((1, x.shape[1]), np.float32)])
        for block in self._blocks:
            source, unsure = neighbours_with_nothing(np.ascontiguousarray(points), offsets, k)
            doubtful |= unsure
            nodes = on_rows(x, NO_COLUMNS, block.nodes, NO_FLOOR)
            edges = block.edges
            source = np.append(source.reshape(-1), n_rows)
            x = convolve(nodes, source, starts, edges.widths, edges.weights, edges.biases, max(EDGE_TILE, k))
            x[-1] = 0
            points = x[:-1, : block.width]
            outputs.append(points)
        return np.concatenate(outputs, axis=1), doubtful

    def _agrees(self, card: ModelCard) -> bool:
        """Whether made-up jets get the padded network's numbers."""
        random, n_jets, names = np.random.default_rng(5), len(_COUNTS), card.feature_set.names()
        arrays: dict[str, npt.NDArray[Any]] = {
            node_names.features("jet"): np.zeros((n_jets, len(names.get("jet", ()))), np.float32)
        }
        for number, collection in enumerate(card.feature_set.constituents):
            counts = np.array(_COUNTS) if number == 0 else random.integers(0, 4, n_jets)
            columns = [
                np.ones(counts.sum()) if feature == "mask" else random.normal(size=counts.sum())
                for feature in names[collection]
            ]
            arrays[node_names.features(collection)] = np.stack(columns, axis=1).astype(np.float32)
            arrays[node_names.offsets(collection)] = np.append(0, np.cumsum(counts))
        expected = self._padded.run(arrays)[self._output]
        values, doubtful = self._evaluated(arrays)
        if 2 * doubtful.sum() > n_jets:
            return False
        limit = _TOLERANCE * float(np.abs(expected).max())
        return bool(np.abs(values[:, : expected.shape[1]] - expected)[~doubtful].max() <= limit)


def _fits(network: WeaverParticleNet, card: ModelCard) -> bool:
    """Whether the tensors of the card are those that the network reads, of the same constituents each."""
    tensors = {tensor.name: tensor for tensor in card.tensors}
    for cloud in network.clouds:
        own = [tensors.get(name) for name in (cloud.points, cloud.features, cloud.mask)]
        if any(tensor is None for tensor in own):
            return False
        kinds = {(tensor.collection, tensor.max_length) for tensor in own if tensor is not None}
        if len(kinds) != 1 or len(cloud.layer.weight) != len(tensors[cloud.features].variables):
            return False
    used = {name for cloud in network.clouds for name in (cloud.points, cloud.features, cloud.mask)}
    widths = {len(cloud.layer.bias) for cloud in network.clouds}
    return used == set(tensors) and len(widths) == 1 and all(output.column is not None for output in card.outputs)


def _packed(block: EdgeBlock, n_in: int) -> _Block:
    """A block's layers as the kernels take them, every width filled up to what they treat at a time."""
    widths = (len(block.own.bias), *(len(layer.bias) for layer in block.edges))
    wide = filled_widths(widths)
    parts = (block.own, block.other, block.shortcut)
    together = Dense(
        np.concatenate([part.weight for part in parts], axis=1), np.concatenate([part.bias for part in parts])
    )
    return _Block(
        Layers.of([on_nodes(together, n_in, widths)]), Layers.of(_after(block.edges, wide[0]), wide[0]), widths[-1]
    )


def _after(layers: tuple[Dense, ...], n_in: int) -> list[Dense]:
    """Layers one after the other, whose inputs have the columns that the kernels before them fill up."""
    filled = []
    for layer in layers:
        n_out = padded_width(len(layer.bias))
        filled.append(Dense(padded(layer.weight, n_in, n_out), padded(layer.bias, n_out)))
        n_in = n_out
    return filled
