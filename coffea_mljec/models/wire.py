"""The wire format of protocol buffers, as far as reading an ONNX file needs it, and an ONNX graph's constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Constants", "fields", "integers", "read_constants"]

_KINDS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 7: np.dtype("<i8")}
"""Numbers of the element types of onnx.TensorProto that are read."""


@dataclass(frozen=True)
class Constants:
    """What can be told of a graph without running it.

    Attributes
    ----------
    values : dict of str to ndarray
        The float32 and int64 initialisers, by name.
    inputs : dict of str to tuple of str
        Output of a node -> names of that node's inputs.
    operators : dict of str to str
        Output of a node -> what the node does, such as ``Conv``.
    """

    values: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]
    inputs: dict[str, tuple[str, ...]]
    operators: dict[str, str]


def read_constants(graph: bytes) -> Constants:
    """Read the initialisers of a serialised ONNX model, and which value comes from which.

    Initialisers of other types, or not stored as raw bytes, are left out: who needs them misses them by name.

    Raises
    ------
    ValueError, IndexError
        If the bytes are no protocol buffer of an ONNX model.
    """
    values: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]] = {}
    inputs: dict[str, tuple[str, ...]] = {}
    operators: dict[str, str] = {}
    for number, _, body in fields(memoryview(graph)):
        if number != 7 or not isinstance(body, memoryview):
            continue
        for part, _, content in fields(body):
            if part == 5 and isinstance(content, memoryview):
                name, value = _tensor(content)
                if value is not None:
                    values[name] = value
            elif part == 1 and isinstance(content, memoryview):
                ends: dict[int, list[str]] = {1: [], 2: [], 4: [""]}
                for end, _, text in fields(content):
                    if end in ends and isinstance(text, memoryview):
                        ends[end].append(bytes(text).decode())
                inputs |= dict.fromkeys(ends[2], tuple(ends[1]))
                operators |= dict.fromkeys(ends[2], ends[4][-1])
    return Constants(values, inputs, operators)


def _tensor(data: memoryview) -> tuple[str, npt.NDArray[np.float32] | npt.NDArray[np.int64] | None]:
    shape: list[int] = []
    name, kind, raw = "", 0, memoryview(b"")
    for number, _, value in fields(data):
        if number == 1 and isinstance(value, int):
            shape.append(value)
        elif number == 1 and isinstance(value, memoryview):  # packed
            shape += integers(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8 and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number == 9 and isinstance(value, memoryview):
            raw = value
    dtype = _KINDS.get(kind)
    if dtype is None or len(raw) != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
        return name, None
    return name, np.frombuffer(raw, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def fields(data: memoryview) -> Iterator[tuple[int, int, Any]]:
    """Yield number, wire type and value of each field of a message: an integer (0), or the bytes of anything longer.

    Raises
    ------
    ValueError, IndexError
        If the bytes are no message, or numbers are written in a longer form than they need: programs differ on those.
    """
    position, end = 0, len(data)
    while position < end:
        key = data[position]
        position += 1
        if key >= 0x80:
            key, position = _varint(data, position - 1)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, wire, value
            continue
        if wire == 2:
            length, position = _varint(data, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if position + length > end:
            raise ValueError("truncated")
        yield number, wire, data[position : position + length]
        position += length


def integers(packed: memoryview) -> Iterator[int]:
    """The integers that are packed into one field; raises as `fields`."""
    position = 0
    while position < len(packed):
        value, position = _varint(packed, position)
        yield value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = data[position]
    position += 1
    if value < 0x80:
        return value, position
    value, shift = value & 0x7F, 7
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 or value >= 1 << 64:
                raise ValueError("varint")
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("varint")
