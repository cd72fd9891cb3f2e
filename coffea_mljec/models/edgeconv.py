"""ParticleNet on flat edges, without padding: the weights of a model's own graph, applied by numba and BLAS.

The graph is written by ``training.networks.graph`` and stays the reference; only its named constants are read here.
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
from coffea_mljec.models.blas import one_blas_thread
from coffea_mljec.models.card import Cloud
from coffea_mljec.models.edge_kernels import convolve, mean_of_jets
from coffea_mljec.models.folder import ModelFolder
from coffea_mljec.models.lanes import LANES
from coffea_mljec.models.neighbours import nearest_neighbours
from coffea_mljec.models.wire import Constants, read_constants

__all__ = ["COORDINATES", "EdgeConvNetwork"]

COORDINATES = ("rel_eta", "rel_phi")
"""Features in which the first neighbours are looked for."""

_TILE = 2**13
"""Numbers in a tile of edges: 32 kB, so that a tile and its successor stay near a core."""

_EDGES = 256
"""Edges in a tile, at least: a matrix product of fewer rows is slower than the cache makes up for."""

_NODES = 2**19
"""Numbers that the rows of the jets in hand say to each other: 2 MB, so that they stay in the third-level cache."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Dense:
    weight: Array
    bias: Array

    def on_nodes(self, n_in: int, layers: tuple[int, ...]) -> _Dense:
        """The same layer with its ``n_in`` rows and its own, other and shortcut columns padded."""
        weight = _padded_nodes(self.weight, layers)
        return _Dense(_padded(weight, n_in, weight.shape[1]), _padded_nodes(self.bias, layers))


@dataclass(frozen=True)
class _Inputs:
    """The first layer on a collection's or the jets' features: ``x plain + bias + symlog(x pick) weight``."""

    plain: _Dense
    pick: Array | None
    weight: Array | None

    def __call__(self, x: Array) -> Array:
        out = x @ self.plain.weight
        out += self.plain.bias
        if self.pick is not None:
            value = x @ self.pick
            out += np.copysign(np.log1p(np.abs(value)), value) @ self.weight
        return out

    def on_nodes(self, layers: tuple[int, ...]) -> _Inputs:
        """The same with the columns of a block's nodes padded."""
        plain = self.plain.on_nodes(len(self.plain.weight), layers)
        return _Inputs(plain, self.pick, None if self.weight is None else _padded_nodes(self.weight, layers))


