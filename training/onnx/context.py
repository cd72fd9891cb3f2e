"""A particle flow network with context as an ONNX graph: the context's product is made a jet and gathered by row."""

from __future__ import annotations

from typing import cast

import numpy as np
from torch import nn

from coffea_mljec.models import node_names
from training.networks.context import ContextPFN
from training.networks.layers import BatchNorm, Block
from training.onnx.jagged import Rows, write_output
from training.onnx.writer import Dense, Writer, double, folded, gain_of, standardised_dense

__all__ = ["write_context_network"]


def write_context_network(write: Writer, network: ContextPFN) -> None:
    """Add the whole network, down to ``log_correction``."""
    features = network.standardisations["jet"].features
    as_they_are = np.eye(len(features)), np.zeros(len(features))
    jet = standardised_dense(write, "jet", network.standardisations["jet"], as_they_are, relu=False)
    clouds = [_Cloud(write, network, c) for c in network.collections]
    known: list[str] = []  # the context, from the second round on
    for i, block in enumerate([*network.contexts, network.head]):
        sums = [part for cloud in clouds for part in cloud.pooled(i, known)]
        parts = [*sums, *known, jet]
        name = node_names.layer("context", i) if i < len(network.contexts) else node_names.HEAD
        hidden = write("Concat", parts, node_names.joined(name), axis=1) if len(parts) > 1 else jet
        for k, layer in enumerate(folded(cast("Block", block))):
            hidden = write.dense(hidden, layer, node_names.layer(name, k), relu=True)
        known = [hidden]
    write_output(write, network, known[0])


class _Cloud:
    """One collection's rows, which remember what the last round gave."""

    def __init__(self, write: Writer, network: ContextPFN, collection: str) -> None:
        self.write, self.network, self.name = write, network, collection
        self.of_jets = Rows(write, collection)
        self.rows = node_names.features(collection)

    def pooled(self, i: int, known: list[str]) -> list[str]:
        """Add round i on the rows; return their sums over each jet, [n, width] in each way of pooling."""
        write, name = self.write, node_names.layer(self.name, i)
        block = cast("Block", cast("nn.ModuleList", self.network.phi[self.name])[i])
        layers = folded(block)
        if known:
            rows = self._informed(i, layers[0], block, known[0])
        else:
            rows = standardised_dense(write, self.name, self.network.standardisations[self.name], layers[0])
        for k, layer in enumerate(layers[1:], start=1):
            rows = write.dense(rows, layer, node_names.layer(name, k), relu=True)
        self.rows, pooling = rows, self.network.architecture.pooling
        return self.of_jets.pooled(rows, len(layers[-1][1]), pooling, self.network.shares[self.name], name)

    def _informed(self, i: int, layer: Dense, block: Block, context: str) -> str:
        """Add the first layer of a later round: rows and context times their weights, the bias with the latter."""
        write, name = self.write, node_names.layer(self.name, i)
        first = node_names.layer(name, 0)
        told = cast("nn.Linear", cast("nn.ModuleList", self.network.told[self.name])[i - 1])
        weight = double(told.weight).T * gain_of(cast("BatchNorm", block[1]))
        of_jet = write.dense(context, (weight, layer[1]), node_names.told(name), relu=False)
        heard = write("Gather", [of_jet, self.of_jets.of_row], f"{name}.heard")
        own = write.constant(node_names.weight(first), layer[0].astype(np.float32))
        return write("Relu", [write("Gemm", [self.rows, own, heard], node_names.product(first))], first)
