"""Refuse ONNX graphs that read files outside themselves, without the ``onnx`` package.

An ONNX tensor may point to a file ("external data"). onnxruntime follows such paths, so a model folder from elsewhere
could make it read any file. The check walks the protobuf wire format down to the tensors.
"""

from __future__ import annotations

from coffea_mljec.errors import ModelError
from coffea_mljec.models.wire import fields

__all__ = ["refuse_external_data"]

# message -> field number -> message of a sub-message that may hold a tensor (onnx.proto3)
_CHILDREN: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_EXTERNAL_DATA = 13
_DATA_LOCATION = 14


def refuse_external_data(graph: bytes, where: str) -> None:
    """Check that every tensor of a serialised ONNX model is stored inside it.

    Raises
    ------
    ModelError
        If a tensor points to a file, or if the bytes are not an ONNX model.
    """
    try:
        external = _has_external(memoryview(graph), "Model")
    except (IndexError, ValueError):
        raise ModelError(f"{where} is not an ONNX model: its bytes cannot be read as one. Export it again.") from None
    if external:
        raise ModelError(
            f"{where} keeps tensors in files outside itself, which is refused: export it with all weights inside "
            "(external_data=False)."
        )


def _has_external(data: memoryview, message: str) -> bool:
    children = _CHILDREN[message]
    for number, value in fields(data):
        if message == "Tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == 1)):
            return True
        child = children.get(number)
        if child is not None and isinstance(value, memoryview) and _has_external(value, child):
            return True
    return False
