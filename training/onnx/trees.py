"""Boosted trees as an ONNX graph: one TreeEnsembleRegressor of the standard domain ``ai.onnx.ml``.

Input: ``jet_features`` float32 [n, F]; output: ``log_correction`` float32 [n], or ``outputs`` float32 [n, k] where
there are several.

lightgbm keeps thresholds in double precision, the graph in single. Features are single: for them x <= t is the same as
x <= (the largest single number that is not above t), so every jet ends in the same leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coffea_mljec.errors import InputError
from coffea_mljec.models import node_names

__all__ = ["OPSET", "parameter_count", "trees_graph"]

OPSET = 18
ML_OPSET = 3
IR_VERSION = 9


def trees_graph(boosters: Sequence[Any], n_features: int) -> bytes:
    """Return the serialised ONNX model of some lightgbm boosters, an output each.

    Parameters
    ----------
    boosters : sequence of lightgbm.Booster
        Regressions on numbers, without missing values and categories.
    n_features : int
        Width of ``jet_features``.

    Raises
    ------
    InputError
        If a booster has another number of features, or a split that is not a comparison of numbers.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes: dict[str, list[Any]] = {name: [] for name in _NODE_LISTS}
    leaves: dict[str, list[Any]] = {name: [] for name in _LEAF_LISTS}
    number = 0
    for target, booster in enumerate(boosters):
        if booster.num_feature() != n_features:
            raise InputError(f"the trees read {booster.num_feature()} features, their recipe has {n_features}")
        for tree in booster.dump_model(num_iteration=booster.best_iteration)["tree_info"]:
            _add(number, tree["tree_structure"], nodes, leaves)
            leaves["target_ids"] += [target] * (len(leaves["target_treeids"]) - len(leaves["target_ids"]))
            number += 1
    attributes: dict[str, Any] = {**nodes, **leaves}
    several = len(boosters) > 1
    name, shape = (node_names.OUTPUTS, [-1, len(boosters)]) if several else (node_names.OUTPUT, [-1])
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", ["jet_features"], ["columns"], name="trees", domain="ai.onnx.ml",
        n_targets=len(boosters), aggregate_function="SUM", post_transform="NONE", **attributes,
    )  # fmt: skip
    shaped = helper.make_node("Reshape", ["columns", "shape"], [name], name=name)
    graph = helper.make_graph(
        [ensemble, shaped],
        "boosted_trees",
        [helper.make_tensor_value_info("jet_features", TensorProto.FLOAT, ["jets", n_features])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["jets", *shape[1:]])],
        [numpy_helper.from_array(np.array(shape, np.int64), "shape")],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, producer_name="coffea-mljec", opset_imports=opsets, ir_version=IR_VERSION)
    serialised: bytes = model.SerializeToString()
    return serialised


def parameter_count(boosters: Sequence[Any]) -> int:
    """Return the numbers that were learnt: a threshold a node and a value a leaf."""
    models = (booster.dump_model(num_iteration=booster.best_iteration) for booster in boosters)
    return sum(2 * tree["num_leaves"] - 1 for model in models for tree in model["tree_info"])


_NODE_LISTS = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_truenodeids",
    "nodes_falsenodeids",
)  # fmt: skip
_LEAF_LISTS = ("target_treeids", "target_nodeids", "target_weights", "target_ids")


def _add(tree: int, structure: dict[str, Any], nodes: dict[str, list[Any]], leaves: dict[str, list[Any]]) -> None:
    """Append the nodes of one tree, numbered as they are met."""

    def append(feature: int, mode: str, value: float) -> int:
        number = (
            0 if not nodes["nodes_treeids"] or nodes["nodes_treeids"][-1] != tree else nodes["nodes_nodeids"][-1] + 1
        )
        row = (tree, number, feature, mode, value, 0, 0)
        for name, item in zip(_NODE_LISTS, row, strict=True):
            nodes[name].append(item)
        return number

    first = len(nodes["nodes_treeids"])
    # (structure, parent's number, which branch of it)
    waiting: list[tuple[dict[str, Any], int, str]] = [(structure, -1, "")]
    while waiting:
        here, parent, branch = waiting.pop()
        if "leaf_value" in here:
            number = append(0, "LEAF", 0.0)
            for name, item in zip(_LEAF_LISTS[:3], (tree, number, float(here["leaf_value"])), strict=True):
                leaves[name].append(item)
        else:
            if here["decision_type"] != "<=" or here["missing_type"] != "None":
                raise InputError(
                    f"tree {tree} splits by {here['decision_type']} with missing values treated as "
                    f"{here['missing_type']}: only comparisons of numbers can be exported"
                )
            number = append(int(here["split_feature"]), "BRANCH_LEQ", single_below(float(here["threshold"])))
            waiting += [
                (here["right_child"], number, "nodes_falsenodeids"),
                (here["left_child"], number, "nodes_truenodeids"),
            ]
        if branch:
            nodes[branch][first + parent] = number


def single_below(threshold: float) -> float:
    """Return the largest single-precision number that is not above a threshold."""
    single = np.float32(threshold)
    if float(single) > threshold:
        single = np.nextafter(single, np.float32(-np.inf))
    return float(single)
