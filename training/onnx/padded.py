"""A graph on flat arrays as one on padded tensors, which servers for weaver's networks give: rows by the mask, offsets
by counting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from coffea_mljec.errors import InputError
from coffea_mljec.models import node_names

if TYPE_CHECKING:
    from coffea_mljec.models import ModelCard

__all__ = ["JETS", "OUTPUT", "mask_of", "padded_graph", "tensor_of"]

JETS = "jet_inputs"
"""The input with the jets' own features, [n, F]."""

OUTPUT = "outputs"
"""The card's outputs side by side, [n, outputs]."""

_OWN = "padded."
"""What the names of new values begin with."""

_OLDEST = 13
"""Opset from which on axes are inputs."""


def tensor_of(collection: str) -> str:
    """The input with a collection's features, [n, F, length]."""
    return f"{collection}_inputs"


def mask_of(collection: str) -> str:
    """The input that is 1 where there is a constituent, [n, 1, length]."""
    return f"{collection}_mask"


def padded_graph(graph: bytes, card: ModelCard) -> bytes:
    """Return a graph that gives the same numbers of padded tensors.

    Parameters
    ----------
    graph : bytes
        On flat arrays, as the card says.
    card : ModelCard

    Raises
    ------
    InputError
        If the graph is older than opset 13, or uses a name of the new inputs and outputs.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_model_from_string(graph)
    old = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    if old < _OLDEST:
        raise InputError(f"the graph of model {card.name!r} has opset {old}: export it with {_OLDEST} or later.")
    names, info = card.feature_set.names(), helper.make_tensor_value_info
    inputs, nodes = [], []
    if "jet" in names:
        inputs.append(info(JETS, TensorProto.FLOAT, ["n", len(names["jet"])]))
        nodes.append(helper.make_node("Identity", [JETS], [node_names.features("jet")]))
    for c in card.feature_set.constituents:
        inputs.append(info(tensor_of(c), TensorProto.FLOAT, ["n", len(names[c]), f"n_{c}"]))
        inputs.append(info(mask_of(c), TensorProto.FLOAT, ["n", 1, f"n_{c}"]))
        nodes += _rows(c)
    if "jet" not in names:
        first = f"{_OWN}{card.feature_set.constituents[0]}.mask"
        nodes.append(helper.make_node("Slice", [first, *(_OWN + x for x in ("0", "0", "1"))], [f"{_OWN}none"]))
        nodes.append(helper.make_node("Cast", [f"{_OWN}none"], [node_names.features("jet")], to=TensorProto.FLOAT))
    _rename(model.graph, OUTPUT, f"{_OWN}given")
    after = _columns(card)
    mine = {name for node in (*nodes, *after) for name in node.output} | {item.name for item in inputs}
    theirs = {name for node in model.graph.node for name in node.output} | {i.name for i in model.graph.initializer}
    if shared := sorted(mine & theirs):
        raise InputError(f"the graph of model {card.name!r} has a value {shared[0]!r}, which padded tensors need.")
    numbers = {"0": np.array([0]), "1": np.array([1]), "axis": np.array(0), "half": np.float32(0.5)}
    numbers |= {f"column{i}": np.array([i]) for i in range(1 + max(o.column or 0 for o in card.outputs))}
    constants = [numpy_helper.from_array(np.asarray(value), _OWN + name) for name, value in numbers.items()]
    whole = helper.make_graph(
        [*nodes, *model.graph.node, *after], "padded", inputs,
        [info(OUTPUT, TensorProto.FLOAT, ["n", len(card.outputs)])], [*model.graph.initializer, *constants],
    )  # fmt: skip
    made = helper.make_model(
        whole, producer_name="coffea_mljec", ir_version=model.ir_version, opset_imports=model.opset_import,
        functions=model.functions,
    )  # fmt: skip
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


def _rows(collection: str) -> list[Any]:
    """Padded features and mask -> ``c_features`` and ``c_offsets``."""
    from onnx import TensorProto, helper

    node, own = helper.make_node, f"{_OWN}{collection}"
    return [
        node("Squeeze", [mask_of(collection), f"{_OWN}1"], [f"{own}.weights"]),
        node("Greater", [f"{own}.weights", f"{_OWN}half"], [f"{own}.mask"]),
        # Places of the constituents, jet by jet: [N, 2].
        node("NonZero", [f"{own}.mask"], [f"{own}.found"]),
        node("Transpose", [f"{own}.found"], [f"{own}.places"], perm=[1, 0]),
        node("Transpose", [tensor_of(collection)], [f"{own}.by_place"], perm=[0, 2, 1]),
        node("GatherND", [f"{own}.by_place", f"{own}.places"], [node_names.features(collection)]),
        node("Cast", [f"{own}.mask"], [f"{own}.ones"], to=TensorProto.INT64),
        node("ReduceSum", [f"{own}.ones", f"{_OWN}1"], [f"{own}.counts"], keepdims=0),
        node("CumSum", [f"{own}.counts", f"{_OWN}axis"], [f"{own}.ends"]),
        node("Concat", [f"{_OWN}0", f"{own}.ends"], [node_names.offsets(collection)], axis=0),
    ]


def _rename(graph: Any, value: str, name: str) -> None:
    """Give a value of the graph's nodes another name."""
    for node in graph.node:
        for names in (node.input, node.output):
            for i, one in enumerate(names):
                if one == value:
                    names[i] = name


def _columns(card: ModelCard) -> list[Any]:
    """The graph's outputs -> one tensor with a column for each output of the card."""
    from onnx import helper

    nodes, columns = [], [f"{_OWN}output{i}" for i in range(len(card.outputs))]
    for name, output in zip(columns, card.outputs, strict=True):
        source = f"{_OWN}given" if output.source == OUTPUT else output.source
        if output.column is None:
            nodes.append(helper.make_node("Unsqueeze", [source, f"{_OWN}1"], [name]))
        else:
            nodes.append(helper.make_node("Gather", [source, f"{_OWN}column{output.column}"], [name], axis=1))
    return [*nodes, helper.make_node("Concat", columns, [OUTPUT], axis=1)]
