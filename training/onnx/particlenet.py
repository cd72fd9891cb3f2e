"""ParticleNet's part of an ONNX graph: features and edges stay flat, only the search for neighbours is padded.

Distances are found on [n, P, P], P being the batch's largest jet, and neighbours by a masked ``TopK`` with
k = min(k, P - 1). Rows with fewer neighbours hear themselves in the places left, with weight 0. At equal distance TopK
takes the lower index, as `nearest_neighbours` does; but distances in feature space come from scalar products here, so
that neighbours whose distances agree to about 1e-6 may change places.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from torch import nn

from coffea_mljec.models import node_names
from training.networks.edges.convolution import EdgeConv
from training.networks.layers import BatchNorm
from training.networks.particlenet import ParticleNet
from training.onnx.jagged import Rows
from training.onnx.writer import Dense, Writer, fold, standardised_dense

__all__ = ["write_cloud"]


def write_cloud(write: Writer, network: ParticleNet, collection: str) -> str:
    """Add the EdgeConv blocks of one collection and the mean over each jet's rows; return it, [n, width]."""
    standardisation = network.standardisations[collection]
    cloud = _Cloud(write, collection, network.architecture.k(collection))
    x, width = "", 0
    for b, module in enumerate(cast("nn.ModuleList", network.convolutions[collection])):
        block, name = cast("EdgeConv", module), node_names.layer(collection, b)
        layers, nodes, sizes = _split(block)
        if b == 0:
            each = standardised_dense(write, collection, standardisation, nodes, relu=False)
            columns = write.integers(*network.coordinates[collection])
            features = node_names.features(collection)
            points = write("Gather", [features, columns], f"{collection}.coordinates", axis=1)
            neighbours = cloud.neighbours(points, 2, name, exact=True)
        else:
            each = write.dense(x, nodes, node_names.nodes(name), relu=False)
            neighbours = cloud.neighbours(x, width, name, exact=False)
        x, width = cloud.convolution(each, sizes, layers, neighbours, name), sizes[-1]
    sums = cloud.rows.sums(x, width)
    return write("Div", [sums, cloud.divisor], node_names.mean(collection))


def _split(block: EdgeConv) -> tuple[list[Dense], Dense, tuple[int, int, int]]:
    """Return the layers on edges after the first, one dense layer on nodes for the rest, and how its output is cut.

    The parts of that output: what a row says of itself (with the bias), what it says to others, and the shortcut.
    """
    weight, bias = fold(cast("nn.Linear", block.dense[0]), cast("BatchNorm", block.norm[0]))
    gain = len(weight) // 2
    own, other = weight[:gain] - weight[gain:], weight[gain:]
    shortcut, shortcut_bias = fold(block.shortcut, block.shortcut_norm)
    nodes = (
        np.concatenate([own, other, shortcut], axis=1),
        np.concatenate([bias, np.zeros_like(bias), shortcut_bias]),
    )
    later = zip(block.dense[1:], block.norm[1:], strict=True)
    layers = [fold(cast("nn.Linear", dense), cast("BatchNorm", norm)) for dense, norm in later]
    return layers, nodes, (len(bias), len(bias), len(shortcut_bias))


