"""The messages of an ONNX file (onnx.proto): which fields each has, and what they hold.

A test compares this table with the ``onnx`` package, which applying a model does not need.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["MESSAGES", "WIRES"]

WIRES: Mapping[str, tuple[int, ...]] = {
    "integer": (0,), "integers": (0, 2), "float": (5,), "floats": (2, 5), "doubles": (1, 2), "text": (2,),
    "bytes": (2,),
}  # fmt: skip
"""What a field holds -> how it may be written; lists of numbers may be packed into one field. A message is written
as bytes (2)."""

_PAIRS = "StringStringEntryProto"

MESSAGES: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {
        1: "integer", 2: "text", 3: "text", 4: "text", 5: "integer", 6: "text", 7: "GraphProto",
        8: "OperatorSetIdProto", 14: _PAIRS, 20: "TrainingInfoProto", 25: "FunctionProto",
        26: "DeviceConfigurationProto",
    },
    "OperatorSetIdProto": {1: "text", 2: "integer"},
    "GraphProto": {
        1: "NodeProto", 2: "text", 5: "TensorProto", 10: "text", 11: "ValueInfoProto", 12: "ValueInfoProto",
        13: "ValueInfoProto", 14: "TensorAnnotation", 15: "SparseTensorProto", 16: _PAIRS,
    },
    "NodeProto": {
        1: "text", 2: "text", 3: "text", 4: "text", 5: "AttributeProto", 6: "text", 7: "text", 8: "text", 9: _PAIRS,
        10: "NodeDeviceConfigurationProto",
    },
    "AttributeProto": {
        1: "text", 2: "float", 3: "integer", 4: "bytes", 5: "TensorProto", 6: "GraphProto", 7: "floats", 8: "integers",
        9: "bytes", 10: "TensorProto", 11: "GraphProto", 13: "text", 14: "TypeProto", 15: "TypeProto", 20: "integer",
        21: "text", 22: "SparseTensorProto", 23: "SparseTensorProto",
    },
    "TensorProto": {
        1: "integers", 2: "integer", 3: "Segment", 4: "floats", 5: "integers", 6: "bytes", 7: "integers", 8: "text",
        9: "bytes", 10: "doubles", 11: "integers", 12: "text", 13: _PAIRS, 14: "integer", 16: _PAIRS,
    },
    "Segment": {1: "integer", 2: "integer"},
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto", 3: "integers"},
    "StringStringEntryProto": {1: "text", 2: "text"},
    "ValueInfoProto": {1: "text", 2: "TypeProto", 3: "text", 4: _PAIRS},
    "TypeProto": {
        1: "Tensor", 4: "Sequence", 5: "Map", 6: "text", 7: "Opaque", 8: "SparseTensor", 9: "Optional",
    },
    "Tensor": {1: "integer", 2: "TensorShapeProto"},
    "SparseTensor": {1: "integer", 2: "TensorShapeProto"},
    "Sequence": {1: "TypeProto"},
    "Optional": {1: "TypeProto"},
    "Map": {1: "integer", 2: "TypeProto"},
    "Opaque": {1: "text", 2: "text"},
    "TensorShapeProto": {1: "Dimension"},
    "Dimension": {1: "integer", 2: "text", 3: "text"},
    "TensorAnnotation": {1: "text", 2: _PAIRS},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto", 3: _PAIRS, 4: _PAIRS},
    "FunctionProto": {
        1: "text", 4: "text", 5: "text", 6: "text", 7: "NodeProto", 8: "text", 9: "OperatorSetIdProto", 10: "text",
        11: "AttributeProto", 12: "ValueInfoProto", 13: "text", 14: _PAIRS,
    },
    "DeviceConfigurationProto": {1: "text", 2: "integer", 3: "text"},
    "NodeDeviceConfigurationProto": {1: "text", 2: "ShardingSpecProto", 3: "integer"},
    "ShardingSpecProto": {1: "text", 2: "integers", 3: "IntIntListEntryProto", 4: "ShardedDimProto"},
    "IntIntListEntryProto": {1: "integer", 2: "integers"},
    "ShardedDimProto": {1: "integer", 2: "SimpleShardedDimProto"},
    "SimpleShardedDimProto": {1: "integer", 2: "text", 3: "integer"},
}  # fmt: skip
"""Name of a message, as onnx has it -> number of a field -> what it holds: a key of `WIRES`, or a message."""
