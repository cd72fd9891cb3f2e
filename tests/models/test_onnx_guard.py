"""What a graph may not hold, wherever it hides it; nothing outside a model is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from coffea_mljec.errors import ModelError
from coffea_mljec.models import bundled, open_model
from coffea_mljec.models.onnx_guard import check_graph
from coffea_mljec.models.onnx_messages import MESSAGES
from tests.models import toy

KINDS = {
    "TYPE_INT64": "integer", "TYPE_INT32": "integer", "TYPE_UINT64": "integer", "TYPE_ENUM": "integer",
    "TYPE_FLOAT": "float", "TYPE_DOUBLE": "double", "TYPE_STRING": "text", "TYPE_BYTES": "bytes",
}  # fmt: skip


def model(*nodes: Any, constants: Any = (), functions: Any = ()) -> onnx.ModelProto:
    """jet_features -> log_correction, by any nodes."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(list(nodes) or [helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y], constants)
    domains = {function.domain for function in functions} | {""}
    opsets = [helper.make_opsetid(domain, 18 if not domain else 1) for domain in sorted(domains)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def outside(location: str = "secret") -> Any:
    tensor = TensorProto(name="away", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def node_with(**attribute: Any) -> Any:
    node = helper.make_node("Identity", ["x"], ["y"])
    node.attribute.append(onnx.AttributeProto(name="a", **attribute))
    return node


def graph_of(node: Any = None, **fields: Any) -> Any:
    return onnx.GraphProto(name="inner", node=[node] if node is not None else [], **fields)


def function(*nodes: Any, name: str = "f", **fields: Any) -> Any:
    made = helper.make_function("here", name, ["x"], ["y"], list(nodes), [helper.make_opsetid("", 18)])
    made.MergeFrom(onnx.FunctionProto(**fields))
    return made


CALL = helper.make_node("f", ["x"], ["y"], domain="here")
SPARSE = onnx.SparseTensorProto(values=outside())
PLACES: dict[str, Callable[[], onnx.ModelProto]] = {
    "initializer": lambda: model(constants=[outside()]),
    "attribute": lambda: model(node_with(t=outside())),
    "list of an attribute": lambda: model(node_with(tensors=[outside()])),
    "sparse attribute": lambda: model(node_with(sparse_tensor=SPARSE)),
    "sparse list": lambda: model(node_with(sparse_tensors=[SPARSE])),
    "nested graph": lambda: model(node_with(g=graph_of(initializer=[outside()]))),
    "nested graphs": lambda: model(node_with(graphs=[graph_of(node_with(t=outside()))])),
    "function": lambda: model(CALL, functions=[function(node_with(t=outside()))]),
    "default of a function's attribute": lambda: model(
        CALL, functions=[function(attribute_proto=[onnx.AttributeProto(name="a", t=outside())])]
    ),
    "graph in the default of a function's attribute": lambda: model(
        CALL,
        functions=[function(attribute_proto=[onnx.AttributeProto(name="a", g=graph_of(initializer=[outside()]))])],
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_refused_wherever_it_stands(place: str) -> None:
    with pytest.raises(ModelError, match="keeps tensors in files outside itself"):
        check_graph(PLACES[place]().SerializeToString(), "x")


def test_external_data_in_training_information() -> None:
    made = model()
    made.training_info.add().algorithm.initializer.append(outside())
    with pytest.raises(ModelError, match="keeps tensors in files outside itself"):
        check_graph(made.SerializeToString(), "x")


def test_sparse_initializers() -> None:
    made = model()
    made.graph.sparse_initializer.append(SPARSE)
    with pytest.raises(ModelError, match="keeps tensors in files outside itself"):
        check_graph(made.SerializeToString(), "x")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\x70\x01", b"\xf0\x00\x01"),
        (b"\x70\x01", b"\x70\x81\x00"),
        (b"\x70\x01", b"\x70\x81\x80\x80\x80\x10"),
        (b"\x70\x01", b"\xf0\x80\x80\x80\x80\x01\x01"),
    ],
    ids=["overlong tag", "overlong value", "value beyond 32 bits", "tag beyond 32 bits"],
)
def test_numbers_in_another_spelling(before: bytes, after: bytes) -> None:
    """protobuf takes each of them for data_location = EXTERNAL; a reader of one spelling does not."""
    tensor = outside()
    del tensor.external_data[:]
    written = tensor.SerializeToString()
    assert before in written
    changed = written.replace(before, after)
    whole = model(constants=[tensor]).SerializeToString()
    graph = onnx.GraphProto.FromString(model().graph.SerializeToString()).SerializeToString()
    graph += b"\x2a" + bytes([len(changed)]) + changed
    other = onnx.ModelProto.FromString(whole)
    other.ClearField("graph")
    content = other.SerializeToString() + b"\x3a" + bytes([len(graph)]) + graph
    with pytest.raises(ModelError, match=r"outside itself|cannot be read as one"):
        check_graph(content, "x")


@pytest.mark.parametrize("place", ["default of a function's attribute", "function"])
def test_nothing_outside_is_read(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is refused before onnxruntime sees it, which would read a file that only it names."""
    import hashlib
    import json

    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(np.float32(1).tobytes())
    folder = tmp_path / "model"
    toy.write(folder)
    content = PLACES[place]().SerializeToString()
    card = json.loads((folder / "card.json").read_text()) | {"sha256": hashlib.sha256(content).hexdigest()}
    (folder / "model.onnx").write_bytes(content)
    (folder / "card.json").write_text(json.dumps(card))
    opened: list[str] = []
    import sys

    def note(event: str, arguments: Any) -> None:
        if event == "open" and "secret" in str(arguments[0]):
            opened.append(str(arguments[0]))

    sys.addaudithook(note)
    with pytest.raises(ModelError, match="keeps tensors in files outside itself"):
        open_model(folder)
    assert opened == []


LOOP = helper.make_node("Loop", ["steps", "", "x"], ["y"], body=graph_of(helper.make_node("Identity", ["x"], ["y"])))


@pytest.mark.parametrize(
    "made",
    [
        model(LOOP),
        model(helper.make_node("Scan", ["x"], ["y"], body=graph_of(), num_scan_inputs=1)),
        model(helper.make_node("SequenceMap", ["x"], ["y"], body=graph_of())),
        model(helper.make_node("Loop", ["steps", "", "x"], ["y"], body=graph_of(), domain="ai.onnx")),
        model(helper.make_node("If", ["x"], ["y"], then_branch=graph_of(LOOP), else_branch=graph_of())),
        model(CALL, functions=[function(LOOP)]),
        model(CALL, functions=[function(), function(LOOP, name="never called")]),
    ],
    ids=["Loop", "Scan", "SequenceMap", "by its domain", "in an If", "in a function", "in another function"],
)
def test_loops_are_refused(made: onnx.ModelProto) -> None:
    with pytest.raises(
        ModelError, match=r"has a (Loop|Scan|SequenceMap), whose steps nothing bounds: export it without"
    ):
        check_graph(made.SerializeToString(), "x")


def test_operators_of_other_domains_are_refused() -> None:
    odd = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    for made in (model(odd), model(CALL), model(CALL, functions=[function(odd)])):
        with pytest.raises(ModelError, match=r"operator '\w+' of the domain '\S+', which ONNX does not define"):
            check_graph(made.SerializeToString(), "x")
    check_graph(model(CALL, functions=[function(helper.make_node("Neg", ["x"], ["y"]))]).SerializeToString(), "x")


def test_functions_that_grow_without_end() -> None:
    def calling(name: str, *called: str) -> Any:
        return function(*(helper.make_node(other, ["x"], ["y"], domain="here") for other in called), name=name)

    with pytest.raises(ModelError, match="has a function that calls itself"):
        check_graph(model(CALL, functions=[calling("f", "g"), calling("g", "f")]).SerializeToString(), "x")
    doubling = [calling("f", "f1", "f1"), *(calling(f"f{n}", f"f{n + 1}", f"f{n + 1}") for n in range(1, 60))]
    with pytest.raises(ModelError, match="more than 100,000 nodes or functions"):
        check_graph(model(CALL, functions=[*doubling, calling("f60")]).SerializeToString(), "x")


@pytest.mark.parametrize("dims", [[2**40], [2**62, 2**62], [-1], [10_000]])
def test_tensors_larger_than_their_bytes(dims: list[int]) -> None:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=dims)
    with pytest.raises(ModelError, match=r"has a tensor of shape \[.*\], which the file cannot hold"):
        check_graph(model(constants=[tensor]).SerializeToString(), "x")


def test_sparse_tensors_are_bounded_as_they_are_written_out() -> None:
    made = model()
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    made.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([5]), "at"), [2**33])
    )
    with pytest.raises(ModelError, match=r"has a sparse tensor of shape \[8589934592\]"):
        check_graph(made.SerializeToString(), "x")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 40,
        model().SerializeToString().replace(b"Identity", b"Ident\xff\xfey"),
        model().SerializeToString() + b"\xda\x3e\x00",
        model().SerializeToString() + b"\x3d\x00\x00\x00\x00",
        b"\x3a\x82\x80\x00" + b"\x0a\x00",
        model(constants=[TensorProto(dims=[1] * 70)]).SerializeToString(),
    ],
    ids=["no message", "name that is no UTF-8", "unknown field", "graph as a number", "overlong length", "70 axes"],
)
def test_what_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="x is not an ONNX model: its bytes cannot be read as one"):
        check_graph(content, "x")


def test_graphs_in_each_other_without_end() -> None:
    inner = graph_of()
    for _ in range(31):
        inner = graph_of(node_with(g=inner))
    check_graph(model(node_with(g=inner)).SerializeToString(), "x")
    content = inner.SerializeToString()
    for _ in range(2000):
        content = _field(1, _field(5, _field(6, content)))
    with pytest.raises(ModelError, match="cannot be read as one"):
        check_graph(_field(7, content), "x")


def _field(number: int, content: bytes) -> bytes:
    length, value = b"", len(content)
    while value >= 0x80:
        length += bytes([value & 0x7F | 0x80])
        value >>= 7
    return bytes([number << 3 | 2]) + length + bytes([value]) + content


def test_bundled_graphs_pass() -> None:
    for name in bundled():
        check_graph(open_model(name).graph, name)


def test_messages_are_those_of_onnx() -> None:
    """Every message and field of the installed package, and what it holds."""
    from google.protobuf.descriptor import FieldDescriptor

    types = {getattr(FieldDescriptor, name): name for name in dir(FieldDescriptor) if name.startswith("TYPE_")}
    waiting, expected = [onnx.ModelProto.DESCRIPTOR], {}
    while waiting:
        message = waiting.pop()
        if message.name in expected:
            continue
        found = expected[message.name] = {}
        for field in message.fields:
            if field.message_type is not None:
                found[field.number] = field.message_type.name
                waiting.append(field.message_type)
                continue
            kind = KINDS[types[field.type]]
            repeated = field.is_repeated and kind not in ("text", "bytes")
            found[field.number] = kind + "s" * repeated
    assert {name: dict(fields) for name, fields in MESSAGES.items()} == expected, re.sub(r"\s+", " ", onnx.__version__)
