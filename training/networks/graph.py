"""A trained particle flow network as one ONNX graph on flat jagged inputs, written node by node.

Written with ``onnx.helper``: torch's legacy exporter turns ``index_add`` into a scatter without reduction, silently
wrong. Batch norm, shift and scale are folded into the dense layers in double precision, so that only transforms, matrix
products and one scatter-add per collection are left.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from coffea_mljec.errors import InputError
from training.networks.pfn import PFN, BatchNorm, Block
from training.networks.standardisation import Standardisation

__all__ = ["IR_VERSION", "OPSET", "pfn_graph"]

#: ScatterND has reductions from 16 on; onnxruntime 1.20 and later read these.
OPSET = 18
IR_VERSION = 9

_Dense = tuple[NDArray[np.float64], NDArray[np.float64]]


class _Writer:
    """Collects nodes and constants; every name is made here once."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.used: set[str] = set()

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """Add a constant (once a name) and return its name."""
        from onnx import numpy_helper

        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def __call__(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        from onnx import helper

        if name in self.used:
            raise InputError(f"the graph already has a value {name!r}")
        self.used.add(name)
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def dense(self, inputs: str, layer: _Dense, name: str, relu: bool) -> str:
        """Add ``relu(x W + b)``."""
        weight, bias = layer
        arguments = [inputs, self.constant(f"{name}.weight", weight.astype(np.float32))]
        arguments.append(self.constant(f"{name}.bias", bias.astype(np.float32)))
        out = self("Gemm", arguments, f"{name}.dense" if relu else name)
        return self("Relu", [out], name) if relu else out


def pfn_graph(network: PFN) -> bytes:
    """Return the serialised ONNX model of a network in evaluation mode.

    Inputs: ``jet_features`` float32 [n, F] and, per collection, ``c_features`` float32 [N_c, F_c] and ``c_offsets``
    int64 [n + 1], from 0. Output: ``log_correction`` float32 [n]. All first axes are dynamic and may be 0.

    The row of every constituent comes from the offsets: ones are added at the inner offsets of zeros [N + 1], and their
    running sum counts the jets before (empty jets add up at one place; those at the end land beyond the last row).

    Parameters
    ----------
    network : PFN
        With its standardisations.
    """
    from onnx import TensorProto, checker, helper

    write = _Writer()
    jet = network.standardisations["jet"]
    jets = write("Shape", ["jet_features"], "jets", start=0, end=1)
    inputs = [_input("jet_features", TensorProto.FLOAT, ["n", len(jet.features)])]
    pooled = []
    for c in network.collections:
        standardisation = network.standardisations[c]
        inputs.append(_input(f"{c}_features", TensorProto.FLOAT, [f"n_{c}", len(standardisation.features)]))
        inputs.append(_input(f"{c}_offsets", TensorProto.INT64, [f"n_{c}_offsets"]))
        layers = _folded(cast("Block", network.phi[c]))
        rows = _standardised_dense(write, c, standardisation, layers[0])
        for i, layer in enumerate(layers[1:], start=1):
            rows = write.dense(rows, layer, f"{c}.{i}", relu=True)
        pooled.append(_pool(write, c, rows, len(layers[-1][1]), jets))
    head = _folded(network.head)
    n_pooled = len(head[0][0]) - len(jet.features)
    weight, bias = head[0]
    hidden = _standardised_dense(write, "jet", jet, (weight[n_pooled:], bias), relu=False)
    if pooled:
        joined = write("Concat", pooled, "pooled", axis=1) if len(pooled) > 1 else pooled[0]
        head_weight = write.constant("head.0.weight", weight[:n_pooled].astype(np.float32))
        hidden = write("Gemm", [joined, head_weight, hidden], "head.0.dense")
    hidden = write("Relu", [hidden], "head.0")
    for i, layer in enumerate(head[1:], start=1):
        hidden = write.dense(hidden, layer, f"head.{i}", relu=True)
    last = network.output
    out = write.dense(hidden, (_double(last.weight).T, _double(last.bias)), "output", relu=False)
    write("Squeeze", [out, write.constant("one", np.array([1], np.int64))], "log_correction")
    graph = helper.make_graph(
        write.nodes,
        "pfn",
        inputs,
        [_input("log_correction", TensorProto.FLOAT, ["n"])],
        list(write.constants.values()),
    )
    model = helper.make_model(
        graph, producer_name="coffea_mljec", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _input(name: str, kind: int, shape: list[Any]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, kind, shape)


def _double(parameter: Any) -> NDArray[np.float64]:
    return np.asarray(parameter.detach().cpu().numpy(), dtype=np.float64)


def _folded(block: Block) -> list[_Dense]:
    """Return (weight [in, out], bias [out]) of each hidden layer, its batch norm folded in."""
    layers = []
    modules = list(block)
    for dense, norm in zip(modules[0::3], modules[1::3], strict=True):
        assert isinstance(dense, nn.Linear)
        assert isinstance(norm, BatchNorm)
        gain = _double(norm.weight) / np.sqrt(_double(norm.running_var) + norm.eps)
        bias = _double(dense.bias) if dense.bias is not None else 0.0
        layers.append((_double(dense.weight).T * gain, (bias - _double(norm.running_mean)) * gain + _double(norm.bias)))
    return layers


def _standardised_dense(
    write: _Writer, collection: str, standardisation: Standardisation, layer: _Dense, relu: bool = True
) -> str:
    """Add ``relu(standardise(x) W + b)``: the transformed columns apart, shift and scale folded into W and b.

    The columns are picked and divided by their units in one small matrix product, which is faster than gathering them.
    """
    weight = layer[0] / np.array(standardisation.scale)[:, None]
    bias = layer[1] - np.array(standardisation.shift) @ weight
    name, source = f"{collection}.0", f"{collection}_features"
    columns = standardisation.symlog_columns
    plain = weight.copy()
    plain[columns] = 0.0
    out = write.dense(source, (plain, bias), f"{name}.plain", relu=False)
    if len(columns):
        part = f"{collection}.symlog"
        pick = np.zeros((len(weight), len(columns)), np.float32)
        pick[columns, np.arange(len(columns))] = 1.0 / standardisation.units[columns]
        value = write("MatMul", [source, write.constant(f"{part}.pick", pick)], f"{part}.value")
        shifted = write(
            "Add", [write("Abs", [value], f"{part}.size"), write.constant("unity", np.float32(1.0))], f"{part}.shifted"
        )
        logarithm = write("Log", [shifted], f"{part}.log")
        signed = write("Mul", [logarithm, write("Sign", [value], f"{part}.sign")], f"{part}.signed")
        rows = write.constant(f"{part}.weight", weight[columns].astype(np.float32))
        out = write("Gemm", [signed, rows, out], f"{part}.sum")
    return write("Relu", [out], name) if relu else out


def _pool(write: _Writer, collection: str, rows: str, width: int, jets: str) -> str:
    """Add the sum over each jet's rows."""

    def constant(name: str, *values: int) -> str:
        return write.constant(name, np.array(values, np.int64))

    one, offsets = constant("one", 1), f"{collection}_offsets"
    inner = write("Slice", [offsets, one, constant("minus_one", -1), constant("zero", 0)], f"{collection}.inner")
    count = write("Shape", [f"{collection}_features"], f"{collection}.count", start=0, end=1)
    length = write("Add", [count, one], f"{collection}.length")
    steps = write("ConstantOfShape", [length], f"{collection}.steps", value=_tensor(0))
    places = write("Unsqueeze", [inner, one], f"{collection}.places")
    ones = write(
        "ConstantOfShape", [write("Shape", [inner], f"{collection}.n_inner")], f"{collection}.ones", value=_tensor(1)
    )
    marked = write("ScatterND", [steps, places, ones], f"{collection}.marked", reduction="add")
    summed = write("CumSum", [marked, write.constant("axis", np.array(0, np.int64))], f"{collection}.summed")
    row = write("Slice", [summed, constant("zero", 0), count, constant("zero", 0)], f"{collection}.row")
    index = write("Unsqueeze", [row, one], f"{collection}.index")
    shape = write("Concat", [jets, constant(f"width_{width}", width)], f"{collection}.shape", axis=0)
    empty = write("ConstantOfShape", [shape], f"{collection}.empty", value=_tensor(0, np.float32))
    return write("ScatterND", [empty, index, rows], f"{collection}.pooled", reduction="add")


def _tensor(value: int, kind: type = np.int64) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array([value], kind))
