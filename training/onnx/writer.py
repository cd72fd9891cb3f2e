"""Writing ONNX graphs node by node: constants, dense layers with their norms folded in, standardised inputs, sums.

Batch norm, shift and scale are folded into the dense layers in double precision. What torch's own exporter does instead
stands in `training.onnx.graph`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from coffea_mljec.errors import InputError
from coffea_mljec.models import node_names
from training.networks.layers import BatchNorm, Block
from training.networks.standardisation import Standardisation

__all__ = [
    "IR_VERSION",
    "OPSET",
    "Dense",
    "Writer",
    "double",
    "fold",
    "folded",
    "gain_of",
    "standardised_dense",
    "unfolded",
]

#: ScatterND has reductions from 16 on; onnxruntime 1.20 and later read these.
OPSET = 18
IR_VERSION = 9

#: Weight [in, out] and bias [out].
Dense = tuple[NDArray[np.float64], NDArray[np.float64]]


class Writer:
    """Collects the nodes and constants of one graph; every name is made here once.

    Parameters
    ----------
    widths : mapping of str to int
        ``jet`` and the collections of constituents -> number of features: the graph's inputs.
    """

    def __init__(self, widths: Mapping[str, int]) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._used: set[str] = set()
        self._widths = dict(widths)

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """Add a constant (once a name) and return its name."""
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        """Return a constant int64 [len(values)], shared by all who ask for the same values."""
        return self.constant(node_names.integers(*values), np.array(values, np.int64))

    def __call__(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        self.split(operator, inputs, [name], **attributes)
        return name

    def split(self, operator: str, inputs: list[str], names: list[str], **attributes: Any) -> None:
        """Add a node with several outputs."""
        from onnx import helper

        for name in names:
            if name in self._used:
                raise InputError(f"the graph already has a value {name!r}")
            self._used.add(name)
        self._nodes.append(helper.make_node(operator, inputs, names, name=names[0], **attributes))

    def once(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node unless its name stands for it already."""
        return name if name in self._used else self(operator, inputs, name, **attributes)

    def filled(self, shape: str, value: float, name: str, kind: type = np.float32) -> str:
        """Add a tensor of the shape that another tensor tells, with one value everywhere."""
        from onnx import numpy_helper

        return self("ConstantOfShape", [shape], name, value=numpy_helper.from_array(np.array([value], kind)))

    def dense(self, inputs: str, layer: Dense, name: str, relu: bool) -> str:
        """Add ``relu(x W + b)``."""
        weight, bias = layer
        arguments = [inputs, self.constant(node_names.weight(name), weight.astype(np.float32))]
        arguments.append(self.constant(node_names.bias(name), bias.astype(np.float32)))
        out = self("Gemm", arguments, node_names.product(name) if relu else name)
        return self("Relu", [out], name) if relu else out

    def serialised(self, name: str, n_outputs: int = 1) -> bytes:
        """Return the checked model, whose output is ``log_correction`` [n], or ``outputs`` [n, n_outputs]."""
        from onnx import TensorProto, checker, helper

        info = helper.make_tensor_value_info
        inputs = [info(node_names.features("jet"), TensorProto.FLOAT, ["n", self._widths["jet"]])]
        for c, width in self._widths.items():
            if c != "jet":
                inputs.append(info(node_names.features(c), TensorProto.FLOAT, [f"n_{c}", width]))
                inputs.append(info(node_names.offsets(c), TensorProto.INT64, [f"n_{c}_offsets"]))
        if n_outputs == 1:
            output = info(node_names.OUTPUT, TensorProto.FLOAT, ["n"])
        else:
            output = info(node_names.OUTPUTS, TensorProto.FLOAT, ["n", n_outputs])
        graph = helper.make_graph(self._nodes, name, inputs, [output], list(self._constants.values()))
        model = helper.make_model(
            graph, producer_name="coffea_mljec", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def fold(dense: nn.Linear, norm: BatchNorm) -> Dense:
    """Return a dense layer with the batch norm after it folded in."""
    gain = gain_of(norm)
    bias = double(dense.bias) if dense.bias is not None else 0.0
    return double(dense.weight).T * gain, (bias - double(norm.running_mean)) * gain + double(norm.bias)


def gain_of(norm: BatchNorm) -> NDArray[np.float64]:
    """Return what a batch norm in evaluation mode multiplies by, float64 array [C]."""
    return double(norm.weight) / np.sqrt(double(norm.running_var) + norm.eps)


def folded(block: Block) -> list[Dense]:
    """Return each hidden layer of a block, its batch norm folded in."""
    layers = []
    modules = list(block)
    for dense, norm in zip(modules[0::3], modules[1::3], strict=True):
        assert isinstance(dense, nn.Linear)
        assert isinstance(norm, BatchNorm)
        layers.append(fold(dense, norm))
    return layers


def unfolded(dense: nn.Linear) -> Dense:
    """Return a dense layer that has no norm after it."""
    return double(dense.weight).T, double(dense.bias)


def double(parameter: Any) -> NDArray[np.float64]:
    """Return a parameter as a float64 array."""
    return np.asarray(parameter.detach().cpu().numpy(), dtype=np.float64)


def standardised_dense(
    write: Writer, collection: str, standardisation: Standardisation, layer: Dense, relu: bool = True
) -> str:
    """Add ``relu(standardise(x) W + b)``: the transformed columns apart, shift and scale folded into W and b.

    The columns are picked and divided by their units in one small matrix product, which is faster than gathering them.
    """
    weight = layer[0] / np.array(standardisation.scale)[:, None]
    bias = layer[1] - np.array(standardisation.shift) @ weight
    name, source = node_names.layer(collection, 0), node_names.features(collection)
    columns = standardisation.symlog_columns
    plain = weight.copy()
    plain[columns] = 0.0
    out = write.dense(source, (plain, bias), node_names.plain(collection), relu=False)
    if len(columns):
        part = node_names.symlog(collection)
        pick = np.zeros((len(weight), len(columns)), np.float32)
        pick[columns, np.arange(len(columns))] = 1.0 / standardisation.units[columns]
        value = write("MatMul", [source, write.constant(node_names.pick(collection), pick)], f"{part}.value")
        shifted = write(
            "Add",
            [write("Abs", [value], f"{part}.size"), write.constant("one_float", np.float32(1.0))],
            f"{part}.shifted",
        )
        logarithm = write("Log", [shifted], f"{part}.log")
        signed = write("Mul", [logarithm, write("Sign", [value], f"{part}.sign")], f"{part}.signed")
        rows = write.constant(node_names.weight(part), weight[columns].astype(np.float32))
        out = write("Gemm", [signed, rows, out], f"{part}.sum")
    return write("Relu", [out], name) if relu else out
