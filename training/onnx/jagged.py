"""The parts of an ONNX graph that go between rows and jets: row indices, sums over a jet's rows, and the head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coffea_mljec.models import node_names
from training.networks.network import Network
from training.onnx.writer import Writer, folded, standardised_dense, unfolded

__all__ = ["Rows", "write_head", "write_output"]


class Rows:
    """The rows of one collection and the jets that they belong to.

    The jet of every row comes from the offsets: ones are added at the inner offsets of zeros [N + 1], and their running
    sum counts the jets before (empty jets add up at one place; those at the end land beyond the last row).

    Attributes
    ----------
    count, jets : str
        Numbers of rows and jets, int64 [1].
    of_row : str
        The jet of every row, int64 [N].
    """

    def __init__(self, write: Writer, collection: str) -> None:
        self.write, self.collection = write, collection
        one, zero, minus_one = (write.integers(value) for value in (1, 0, -1))
        offsets = node_names.offsets(collection)
        inner = write("Slice", [offsets, one, minus_one, zero], f"{collection}.inner")
        self.jets = write.once("Shape", [node_names.features("jet")], "jets", start=0, end=1)
        self.count = write("Shape", [node_names.features(collection)], f"{collection}.count", start=0, end=1)
        length = write("Add", [self.count, one], f"{collection}.length")
        steps = write.filled(length, 0, f"{collection}.steps", np.int64)
        places = write("Unsqueeze", [inner, one], f"{collection}.places")
        ones = write.filled(write("Shape", [inner], f"{collection}.n_inner"), 1, f"{collection}.ones", np.int64)
        marked = write("ScatterND", [steps, places, ones], f"{collection}.marked", reduction="add")
        summed = write("CumSum", [marked, write.constant("axis", np.array(0, np.int64))], f"{collection}.summed")
        self.of_row = write("Slice", [summed, zero, self.count, zero], f"{collection}.row")

    def sums(self, rows: str, width: int, name: str = "") -> str:
        """Add the sum over each jet's rows, [n, width]; a jet without rows has zeros. Several need names."""
        write, collection = self.write, self.collection
        name = name or collection
        index = write.once("Unsqueeze", [self.of_row, write.integers(1)], f"{collection}.index")
        shape = write("Concat", [self.jets, write.integers(width)], f"{name}.shape", axis=0)
        empty = write.filled(shape, 0.0, f"{name}.empty")
        return write("ScatterND", [empty, index, rows], node_names.pooled(name), reduction="add")

    def pooled(self, rows: str, width: int, pooling: Sequence[str], share: int, name: str) -> list[str]:
        """Add the sums of every way of pooling; ``share`` is the column of the features that pooling by pT weighs with.

        One after the other, since side by side all rows would be copied once more.
        """
        write, collection = self.write, self.collection
        parts = []
        for way in pooling:
            part = rows
            if way == "pt":
                columns = write.integers(share)
                features = node_names.features(collection)
                column = write.once("Gather", [features, columns], f"{collection}.share", axis=1)
                part = write("Mul", [rows, column], f"{node_names.way(name, way)}.rows")
            parts.append(self.sums(part, width, node_names.way(name, way)))
        return parts


def write_head(write: Writer, network: Network, pooled: list[str]) -> None:
    """Add the head on the pooled collections and the standardised jet features, and the output."""
    jet = network.standardisations["jet"]
    head = folded(network.head)
    n_pooled = len(head[0][0]) - len(jet.features)
    weight, bias = head[0]
    first = node_names.layer(node_names.HEAD, 0)
    hidden = standardised_dense(write, "jet", jet, (weight[n_pooled:], bias), relu=False)
    if pooled:
        joined = write("Concat", pooled, node_names.POOLED, axis=1) if len(pooled) > 1 else pooled[0]
        head_weight = write.constant(node_names.weight(first), weight[:n_pooled].astype(np.float32))
        hidden = write("Gemm", [joined, head_weight, hidden], node_names.product(first))
    hidden = write("Relu", [hidden], first)
    for i, layer in enumerate(head[1:], start=1):
        hidden = write.dense(hidden, layer, node_names.layer(node_names.HEAD, i), relu=True)
    write_output(write, network, hidden)


def write_output(write: Writer, network: Network, hidden: str) -> None:
    """Add the linear outputs on what the head gave, [n] of one and [n, outputs] of several."""
    out = write.dense(hidden, unfolded(network.output), node_names.LAST, relu=False)
    if network.output.out_features == 1:
        write("Squeeze", [out, write.integers(1)], node_names.OUTPUT)
    else:
        write("Identity", [out], node_names.OUTPUTS)
