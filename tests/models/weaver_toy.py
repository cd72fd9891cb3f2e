"""Networks in weaver's format that are small enough to check by hand: masked means of a jet's candidates and vertices,
one linear layer, and what makes it fail like CMS's do with too few points (TopK).

`write` makes ``model.onnx`` and ``preprocess.json``; `naive` is the plain twin, one jet at a time at its exact length.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = ("label_b", "label_c", "label_g")
SHORTEST, LONGEST, VERTICES = 4, 12, 3
VARIABLES = {
    "pf_points": ("pfcand_etarel", "pfcand_phirel"),
    "pf_features": ("pfcand_pt_log_nopuppi", "pfcand_e_log_nopuppi", "pfcand_charge", "pfcand_dxysig"),
    "pf_mask": ("pfcand_mask",),
    "sv_features": ("sv_pt_log", "sv_d3dsig"),
    "sv_mask": ("sv_mask",),
}
_INFOS: dict[str, dict[str, float]] = {
    "pfcand_pt_log_nopuppi": {"median": 1.0, "norm_factor": 0.5, "lower_bound": -5.0, "upper_bound": 5.0},
    "pfcand_e_log_nopuppi": {"median": 1.3, "norm_factor": 0.5, "lower_bound": -5.0, "upper_bound": 5.0},
    "pfcand_dxysig": {"median": 1.1, "norm_factor": 0.9, "replace_inf_value": 3.0, "lower_bound": -2.0,
                      "upper_bound": 2.0},
    "sv_pt_log": {"median": 4.0, "norm_factor": 0.6, "lower_bound": -5.0, "upper_bound": 5.0},
    "sv_d3dsig": {"median": 5.0, "norm_factor": 0.2, "lower_bound": -5.0, "upper_bound": 5.0, "pad": 0.5},
}  # fmt: skip
_PLAIN = {"median": 0.0, "norm_factor": 1.0, "replace_inf_value": 0.0, "lower_bound": -1e32, "upper_bound": 1e32}


def preprocess(outputs: Sequence[str] = CLASSES, *, var_length: bool = False) -> dict[str, Any]:
    """The content of ``preprocess.json``; with `var_length` in weaver's spelling of the lengths."""
    content: dict[str, Any] = {"output_names": list(outputs), "input_names": list(VARIABLES)}
    for group, names in VARIABLES.items():
        shortest, longest = (SHORTEST, LONGEST) if group.startswith("pf") else (1, VERTICES)
        lengths = {"var_length": longest} if var_length else {"min_length": shortest, "max_length": longest}
        infos = {name: _PLAIN | {"pad": 0.0} | _INFOS.get(name, {}) for name in names}
        content[group] = {"var_names": list(names), "var_infos": infos} | lengths
    return copy.deepcopy(content)


