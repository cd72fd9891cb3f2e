"""Refuse ONNX graphs that read files outside themselves, loop, or cannot be understood, without the ``onnx`` package.

An ONNX tensor may point to a file ("external data"). onnxruntime follows such paths, so a model folder from elsewhere
could make it read any file. Every field of every message is walked, wherever a tensor may stand. What onnxruntime might
read otherwise than this walk is refused: unknown fields, and numbers in a longer form than they need.
"""

from __future__ import annotations

import math
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any, NoReturn

from coffea_mljec.errors import ModelError
from coffea_mljec.models.onnx_messages import MESSAGES, WIRES
from coffea_mljec.models.wire import fields, integers

__all__ = ["check_graph"]

_DEEPEST = 100
"""Messages inside each other; protocol buffers' own limit."""
_MOST_NODES = 100_000
"""With functions put in where they are called. The largest bundled graph has 563."""
_MOST_SIZES = 64
"""Dimensions of a tensor."""
_MOST_SPARSE = 1 << 28
"""Elements of a sparse tensor when it is written out."""

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Of operators that ONNX defines."""
_LOOPS = ("Loop", "Scan", "SequenceMap")

Name = tuple[str, str]
"""Domain and type of an operator, or of a function that the model defines."""


def check_graph(graph: bytes, where: str) -> None:
    """Check that a serialised ONNX model holds all its tensors, no loop, and operators that ONNX defines.

    A loop is refused because nothing bounds its steps: with 2^62 of them a worker would never answer.

    Parameters
    ----------
    graph : bytes
    where : str
        What messages call it.

    Raises
    ------
    ModelError
        If a tensor points to a file, a node is a loop or of a custom domain, a tensor claims more elements than it has
        bytes for, functions grow beyond bounds, or the bytes are not an ONNX model.
    """
    try:
        _Walk(where).check(memoryview(graph))
    except ModelError:
        raise
    except (LookupError, ValueError):
        raise ModelError(f"{where} is not an ONNX model: its bytes cannot be read as one. Export it again.") from None


class _Walk:
    """One walk over a model; raises ValueError or LookupError where it cannot be read."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.calls: list[Name] = []
        """Operators of the function, or of the graph, that is being walked."""
        self.functions: dict[Name, list[Name]] = defaultdict(list)

    def refuse(self, what: str) -> NoReturn:
        raise ModelError(f"{self.where} {what}.")

    def check(self, graph: memoryview) -> None:
        self.message(graph, "ModelProto", 0)
        for domain, kind in (name for calls in (self.calls, *self.functions.values()) for name in calls):
            if domain in _DOMAINS and kind in _LOOPS:
                self.refuse(f"has a {kind}, whose steps nothing bounds: export it without loops (unrolled)")
            if domain not in _DOMAINS and (domain, kind) not in self.functions:
                self.refuse(
                    f"has the operator {kind[:60]!r} of the domain {domain[:60]!r}, which ONNX does not define: export "
                    f"it with operators of {' and '.join(_DOMAINS[1:])}"
                )
        self.check_growth()

    def message(self, data: memoryview, kind: str, depth: int) -> None:
        """Walk one message and those inside it."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        known = _FIELDS[kind]
        kept: dict[int, list[Any]] = defaultdict(list)
        outside = self.calls
        if kind == "FunctionProto":
            self.calls = []
        for number, wire, value in fields(data):
            wires, what, wanted = known[number]
            if wire not in wires:
                raise ValueError(f"field {number} of {kind}")
            if what in MESSAGES:
                self.message(value, what, depth + 1)
            elif what == "text":
                value = bytes(value).decode()
            if wanted:
                kept[number].append(value)
                if len(kept[number]) > _MOST_SIZES:
                    raise ValueError(f"{kind} with too many of field {number}")
        if kind == "NodeProto":
            self.calls.append(_name(kept[7], kept[4]))
            self.count(len(self.calls))
        elif kind == "FunctionProto":
            self.functions[_name(kept[10], kept[1])] += self.calls
            self.calls = outside
            self.count(len(self.functions))
        elif kind == "TensorProto":
            # Whatever the location is: an enumeration wraps round at 2^32.
            if kept[13] or any(kept[14]):
                self.refuse(
                    "keeps tensors in files outside itself, which is refused: export it with all weights inside "
                    "(external_data=False)"
                )
            self.size("a tensor", kept[1], 4 * len(data))
        elif kind == "SparseTensorProto":
            self.size("a sparse tensor", kept[3], _MOST_SPARSE)

    def count(self, number: int) -> None:
        """Refuse nodes or functions without end before they fill the memory."""
        if number > _MOST_NODES:
            self.refuse(
                f"has more than {_MOST_NODES:,} nodes or functions, with functions put in where they are called"
            )

    def size(self, what: str, sizes: list[Any], most: int) -> None:
        """Refuse a tensor that claims to be larger than it can be: the least element takes a quarter of a byte."""
        each = (size for part in sizes for size in ([part] if isinstance(part, int) else integers(part)))
        shape = list(islice(each, _MOST_SIZES + 1))
        if len(shape) > _MOST_SIZES or any(size >= 1 << 63 for size in shape) or math.prod(shape) > most:
            self.refuse(f"has {what} of shape {shape[:8]}, which the file cannot hold: export it again")

    def check_growth(self) -> None:
        """Count the nodes with functions put in where they are called, as onnxruntime does."""
        uses = {name: {call for call in calls if call in self.functions} for name, calls in self.functions.items()}
        try:
            order = list(TopologicalSorter(uses).static_order())
        except CycleError:
            self.refuse("has a function that calls itself: export it without functions")
        sizes: dict[Name, int] = {}
        for name in order:
            sizes[name] = 1 + sum(sizes.get(call, 1) for call in self.functions[name])
            self.count(sizes[name])
        self.count(sum(sizes.get(call, 1) for call in self.calls))


_KEPT = {"NodeProto": (4, 7), "FunctionProto": (1, 10), "TensorProto": (1, 13, 14), "SparseTensorProto": (3,)}
_FIELDS = {
    message: {
        number: (WIRES.get(what, (2,)), what, number in _KEPT.get(message, ())) for number, what in of_message.items()
    }
    for message, of_message in MESSAGES.items()
}
"""Message -> number of a field -> how it may be written, what it holds, and whether a check looks at it."""


def _name(domains: list[Any], names: list[Any]) -> Name:
    """Domain and type; of a field that comes more than once, the last counts."""
    domain, name = (str(texts[-1]) if texts else "" for texts in (domains, names))
    return ("" if domain == "ai.onnx" else domain), name
