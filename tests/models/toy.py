"""A model small enough to check by hand: log_correction = 0.1 + 0.02 n_charged - 0.5 (sum of rel_pt of the
neutrals)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES = {"jet": ("pt", "eta"), "charged": ("dxy", "pt"), "neutral": ("rel_pt",)}


def _pooled(collection: str) -> list[Any]:
    """Nodes that sum the last feature of a collection over each jet (or count its rows, for the charged)."""
    c = collection
    nodes = [
        helper.make_node("Shape", [f"{c}_offsets"], [f"{c}_np1"]),
        helper.make_node("Sub", [f"{c}_np1", "one"], [f"{c}_n"]),
        helper.make_node("Slice", [f"{c}_offsets", "one", f"{c}_n"], [f"{c}_inner"]),
        helper.make_node("Shape", [f"{c}_features"], [f"{c}_shape"]),
        helper.make_node("Slice", [f"{c}_shape", "zero", "one"], [f"{c}_rows"]),
        helper.make_node("Add", [f"{c}_rows", "one"], [f"{c}_rows1"]),
        helper.make_node("ConstantOfShape", [f"{c}_rows1"], [f"{c}_zeros"], value=_tensor("v", np.zeros(1, np.int64))),
        helper.make_node("Unsqueeze", [f"{c}_inner", "one"], [f"{c}_at"]),
        helper.make_node("Sub", [f"{c}_n", "one"], [f"{c}_nm1"]),
        helper.make_node("Max", [f"{c}_nm1", "zero"], [f"{c}_marks_n"]),
        helper.make_node("Expand", ["one", f"{c}_marks_n"], [f"{c}_marks"]),
        helper.make_node("ScatterND", [f"{c}_zeros", f"{c}_at", f"{c}_marks"], [f"{c}_steps"], reduction="add"),
        helper.make_node("CumSum", [f"{c}_steps", "axis0"], [f"{c}_jet1"]),
        helper.make_node("Slice", [f"{c}_jet1", "zero", f"{c}_rows"], [f"{c}_jet"]),
        helper.make_node("Unsqueeze", [f"{c}_jet", "one"], [f"{c}_row"]),
        helper.make_node("ConstantOfShape", [f"{c}_n"], [f"{c}_base"], value=_tensor("v", np.zeros(1, np.float32))),
    ]
    if collection == "charged":
        nodes.append(
            helper.make_node(
                "ConstantOfShape", [f"{c}_rows"], [f"{c}_value"], value=_tensor("v", np.ones(1, np.float32))
            )
        )
    else:
        nodes.append(helper.make_node("Squeeze", [f"{c}_features", "one"], [f"{c}_value"]))
    nodes.append(helper.make_node("ScatterND", [f"{c}_base", f"{c}_row", f"{c}_value"], [f"{c}_sum"], reduction="add"))
    return nodes


def _tensor(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values), name)


def graph(nan_above: float | None = None, offset: float = 0.1) -> bytes:
    """The serialised graph; with `nan_above`, the output is NaN for jets above that raw pT."""
    nodes = [*_pooled("charged"), *_pooled("neutral")]
    nodes += [
        helper.make_node("Mul", ["charged_sum", "slope_charged"], ["a"]),
        helper.make_node("Mul", ["neutral_sum", "slope_neutral"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["ab"]),
        helper.make_node("Add", ["ab", "offset"], ["plain"]),
        helper.make_node("Slice", ["jet_features", "zero", "one", "one"], ["pt2"]),
        helper.make_node("Squeeze", ["pt2", "one"], ["pt"]),
        helper.make_node("Greater", ["pt", "limit"], ["high"]),
        helper.make_node("Where", ["high", "nan", "plain"], ["log_correction"]),
    ]
    constants = [
        _tensor("zero", np.zeros(1, np.int64)),
        _tensor("one", np.ones(1, np.int64)),
        _tensor("axis0", np.int64(0)),
        _tensor("slope_charged", np.float32(0.02)),
        _tensor("slope_neutral", np.float32(-0.5)),
        _tensor("offset", np.float32(offset)),
        _tensor("nan", np.float32(np.nan)),
        _tensor("limit", np.float32(np.inf if nan_above is None else nan_above)),
    ]
    inputs = [helper.make_tensor_value_info("jet_features", TensorProto.FLOAT, ["n", 2])]
    for collection in ("charged", "neutral"):
        width = len(FEATURES[collection])
        inputs.append(
            helper.make_tensor_value_info(f"{collection}_features", TensorProto.FLOAT, [f"N_{collection}", width])
        )
        inputs.append(helper.make_tensor_value_info(f"{collection}_offsets", TensorProto.INT64, ["n1"]))
    output = helper.make_tensor_value_info("log_correction", TensorProto.FLOAT, ["n"])
    model = helper.make_model(
        helper.make_graph(nodes, "toy", inputs, [output], constants),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def expected(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The factor, by plain Python."""
    out = []
    for jet in range(len(arrays["jet_features"])):
        n_charged = int(np.diff(arrays["charged_offsets"])[jet])
        first, last = arrays["neutral_offsets"][jet : jet + 2]
        out.append(
            np.exp(0.1 + 0.02 * n_charged - 0.5 * arrays["neutral_features"][first:last, 0].sum(dtype=np.float64))
        )
    return np.array(out)


def card(**changes: Any) -> dict[str, Any]:
    """The fields of the toy's card, with changes."""
    fields: dict[str, Any] = {
        "name": "toy",
        "description": "a model for the tests",
        "licence": "BSD-3-Clause",
        "engine": "onnx",
        "features": FEATURES,
        "dtype": "float32",
        "outputs": [{"name": "log_correction", "quantity": "pt", "transform": "exp"}],
        "domain": {"pt_raw": (5.0, 5000.0), "abs_eta": (0.0, 5.2)},
        "algorithm": "AK4PFchs",
        "collections": ("Jet",),
        "training": {"sample": "none", "seed": 1, "n_jets": 0, "fast_simulation": False},
        "parameters": 3,
        "metrics": {},
        "opset": 18,
    }
    return fields | changes


def write(folder: Path, nan_above: float | None = None, offset: float = 0.1, **changes: Any) -> Path:
    """Write the toy's model folder and return its path."""
    from coffea_mljec.models import write_folder

    write_folder(folder, graph(nan_above, offset), card(**changes))
    return folder
