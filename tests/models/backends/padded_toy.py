"""A network on padded tensors that is small enough to check by hand: the mass is 1 + sum of rel_pt + 2 (eta of the
jet), the resolution half of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from coffea_mljec import models
from coffea_mljec.models.folder import model_of

__all__ = ["padded_toy"]


def padded_toy(outputs: str = "toy", **changes: Any) -> models.ModelFolder:
    """The model in memory, for the jets of the sample; with changes to its card."""
    nodes = [
        helper.make_node("ReduceSum", ["candidates", "axes"], ["sum"], keepdims=0),
        helper.make_node("Squeeze", ["jet", "last"], ["eta"]),
        helper.make_node("Mul", ["eta", "two"], ["slope"]),
        helper.make_node("Add", ["sum", "slope"], ["value"]),
        helper.make_node("Add", ["value", "one"], ["mass"]),
        helper.make_node("Mul", ["mass", "half"], ["resolution"]),
        helper.make_node("Concat", ["mass", "resolution"], [outputs], axis=1),
    ]
    constants = {"axes": np.array([2]), "last": np.array([2]), "two": np.float32(2), "one": np.float32(1)}
    constants["half"] = np.float32(0.5)
    info = helper.make_tensor_value_info
    inputs = [
        info("candidates", TensorProto.FLOAT, ["n", 1, "length"]),
        info("jet", TensorProto.FLOAT, ["n", 1, 1]),
    ]
    graph = helper.make_graph(
        nodes, "toy", inputs, [info(outputs, TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model, full_check=True)
    fields: dict[str, Any] = {
        "name": "padded-toy",
        "description": "a model for the tests",
        "licence": "BSD-3-Clause",
        "engine": "padded",
        "features": {"jet": ("eta",), "candidates": ("rel_pt",)},
        "selection": {"candidates": {"order_by": "pt", "at_most": 40}},
        "tensors": [
            {
                "name": "candidates", "collection": "candidates", "variables": [{"feature": "rel_pt"}],
                "min_length": 8, "max_length": 40,
            },
            {"name": "jet", "collection": "jet", "variables": [{"feature": "eta"}], "min_length": 1, "max_length": 1},
        ],
        "outputs": [
            {"name": "m", "quantity": "mass", "graph": outputs, "column": 0},
            {"name": "r", "quantity": "resolution", "graph": outputs, "column": 1},
        ],
        "domain": {},
        "algorithm": "AK4PFchs",
        "collections": ("Jet",),
        "training": {"sample": "none", "fast_simulation": False},
    }  # fmt: skip
    return model_of(model.SerializeToString(), fields | changes)