def weights(n_outputs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of the linear layer: [features, outputs] and [outputs]."""
    rng = np.random.default_rng(seed)
    inputs = len(VARIABLES["pf_features"]) + len(VARIABLES["sv_features"])
    return rng.normal(size=(inputs, n_outputs)).astype(np.float32), rng.normal(size=n_outputs).astype(np.float32)


def graph(n_outputs: int = 3, *, softmax: bool = True, seed: int = 0) -> bytes:
    """The serialised graph; its output is ``softmax`` or ``output``, [n, outputs]."""
    matrix, bias = weights(n_outputs, seed)
    node = helper.make_node
    nodes = [
        node("TopK", ["pf_mask", "shortest"], ["top", "_places"], axis=2),  # fails with fewer points
        node("ReduceSum", ["top", "inner"], ["top_sum"], keepdims=0),
        node("Mul", ["top_sum", "nothing"], ["no_top"]),
        node("ReduceSum", ["pf_points", "inner"], ["points_sum"], keepdims=0),
        node("Mul", ["points_sum", "nothing"], ["no_points"]),
        node("ReduceSum", ["no_points", "one"], ["no_point"], keepdims=1),
    ]
    for part in ("pf", "sv"):
        nodes += [
            node("Mul", [f"{part}_features", f"{part}_mask"], [f"{part}_masked"]),
            node("ReduceSum", [f"{part}_masked", "inner"], [f"{part}_sum"], keepdims=0),
            node("ReduceSum", [f"{part}_mask", "inner"], [f"{part}_count"], keepdims=0),
            node("Max", [f"{part}_count", "unity"], [f"{part}_some"]),
            node("Div", [f"{part}_sum", f"{part}_some"], [f"{part}_mean"]),
        ]
    nodes += [
        node("Concat", ["pf_mean", "sv_mean"], ["pooled"], axis=1),
        node("Gemm", ["pooled", "matrix", "bias"], ["linear"]),
        node("Add", ["linear", "no_top"], ["with_top"]),
        node("Add", ["with_top", "no_point"], ["logits"]),
        node("Softmax", ["logits"], ["softmax"], axis=1) if softmax else node("Identity", ["logits"], ["output"]),
    ]
    constants = {
        "shortest": np.array([SHORTEST]), "inner": np.array([2]), "one": np.array([1]), "nothing": np.float32(0),
        "unity": np.float32(1), "matrix": matrix, "bias": bias,
    }  # fmt: skip
    inputs = [
        helper.make_tensor_value_info(group, TensorProto.FLOAT, ["n", len(names), f"length_{group[:2]}"])
        for group, names in VARIABLES.items()
    ]
    name = "softmax" if softmax else "output"
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "toy",
            inputs,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", n_outputs])],
            [numpy_helper.from_array(value, key) for key, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def write(
    folder: Path, outputs: Sequence[str] = CLASSES, *, softmax: bool = True, seeds: Sequence[int] = (0,),
    content: Mapping[str, Any] | None = None,
) -> tuple[list[Path], Path]:  # fmt: skip
    """Write a graph for each seed and one ``preprocess.json``; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    graphs = []
    for number, seed in enumerate(seeds):
        path = folder / f"toy-{number}.onnx"
        path.write_bytes(graph(len(outputs), softmax=softmax, seed=seed))
        graphs.append(path)
    file = folder / "preprocess.json"
    file.write_text(json.dumps(preprocess(outputs) if content is None else content))
    return graphs, file


def prepared(values: np.ndarray, info: Mapping[str, float]) -> np.ndarray:
    """A variable of one jet as weaver's utils/data/preprocess.py has it."""
    values = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        finite = np.where(np.abs(values) <= 1e32, values, info["replace_inf_value"])
    return np.clip((finite - info["median"]) * info["norm_factor"], info["lower_bound"], info["upper_bound"])


def naive(
    jets: Sequence[Mapping[str, np.ndarray]], content: Mapping[str, Any], *, softmax: bool = True,
    seeds: Sequence[int] = (0,),
) -> np.ndarray:  # fmt: skip
    """The outputs [n, outputs] of jets whose variables are given, in plain numpy."""
    rows = []
    for jet in jets:
        pooled = []
        for part in ("pf", "sv"):
            group = content[f"{part}_features"]
            longest = group.get("max_length", group.get("var_length"))
            mask = np.asarray(jet[f"{'pfcand' if part == 'pf' else 'sv'}_mask"][:longest], np.float64)
            for name in group["var_names"]:
                values = prepared(jet[name][:longest], group["var_infos"][name])
                pooled.append(float((values * mask).sum() / max(mask.sum(), 1.0)))
        total = np.zeros(len(content["output_names"]))
        for seed in seeds:
            matrix, bias = weights(len(total), seed)
            logits = np.array(pooled) @ matrix.astype(np.float64) + bias
            powers = np.exp(logits - logits.max())
            total += powers / powers.sum() if softmax else logits
        rows.append(total / len(seeds))
    return np.array(rows).reshape(len(jets), -1)