@dataclass(frozen=True)
class _Block:
    """One EdgeConv block: the layer on rows (None where it is the first on inputs) and the layers on edges."""

    nodes: _Dense | None
    widths: npt.NDArray[np.int64]
    weights: Array
    biases: Array

    def tile(self, k: int) -> int:
        """Edges in a tile: a row has up to k of them."""
        return max(_TILE // int(self.widths.max()), _EDGES, k)


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
        weights = _Weights(card.name, read_constants(model.graph))
        clouds = {c: card.clouds[c] for c in card.feature_set.constituents}  # in the order of the head's inputs
        self._k = {c: cloud.k for c, cloud in clouds.items()}
        self._columns = {c: [features[c].index(name) for name in COORDINATES] for c in clouds}
        self._inputs: dict[str, _Inputs] = {}
        self._blocks: dict[str, list[_Block]] = {}
        for c, cloud in clouds.items():
            inputs = weights.inputs(c, len(features[c]), _nodes_width(cloud.blocks[0]))
            self._inputs[c] = inputs.on_nodes(cloud.blocks[0])
            self._blocks[c] = weights.blocks(c, cloud)
            weights.check_neighbours(c, cloud.k)
        self._pooled_widths = {c: cloud.blocks[-1][-1] for c, cloud in clouds.items()}
        self._head_first, self._head = weights.head(sum(self._pooled_widths.values()))
        self._inputs["jet"] = weights.inputs("jet", len(features["jet"]), self._head_first.shape[1])

    def __call__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Array:
        """Return ``log_correction``, float32 [n], of one batch of flat arrays (`coffea_mljec.features.compute`).

        A jet with fewer than k + 1 constituents uses the neighbours that it has; a collection without constituents
        pools to zeros. NaN and infinite inputs pass through to their own jet's output.
        """
        with one_blas_thread(), np.errstate(all="ignore"):
            hidden = self._inputs["jet"](arrays["jet_features"])
            at = 0
            for c in self._k:
                width = self._pooled_widths[c]
                pooled = self._pooled(c, arrays[f"{c}_features"], arrays[f"{c}_offsets"])[:, :width]
                hidden += pooled @ self._head_first[at : at + width]
                at += width
            for layer in self._head:
                np.maximum(hidden, 0.0, out=hidden)
                hidden = hidden @ layer.weight
                hidden += layer.bias
        return hidden[:, 0]

    def _pooled(self, collection: str, features: Array, offsets: npt.NDArray[np.int64]) -> Array:
        """The mean over each jet's rows, [n, width], some jets at a time."""
        blocks = self._blocks[collection]
        rows = max(1, _NODES // max(_nodes_width(tuple(block.widths)) for block in blocks))
        out = np.empty((len(offsets) - 1, int(blocks[-1].widths[-1])), np.float32)
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
            if block.nodes is None:
                nodes = self._inputs[collection](x)
            else:
                nodes = x @ block.nodes.weight
                nodes += block.nodes.bias
            source, starts = nearest_neighbours(points, offsets, k, ranked=False)
            x = points = convolve(nodes, source, starts, block.widths, block.weights, block.biases, block.tile(k))
        return x


def _nodes_width(layers: tuple[int, ...]) -> int:
    """Columns of what a block says of every row: own, other, shortcut."""
    return 2 * int(layers[0]) + int(layers[-1])


def _filled(layers: tuple[int, ...]) -> tuple[int, ...]:
    """Widths rounded up to what the kernels treat at a time."""
    return tuple((width + LANES - 1) // LANES * LANES for width in layers)


def _padded(value: Array, *sizes: int) -> Array:
    """The same numbers in a larger array, zeros beyond them: columns of zeros stay zeros through every layer."""
    out = np.zeros(sizes, np.float32)
    out[tuple(slice(size) for size in value.shape)] = value
    return out


def _padded_nodes(value: Array, layers: tuple[int, ...]) -> Array:
    """Columns own, other and shortcut (last axis), each padded by itself."""
    parts = np.split(value, [layers[0], 2 * layers[0]], axis=-1)
    wide = _filled(layers)
    sizes = (wide[0], wide[0], wide[-1])
    return np.concatenate([_padded(part, *part.shape[:-1], size) for part, size in zip(parts, sizes, strict=True)], -1)


class _Weights:
    """The constants of a graph under the names that ``training.networks`` gives them, each checked for its shape."""

    def __init__(self, name: str, constants: Constants) -> None:
        self._name, self._constants = name, constants

    def inputs(self, collection: str, n_features: int, width: int) -> _Inputs:
        plain = self._dense(f"{collection}.0.plain", n_features, width)
        if f"{collection}.symlog.pick" not in self._constants.values:
            return _Inputs(plain, None, None)
        pick = self._array(f"{collection}.symlog.pick", n_features, None)
        return _Inputs(plain, pick, self._array(f"{collection}.symlog.weight", pick.shape[1], width))

    def blocks(self, collection: str, cloud: Cloud) -> list[_Block]:
        blocks: list[_Block] = []
        for b, layers in enumerate(cloud.blocks):
            name = f"{collection}.{b}"
            wide = _filled(layers)
            nodes = None
            if b:
                before = cloud.blocks[b - 1]
                nodes = self._dense(f"{name}.nodes", before[-1], _nodes_width(layers))
                nodes = nodes.on_nodes(_filled(before)[-1], layers)
            edges = [self._dense(f"{name}.{i}", layers[i - 1], layers[i]) for i in range(1, len(layers))]
            empty = [np.zeros(0, np.float32)]
            weights = np.concatenate(
                empty + [_padded(layer.weight, *wide[i : i + 2]).ravel() for i, layer in enumerate(edges)]
            )
            biases = np.concatenate(empty + [_padded(layer.bias, wide[i + 1]) for i, layer in enumerate(edges)])
            blocks.append(_Block(nodes, np.array(wide, np.int64), weights, biases))
        return blocks

    def head(self, n_pooled: int) -> tuple[Array, list[_Dense]]:
        first = self._array("head.0.weight", n_pooled, None)
        layers: list[_Dense] = []
        width, i = first.shape[1], 1
        while f"head.{i}.weight" in self._constants.values:
            layers.append(self._dense(f"head.{i}", width, None))
            width, i = layers[-1].weight.shape[1], i + 1
        return first, [*layers, self._dense("output", width, 1)]

    def check_neighbours(self, collection: str, k: int) -> None:
        """Compare the card's k with the graph's, where the least of it and the other constituents is taken."""
        found = self._constants.inputs.get(f"{collection}.k", ("nothing",))[0]
        if found != f"int64_{k}":
            raise ModelError(
                f"the card of model {self._name!r} says k = {k} for {collection}, its graph has "
                f"{found.removeprefix('int64_')}: export the model again."
            )

    def _dense(self, name: str, n_in: int, n_out: int | None) -> _Dense:
        weight = self._array(f"{name}.weight", n_in, n_out)
        return _Dense(weight, self._array(f"{name}.bias", weight.shape[1]))

    def _array(self, name: str, *shape: int | None) -> Array:
        value = self._constants.values.get(name)
        wanted = " x ".join("any" if size is None else str(size) for size in shape)
        if value is None:
            raise ModelError(
                f"model {self._name!r} says engine 'edgeconv', but its graph has no constant {name!r} ({wanted}): only "
                "a ParticleNet written by python -m training export has them. Export it again, or say engine 'onnx'."
            )
        fits = len(value.shape) == len(shape) and all(
            size is None or size == got for size, got in zip(shape, value.shape, strict=True)
        )
        if not fits or value.dtype != np.float32:
            got = " x ".join(map(str, value.shape))
            raise ModelError(
                f"the constant {name!r} of model {self._name!r} must be float32 {wanted}, as its card says; got "
                f"{value.dtype} {got}. Export the model again."
            )
        return np.ascontiguousarray(value, np.float32)
