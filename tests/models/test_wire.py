"""Constants of an ONNX graph as the onnx package reads them; bytes that are none are refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from coffea_mljec.models.wire import read_constants
from tests.models import toy


def test_constants_equal_those_of_the_onnx_package() -> None:
    graph = toy.graph()
    wanted = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(graph).graph.initializer}
    got = read_constants(graph).values
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        assert got[name].dtype == value.dtype
        assert got[name].shape == value.shape
        np.testing.assert_array_equal(got[name], value)


def test_inputs_of_every_node() -> None:
    graph = toy.graph()
    nodes = onnx.load_from_string(graph).graph.node
    assert read_constants(graph).inputs == {name: tuple(node.input) for node in nodes for name in node.output}


def test_matrices_and_what_is_left_out() -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensors = [
        numpy_helper.from_array(matrix, "matrix"),
        numpy_helper.from_array(np.zeros((0, 4), np.float32), "empty"),
        numpy_helper.from_array(matrix.astype(np.float64), "double"),
        helper.make_tensor("listed", TensorProto.FLOAT, [2], [1.0, 2.0]),
    ]
    model = helper.make_model(helper.make_graph([], "constants", [], [], tensors))
    values = read_constants(model.SerializeToString()).values
    assert set(values) == {"matrix", "empty"}
    np.testing.assert_array_equal(values["matrix"], matrix)
    assert values["empty"].shape == (0, 4)


@pytest.mark.parametrize("graph", [b"\xff" * 40, b"\x3a\x7f"], ids=["ones", "short"])
def test_bytes_that_are_no_message(graph: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        read_constants(graph)
