"""ONNX graphs that should not be run: outputs beyond bounds, of wrong shapes, mixed over jets, endless, elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

GRAPHS = (
    "bias 100", "bias -200", "bias nan", "bias 3", "scalar", "one", "column", "twice", "batch mean", "batch sum",
    "reversed", "running sum", "first jet", "loop", "external attribute", "external constant", "external function",
    "sparse initializer", "huge constant", "negative shape", "bad name", "no output", "double", "int", "string",
    "nested", "unknown operator", "custom domain", "runtime error", "optional", "if", "random", "division",
)  # fmt: skip
HARMLESS = ("bias 3",)
"""Graphs that may be applied: exp(3) is about 20."""


def graph(kind: str) -> bytes:
    """The toy network (jet features pt and eta, log_correction about 0.1), made into one of `GRAPHS`."""
    from onnx import TensorProto, helper, numpy_helper

    def tensor(name: str, values: Any) -> Any:
        return numpy_helper.from_array(np.asarray(values), name)

    node = helper.make_node
    constants = [tensor("scale", np.array([[1e-5], [1e-3]], np.float32)), tensor("one", np.array([1], np.int64)),
                 tensor("zero", np.array([0], np.int64)), tensor("offset", np.float32(0.1))]  # fmt: skip
    nodes = [
        node("MatMul", ["jet_features", "scale"], ["m"]),
        node("Squeeze", ["m", "one"], ["flat"]),
        node("Add", ["flat", "offset"], ["plain"]),
    ]
    shape: list[Any] = ["n"]
    out_type, functions, opsets = TensorProto.FLOAT, [], [helper.make_opsetid("", 18)]
    last = [node("Identity", ["plain"], ["log_correction"])]
    word, _, number = kind.partition(" ")
    if word == "bias":
        constants[-1] = tensor("offset", np.float32(float(number)))
    elif kind == "scalar":
        last, shape = [node("ReduceMean", ["plain"], ["log_correction"], keepdims=0)], []
    elif kind == "one":
        last = [node("ReduceMean", ["plain"], ["log_correction"], keepdims=1)]
    elif kind == "column":
        last, shape = [node("Unsqueeze", ["plain", "one"], ["log_correction"])], ["n", 1]
    elif kind == "twice":
        last = [node("Concat", ["plain", "plain"], ["log_correction"], axis=0)]
    elif kind in ("batch mean", "batch sum"):
        last = [node("ReduceMean" if kind == "batch mean" else "ReduceMax", ["plain"], ["mean"], keepdims=1),
                node("Add", ["plain", "mean"], ["log_correction"])]  # fmt: skip
    elif kind == "reversed":
        constants += [tensor("start", np.array([-1], np.int64)), tensor("end", np.array([-(2**62)], np.int64)),
                      tensor("minus", np.array([-1], np.int64))]  # fmt: skip
        last = [node("Slice", ["plain", "start", "end", "zero", "minus"], ["log_correction"])]
    elif kind == "running sum":
        constants.append(tensor("axis", np.int64(0)))
        last = [node("CumSum", ["plain", "axis"], ["log_correction"])]
    elif kind == "first jet":
        last = [node("Slice", ["plain", "zero", "one"], ["head"]), node("Add", ["plain", "head"], ["log_correction"])]
    elif kind == "loop":
        body = helper.make_graph(
            [node("Identity", ["condition_in"], ["condition_out"]), node("Add", ["state", "state"], ["state_out"])],
            "body",
            [helper.make_tensor_value_info("i", TensorProto.INT64, []),
             helper.make_tensor_value_info("condition_in", TensorProto.BOOL, []),
             helper.make_tensor_value_info("state", TensorProto.FLOAT, ["n"])],
            [helper.make_tensor_value_info("condition_out", TensorProto.BOOL, []),
             helper.make_tensor_value_info("state_out", TensorProto.FLOAT, ["n"])],
        )  # fmt: skip
        constants += [tensor("steps", np.int64(2**62)), tensor("go", np.array(True))]
        last = [node("Loop", ["steps", "go", "plain"], ["log_correction"], body=body)]
    elif kind in ("external constant", "external attribute", "external function"):
        outside = TensorProto(name="away", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
        entry = outside.external_data.add()
        entry.key, entry.value = "location", "../../../../../../etc/hostname"
        if kind == "external constant":
            constants.append(outside)
            last = [node("Add", ["plain", "away"], ["log_correction"])]
        elif kind == "external attribute":
            last = [node("Constant", [], ["away"], value=outside), node("Add", ["plain", "away"], ["log_correction"])]
        else:
            inner = helper.make_function(
                "here", "f", ["x"], ["y"], [node("Constant", [], ["away"], value=outside), node("Add", ["x", "away"],
                ["y"])],
                [helper.make_opsetid("", 18)],
            )  # fmt: skip
            functions.append(inner)
            opsets.append(helper.make_opsetid("here", 1))
            last = [node("f", ["plain"], ["log_correction"], domain="here")]
    elif kind == "huge constant":
        constants.append(tensor("much", np.array([2**40], np.int64)))
        last = [node("ConstantOfShape", ["much"], ["big"]), node("ReduceMax", ["big"], ["least"], keepdims=0),
                node("Add", ["plain", "least"], ["log_correction"])]  # fmt: skip
    elif kind == "negative shape":
        constants.append(tensor("much", np.array([-5], np.int64)))
        last = [node("ConstantOfShape", ["much"], ["big"]), node("ReduceMax", ["big"], ["least"], keepdims=0),
                node("Add", ["plain", "least"], ["log_correction"])]  # fmt: skip
    elif kind == "no output":
        last = [node("Identity", ["plain"], ["other"])]
    elif kind in ("double", "int", "string"):
        out_type = {"double": TensorProto.DOUBLE, "int": TensorProto.INT64, "string": TensorProto.STRING}[kind]
        last = [node("Cast", ["plain"], ["log_correction"], to=out_type)]
    elif kind == "unknown operator":
        last = [node("Nonsense", ["plain"], ["log_correction"])]
    elif kind == "custom domain":
        opsets.append(helper.make_opsetid("ai.example", 1))
        last = [node("Nonsense", ["plain"], ["log_correction"], domain="ai.example")]
    elif kind == "runtime error":
        constants.append(tensor("where", np.array([10**6], np.int64)))
        last = [node("Gather", ["plain", "where"], ["far"], axis=0), node("Add", ["plain", "far"], ["log_correction"])]
    elif kind == "optional":
        last = [
            node("SequenceConstruct", ["plain"], ["list"]),
            node("SequenceAt", ["list", "zero0"], ["log_correction"]),
        ]
        constants.append(tensor("zero0", np.int64(4)))
    elif kind == "random":
        last = [node("RandomNormalLike", ["plain"], ["noise"]), node("Add", ["plain", "noise"], ["log_correction"])]
    elif kind == "division":
        constants.append(tensor("nothing", np.float32(0)))
        last = [node("Div", ["plain", "nothing"], ["log_correction"])]
    elif kind == "if":
        inner = helper.make_graph(
            [node("Identity", ["plain"], ["out"])],
            "t",
            [],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n"])],
        )
        constants.append(tensor("yes", np.array(True)))
        last = [node("If", ["yes"], ["log_correction"], then_branch=inner, else_branch=inner)]
    elif kind == "nested":
        out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n"])
        leaf = inner = helper.make_graph([node("Identity", ["plain"], ["out"])], "g", [], [out])
        for _ in range(20):
            inner = helper.make_graph(
                [node("If", ["yes"], ["out"], then_branch=inner, else_branch=leaf)], "g", [], [out]
            )
        constants.append(tensor("yes", np.array(True)))
        last = [node("If", ["yes"], ["log_correction"], then_branch=inner, else_branch=leaf)]
    output = helper.make_tensor_value_info("log_correction", out_type, shape)
    inputs = [helper.make_tensor_value_info("jet_features", TensorProto.FLOAT, ["n", 2])]
    made = helper.make_graph([*nodes, *last], "toy", inputs, [output], constants)
    if kind == "sparse initializer":
        values = tensor("sparse", np.array([0.5], np.float32))
        made.sparse_initializer.append(
            helper.make_sparse_tensor(values, tensor("at", np.array([2**40], np.int64)), [2**41])
        )
    model = helper.make_model(made, opset_imports=opsets, functions=functions, ir_version=9)
    content = model.SerializeToString()
    if kind == "bad name":
        content = content.replace(b"log_correction", b"log_\xff\xfe\xc3(ection")
    return content


def factor_bounds(kind: str) -> bool:
    """Whether the graph gives each jet a number of its own, within bounds."""
    word, _, number = kind.partition(" ")
    return word == "bias" and math.isfinite(float(number)) and abs(float(number)) < 2.9
