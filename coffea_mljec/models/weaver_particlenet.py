"""The weights of a ParticleNet as weaver exports it: found in its graph by what the nodes do, whatever they are called.

Source: weaver-core, ``weaver/nn/model/ParticleNet.py``, which CMS's networks were trained with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.models.weights import Dense
from coffea_mljec.models.wire import Constants

__all__ = ["EdgeBlock", "PointCloud", "WeaverParticleNet", "read_particlenet"]

_EPSILON = 1e-5
"""Of batch norms, where nobody says otherwise. The wire format of attributes is not read: a network with another one is
told by its numbers (`coffea_mljec.models.engines.particlenet`)."""


@dataclass(frozen=True)
class PointCloud:
    """Inputs of the graph that describe one kind of constituents, and the layer on their features."""

    points: str
    features: str
    mask: str
    layer: Dense


@dataclass(frozen=True)
class EdgeBlock:
    """One EdgeConv: what a row says of itself and to others, its shortcut, and the further layers on edges."""

    own: Dense
    other: Dense
    shortcut: Dense
    edges: tuple[Dense, ...]


@dataclass(frozen=True)
class WeaverParticleNet:
    """A ParticleNet with the outputs of all blocks fused; batch norms are folded into the layers."""

    clouds: tuple[PointCloud, ...]
    k: int
    blocks: tuple[EdgeBlock, ...]
    fusion: Dense
    head: tuple[Dense, ...]
    softmax: bool


class _AnotherNetwork(Exception):
    pass


def read_particlenet(graph: Constants, output: str) -> WeaverParticleNet | None:
    """Read the network behind an output; None if it is no such ParticleNet."""
    try:
        return _Walk(graph).network(output)
    except _AnotherNetwork:
        return None


class _Walk:
    """Steps from a value of the graph to what it is made from."""

    def __init__(self, graph: Constants) -> None:
        self._graph = graph

    def network(self, name: str) -> WeaverParticleNet:
        softmax = self._is(name, "Softmax")
        name, head = self._head(self._from(name, "Softmax")[0] if softmax else name)
        mean = self._from(self._from(name, "Div")[0], "ReduceSum")[0]
        name, fusion = self._linear(self._from(self._from(mean, "Mul")[0], "Relu")[0])
        outputs = self._from(name, "Concat")
        found = [self._block(output) for output in outputs]
        if tuple(source for source, _ in found[1:]) != outputs[:-1]:
            raise _AnotherNetwork
        first = found[0][0]
        clouds = self._clouds(self._from(first, "Mul")[0] if self._is(first, "Mul") else first)
        return WeaverParticleNet(clouds, self._k(), tuple(block for _, block in found), fusion, head, softmax)

    def _is(self, name: str, operator: str) -> bool:
        return self._graph.operators.get(name) == operator

    def _from(self, name: str, operator: str) -> tuple[str, ...]:
        """The inputs of the node that makes a value; it must be of this kind."""
        if not self._is(name, operator) or not self._graph.inputs[name]:
            raise _AnotherNetwork
        return self._graph.inputs[name]

    def _value(self, name: str, *shape: int) -> npt.NDArray[np.float64]:
        value = self._graph.values.get(name)
        if value is None or (shape and value.shape != shape):
            raise _AnotherNetwork
        return value.astype(np.float64)

    def _norm(self, name: str) -> tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """What a batch norm acts on, its factors and its terms."""
        inputs = self._from(name, "BatchNormalization")
        if len(inputs) != 5:
            raise _AnotherNetwork
        gamma, beta, mean, variance = (self._value(constant) for constant in inputs[1:])
        factor = gamma / np.sqrt(variance + _EPSILON)
        return inputs[0], factor, beta - mean * factor

    def _linear(self, name: str) -> tuple[str, Dense]:
        """A convolution of width 1, with the batch norm behind it, if any: what it acts on, and the layer."""
        factor: Any = 1.0
        term: Any = 0.0
        if self._is(name, "BatchNormalization"):
            name, factor, term = self._norm(name)
        source, kernel, *bias = self._from(name, "Conv")
        weight = self._value(kernel)
        if weight.ndim < 3 or set(weight.shape[2:]) != {1}:
            raise _AnotherNetwork
        n_out = len(weight)
        matrix = weight.reshape(n_out, -1).T
        own = self._value(bias[0], n_out) if bias else np.zeros(n_out)
        return source, _dense(matrix * factor, own * factor + term)

    def _head(self, name: str) -> tuple[str, tuple[Dense, ...]]:
        """The layers on jets, and what they act on."""
        layers: list[Dense] = []
        while True:
            inputs = self._from(name, "Gemm")
            if len(inputs) != 3:
                raise _AnotherNetwork
            layers.insert(0, _dense(self._value(inputs[1]).T, self._value(inputs[2])))
            if not self._is(inputs[0], "Relu"):
                return inputs[0], tuple(layers)
            name = self._from(inputs[0], "Relu")[0]

    def _block(self, name: str) -> tuple[str, EdgeBlock]:
        """What an EdgeConv acts on, and its layers."""
        parts = self._from(self._from(self._from(name, "Mul")[0], "Relu")[0], "Add")
        mean, short = sorted(parts, key=lambda part: not self._is(part, "ReduceMean"))
        source, shortcut = self._linear(short)
        edges: list[Dense] = []
        name = self._from(mean, "ReduceMean")[0]
        while self._is(name, "Relu"):
            name, layer = self._linear(self._from(name, "Relu")[0])
            edges.insert(0, layer)
        self._from(name, "Concat")
        n_in = len(shortcut.weight)
        if not edges or len(edges[0].weight) != 2 * n_in:
            raise _AnotherNetwork
        # [x_i, x_j - x_i] W = x_i (Wa - Wb) + x_j Wb: once a row instead of once an edge.
        of_self, of_difference = np.split(edges[0].weight.astype(np.float64), 2)
        own = _dense(of_self - of_difference, edges[0].bias)
        other = _dense(of_difference, np.zeros_like(edges[0].bias))
        return source, EdgeBlock(own, other, shortcut, tuple(edges[1:]))

    def _clouds(self, name: str) -> tuple[PointCloud, ...]:
        parts = self._from(name, "Concat")
        features, masks, layers = [], [], []
        for part in parts:
            rows, mask = self._from(part, "Mul")
            source, layer = self._linear(self._from(rows, "Relu")[0])
            if self._is(source, "BatchNormalization"):
                source, factor, term = self._norm(source)
                matrix = layer.weight.astype(np.float64)
                layer = _dense(matrix * factor[:, None], layer.bias + term @ matrix)
            features.append(self._from(source, "Mul")[0] if self._is(source, "Mul") else source)
            masks.append(mask)
            layers.append(layer)
        made = self._graph.operators.keys() | self._graph.values.keys()
        points = {
            inputs
            for name, inputs in self._graph.inputs.items()
            if self._is(name, "Concat") and not set(inputs) & made and list(inputs) != masks
        }
        if len(points) != 1 or len(own := points.pop()) != len(parts) or made & {*features, *masks}:
            raise _AnotherNetwork
        return tuple(map(PointCloud, own, features, masks, layers))

    def _k(self) -> int:
        """Neighbours of a row: the graph looks for one more, the row itself."""
        numbers = {
            self._graph.inputs[name][1:] for name, operator in self._graph.operators.items() if operator == "TopK"
        }
        found = {int(value) for names in numbers for name in names for value in self._value(name).ravel()}
        if len(found) != 1 or min(found) < 2:
            raise _AnotherNetwork
        return found.pop() - 1


def _dense(weight: npt.NDArray[Any], bias: npt.NDArray[Any]) -> Dense:
    return Dense(np.ascontiguousarray(weight, np.float32), np.ascontiguousarray(bias, np.float32))