class _Cloud:
    """One collection's rows, their places among the padded jets, and how many neighbours each has."""

    def __init__(self, write: Writer, collection: str, k: int) -> None:
        self.write, self.name = write, collection
        self.rows = rows = Rows(write, collection)
        one, zero, two = (write.integers(value) for value in (1, 0, 2))
        scalar_zero, scalar_one = (write.constant(f"scalar_{value}", np.array(value, np.int64)) for value in (0, 1))

        def add(operator: str, inputs: list[str], name: str, **attributes: int) -> str:
            return write(operator, inputs, f"{collection}.{name}", **attributes)

        def counted(stop: str, name: str) -> str:
            return add("Range", [scalar_zero, add("Squeeze", [stop, zero], f"{name}.stop"), scalar_one], name)

        offsets = node_names.offsets(collection)
        begin = add("Slice", [offsets, zero, write.integers(-1), zero], "begin")
        end = add("Slice", [offsets, one, write.integers(2**62), zero], "end")
        size = add("Sub", [end, begin], "size")
        # At least 2, so that there is a neighbour to look for where every jet has one row or none.
        largest = add("ReduceMax", [add("Concat", [size, two], "sizes", axis=0), zero], "largest", keepdims=1)
        others = add("Sub", [largest, one], "others")
        self.k = write("Min", [write.integers(k), others], node_names.k(collection))
        self.itself = counted(rows.count, "itself")
        first = add("Gather", [begin, rows.of_row], "first")
        slot = add("Sub", [self.itself, first], "place")
        self.corner = add("Mul", [rows.of_row, largest], "corner")
        slots = add("Add", [self.corner, slot], "slots")
        self.slots = add("Unsqueeze", [slots, one], "slot")
        self.size = add("Mul", [rows.jets, largest], "padded_size")
        self.square = add("Concat", [rows.jets, largest], "square", axis=0)
        self.cube = add("Concat", [self.square, largest], "cube", axis=0)
        self.plane = add("Concat", [self.size, largest], "plane", axis=0)
        empty = write.filled(self.size, 0, f"{collection}.no_row", np.int64)
        self.row_of_slot = add("ScatterND", [empty, self.slots, self.itself], "row_of_slot")
        # Infinitely far: places without a row, and the row itself.
        far = write.filled(self.size, np.inf, f"{collection}.far")
        near = write.filled(rows.count, 0.0, f"{collection}.near")
        missing = add("ScatterND", [far, self.slots, near], "missing")
        missing = add("Gather", [add("Reshape", [missing, self.square], "missing_square"), rows.of_row], "missing_row")
        along = counted(largest, "along")
        own = add("Equal", [add("Unsqueeze", [slot, one], "place_column"), along], "own")
        infinity = write.constant("infinity", np.float32(np.inf))
        self.penalty = add("Where", [own, infinity, missing], "penalty")
        has = add("Gather", [size, rows.of_row], "has")
        rank = counted(self.k, "rank")
        others = add("Unsqueeze", [add("Sub", [has, one], "has_others"), one], "has_others_column")
        self.chosen = add("Less", [rank, others], "chosen")
        heard = add("Max", [others, one], "heard")
        self.degree = add("Cast", [add("Min", [heard, self.k], "degree_int")], "degree", to=1)
        valid = add("Cast", [add("Less", [rank, heard], "valid_bool")], "valid", to=1)
        self.weight = add("Unsqueeze", [add("Div", [valid, self.degree], "share"), one], "weight")
        some = add("Cast", [add("Max", [size, one], "at_least_one")], "some", to=1)
        self.divisor = add("Unsqueeze", [some, one], "divisor")
        self.itself_column = add("Unsqueeze", [self.itself, one], "itself_column")
        self.corner_column = add("Unsqueeze", [self.corner, one], "corner_column")

    def neighbours(self, points: str, width: int, name: str, exact: bool) -> str:
        """Add the search in ``points`` [N, width]; return the neighbours' rows, int64 [N, k]."""
        write = self.write
        one, two = write.integers(1), write.integers(2)

        def add(operator: str, inputs: list[str], part: str, **attributes: int) -> str:
            return write(operator, inputs, f"{name}.{part}", **attributes)

        columns = write.integers(width)
        flat = write.filled(add("Concat", [self.size, columns], "padded_shape", axis=0), 0.0, f"{name}.zeros")
        placed = add("ScatterND", [flat, self.slots, points], "placed")
        padded = add("Reshape", [placed, add("Concat", [self.square, columns], "padded_cube", axis=0)], "padded")
        if exact:  # differences, coordinate by coordinate as numba adds them
            parts = []
            for i, coordinate in enumerate(("eta", "phi")):
                value = add(
                    "Gather", [padded, write.constant(f"scalar_{i}", np.array(i, np.int64))], coordinate, axis=2
                )
                step = add(
                    "Sub",
                    [
                        add("Unsqueeze", [value, two], f"{coordinate}_column"),
                        add("Unsqueeze", [value, one], f"{coordinate}_row"),
                    ],
                    f"{coordinate}_step",
                )
                parts.append(add("Mul", [step, step], f"{coordinate}_square"))
            distance = add("Add", parts, "distance")
        else:  # |x|^2 is the same for all neighbours of a row: what is left orders them alike
            turned = write(  # [n, width, P]
                "Transpose", [padded], f"{name}.turned", perm=[0, 2, 1]
            )
            products = add("MatMul", [padded, turned], "products")
            squares = add("ReduceSumSquare", [padded, two], "squares", keepdims=0)
            twice = add("Mul", [products, write.constant("two_float", np.float32(2.0))], "twice")
            distance = add("Sub", [add("Unsqueeze", [squares, one], "squares_row"), twice], "distance")
        of_slot = add("Reshape", [distance, self.plane], "of_slot")
        of_row = add("GatherND", [of_slot, self.slots], "of_row")
        masked = add("Add", [of_row, self.penalty], "masked")
        write.split("TopK", [masked, self.k], [f"{name}.values", f"{name}.places"], axis=1, largest=0, sorted=1)
        slots = add("Add", [self.corner_column, f"{name}.places"], "neighbour_slots")
        rows = add("Gather", [self.row_of_slot, slots], "neighbour_rows")
        return add("Where", [self.chosen, rows, self.itself_column], "neighbours")

    def convolution(
        self, nodes: str, sizes: tuple[int, int, int], layers: list[Dense], neighbours: str, name: str
    ) -> str:
        """Add an EdgeConv block on what the nodes' dense layer gave; return the new features [N, width]."""
        write = self.write
        parts = [f"{name}.own", f"{name}.other", f"{name}.shortcut"]
        write.split("Split", [nodes, write.integers(*sizes)], parts, axis=1)
        own, other, shortcut = parts
        heard = write("Gather", [other, neighbours], f"{name}.heard")
        own = write("Unsqueeze", [own, write.integers(1)], f"{name}.own_column")
        edges = write("Relu", [write("Add", [own, heard], f"{name}.edges")], f"{name}.first")
        width = sizes[0]
        if layers:
            flat = write("Reshape", [edges, write.integers(-1, width)], f"{name}.flat")
            for i, layer in enumerate(layers, start=1):
                flat = write.dense(flat, layer, node_names.layer(name, i), relu=True)
                width = len(layer[1])
            shape = write("Concat", [self.rows.count, self.k, write.integers(width)], f"{name}.edge_shape", axis=0)
            edges = write("Reshape", [flat, shape], f"{name}.psi")
        mean = write("MatMul", [self.weight, edges], f"{name}.means")
        mean = write("Squeeze", [mean, write.integers(1)], f"{name}.mean")
        return write("Relu", [write("Add", [shortcut, mean], f"{name}.sum")], f"{name}.out")
