"""Names of the values and constants in the ONNX graphs of our own networks.

`training.onnx` writes them; the engines that read weights from a graph look them up. A *part* is a collection
(``jet``, ``charged``, ``neutral``, ``sv``), a block of one, or the head; layers and blocks are counted from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = [
    "HEAD", "LAST", "OUTPUT", "OUTPUTS", "POOLED", "REPLACED", "bias", "features", "integers", "joined", "k", "layer",
    "mean", "member", "members", "nodes", "offsets", "pick", "plain", "pooled", "product", "symlog", "told", "way",
    "weight",
]  # fmt: skip

OUTPUT = "log_correction"
"""The graph's output: ln(corrected / raw pT) of each jet."""

OUTPUTS = "outputs"
"""The graph's output where a network gives several numbers of each jet, float32 [n, k]."""

HEAD = "head"
"""The layers after pooling."""

LAST = "output"
"""The linear layer after the head."""

POOLED = "pooled"
"""What all collections pool to, side by side, if there are several."""


REPLACED = "replaced_inputs"
"""Beside a graph's outputs: how many of a jet's inputs were not finite and were replaced, float32 [n]."""


def features(collection: str) -> str:
    """An input: float32 [N, F]."""
    return f"{collection}_features"


def offsets(collection: str) -> str:
    """An input: int64 [n + 1], the rows of each jet."""
    return f"{collection}_offsets"


def layer(part: str, number: int) -> str:
    """A dense layer, or a block, of a part."""
    return f"{part}.{number}"


def weight(dense: str) -> str:
    """The weight [in, out] of a dense layer."""
    return f"{dense}.weight"


def bias(dense: str) -> str:
    """The bias [out] of a dense layer."""
    return f"{dense}.bias"


def product(dense: str) -> str:
    """What a dense layer gives before its ReLU."""
    return f"{dense}.dense"


def plain(collection: str) -> str:
    """The part of a collection's first layer that reads features as they are."""
    return f"{layer(collection, 0)}.plain"


def symlog(collection: str) -> str:
    """The part of a collection's first layer that reads sign(x) log(1 + abs(x) / unit)."""
    return f"{collection}.symlog"


def pick(collection: str) -> str:
    """The matrix [F, columns] that takes the columns for `symlog`, each divided by its unit."""
    return f"{symlog(collection)}.pick"


def way(part: str, pooling: str) -> str:
    """One way of pooling, ``sum`` or ``pt``, of a part."""
    return f"{part}.{pooling}"


def pooled(part: str) -> str:
    """The sums over each jet's rows."""
    return f"{part}.pooled"


def joined(block: str) -> str:
    """What a context or the head of a network with context reads: sums, the context before, jet features."""
    return f"{block}.joined"


def told(part: str) -> str:
    """The layer on the context whose result all rows of a jet hear, in a round of a collection."""
    return f"{part}.told"


def mean(collection: str) -> str:
    """The mean over each jet's rows."""
    return f"{collection}.mean"


def nodes(block: str) -> str:
    """The one layer on rows of an EdgeConv block: own part, part for others, shortcut."""
    return f"{block}.nodes"


def k(collection: str) -> str:
    """Neighbours of a row: the least of the model's k and the other rows of the largest jet."""
    return f"{collection}.k"


def integers(*values: int) -> str:
    """A constant int64 [len(values)]."""
    return "int64_" + "_".join(str(value) for value in values)


def member(number: int) -> str:
    """What the names of one network begin with, in a graph that holds the mean of several."""
    return f"member{number}_"


def members(names: Iterable[str]) -> list[str]:
    """What the names of each network of a graph begin with; nothing where there is one network."""
    found = {match[0] for name in names if (match := re.match(r"member\d+_", name))}
    return sorted(found, key=lambda prefix: int(prefix[6:-1])) or [""]
