"""The weights of a model's own graph, under the names of `coffea_mljec.models.node_names`, ready for `dense`.

The graph stays the model's definition: only its named constants are read, and each is checked for its shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models import node_names
from coffea_mljec.models.kernels.panels import packed, padded, padded_width
from coffea_mljec.models.kernels.rows import TILE, through
from coffea_mljec.models.wire import Constants

__all__ = [
    "NO_COLUMNS",
    "SHARE",
    "Array",
    "Columns",
    "Dense",
    "Layers",
    "Weights",
    "add_jet_sums",
    "filled",
    "on_rows",
    "pooled",
]

Array = npt.NDArray[np.float32]

SHARE = "rel_pt"
"""The feature that sums by share of pT are weighted with."""


@dataclass(frozen=True)
class Dense:
    """Weight [in, out] and bias [out] of one layer."""

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Columns:
    """Inputs of which the logarithm is taken: ``sign(x) log(1 + |x| scale)`` of each of these columns."""

    index: npt.NDArray[np.int64]
    scale: Array


NO_COLUMNS = Columns(np.zeros(0, np.int64), np.zeros(0, np.float32))
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Layers:
    """Layers one after the other, as kernels take them: widths [L + 1], of the input first; the rest as `packed`."""

    widths: npt.NDArray[np.int64]
    weights: Array
    biases: Array

    @classmethod
    def of(cls, layers: Sequence[Dense], n_in: int = 0) -> Layers:
        """Pack layers; without any, ``n_in`` is the width."""
        widths = [len(layers[0].weight) if layers else n_in, *(len(layer.bias) for layer in layers)]
        parts = [packed(layer.weight, layer.bias) for layer in layers]
        empty = [np.zeros(0, np.float32)]
        return cls(
            np.array(widths, np.int64),
            np.concatenate(empty + [weight for weight, _ in parts]),
            np.concatenate(empty + [bias for _, bias in parts]),
        )


class Weights:
    """Constants of a graph by name.

    Parameters
    ----------
    model, network : str
        The model's name, and what its card says it is, for messages.
    constants : Constants
    prefix : str
        Of the names, in a graph that holds several networks.

    Raises
    ------
    ModelError
        By its methods, if a constant is missing or has another shape than the card asks for.
    """

    def __init__(self, model: str, network: str, constants: Constants, prefix: str = "") -> None:
        self._model, self._network, self._constants, self._prefix = model, network, constants, prefix

    def inputs(self, collection: str, n_features: int, width: int | None) -> tuple[Columns, Dense]:
        """The first layer on a collection's features, and the columns of which it takes the logarithm."""
        plain = self.dense(node_names.plain(collection), n_features, width)
        name = node_names.pick(collection)
        if self._prefix + name not in self._constants.values:
            return NO_COLUMNS, plain
        pick = self.array(name, n_features, None)
        symlog = node_names.weight(node_names.symlog(collection))
        own = self.array(symlog, pick.shape[1], plain.weight.shape[1])
        index = np.abs(pick).argmax(axis=0)
        if np.count_nonzero(pick) != len(index) or plain.weight[index].any():
            raise ModelError(
                f"{name} of model {self._model!r} must take one column each, which {node_names.plain(collection)} "
                f"does not: {self._remedy}"
            )
        weight = plain.weight.copy()
        weight[index] = own
        return Columns(index, pick[index, np.arange(len(index))]), Dense(weight, plain.bias)

    def chain(self, name: str, n_in: int, first: int) -> list[Dense]:
        """The layers ``name.first``, ``name.(first + 1)``, ..., as many as there are."""
        layers: list[Dense] = []
        while self._prefix + node_names.weight(layer := node_names.layer(name, first + len(layers))) in (
            self._constants.values
        ):
            layers.append(self.dense(layer, n_in, None))
            n_in = len(layers[-1].bias)
        return layers

    def head(self, n_pooled: int, n_jet: int, n_outputs: int) -> tuple[Columns, list[Dense]]:
        """The columns of the jets' features of which the logarithm is taken, and the layers on what the constituents
        pool to, followed by these; the outputs are the last."""
        columns, first = self.inputs("jet", n_jet, None)
        width = len(first.bias)
        if n_pooled:
            of_pooled = self.array(node_names.weight(node_names.layer(node_names.HEAD, 0)), n_pooled, width)
            first = Dense(np.concatenate([of_pooled, first.weight]), first.bias)
        layers = [first, *self.chain(node_names.HEAD, width, 1)]
        return columns, [*layers, self.dense(node_names.LAST, len(layers[-1].bias), n_outputs)]

    def dense(self, name: str, n_in: int, n_out: int | None) -> Dense:
        """A layer of which the sizes are known, or None."""
        weight = self.array(node_names.weight(name), n_in, n_out)
        return Dense(weight, self.array(node_names.bias(name), weight.shape[1]))

    def array(self, name: str, *shape: int | None) -> Array:
        """A float32 constant of which the shape is known, or None."""
        value = self._constants.values.get(self._prefix + name)
        wanted = " x ".join("any" if size is None else str(size) for size in shape)
        if value is None:
            raise ModelError(
                f"the graph of model {self._model!r} has no constant {name!r} ({wanted}): {self._remedy}, or say "
                "engine 'onnx'."
            )
        fits = len(value.shape) == len(shape) and all(
            size is None or size == got for size, got in zip(shape, value.shape, strict=True)
        )
        if not fits or value.dtype != np.float32:
            got = " x ".join(map(str, value.shape))
            raise ModelError(
                f"the constant {name!r} of model {self._model!r} must be float32 {wanted}, as its card says; got "
                f"{value.dtype} {got}. Export the model again."
            )
        return np.ascontiguousarray(value, np.float32)

    def other(self, expected: str) -> ModelError:
        """The error for a graph that reads something else than its engine runs."""
        return ModelError(f"the graph of model {self._model!r} lacks {expected}: {self._remedy}, or say engine 'onnx'.")

    @property
    def _remedy(self) -> str:
        return f"only {self._network} written by python -m training export has it as its card says; export it again"


def filled(weight: Array, sizes: Sequence[int]) -> Array:
    """Return a weight [in, out] for inputs in parts of these sizes that each fill whole vectors, zeros behind; what
    follows the parts stays."""
    *parts, rest = np.split(weight, np.cumsum(sizes))
    return np.concatenate([*(padded(part, padded_width(len(part)), part.shape[1]) for part in parts), rest])


def pooled(constants: Constants, prefix: str = "") -> tuple[str, ...]:
    """What the head of one of our networks reads of the constituents, by name and in order."""
    of_head = constants.inputs.get(prefix + node_names.product(node_names.layer(node_names.HEAD, 0)), ())[:1]
    if of_head == (prefix + node_names.POOLED,):
        of_head = constants.inputs[of_head[0]]
    return tuple(name.removeprefix(prefix) for name in of_head)


def add_jet_sums(
    x: Array, offsets: npt.NDArray[np.int64], columns: Columns, layers: Layers, floor: np.float32, out: Array, at: int,
    shares: Array = _NOTHING, heard: Array = _NOTHING, kept: Array = _NOTHING,
) -> None:  # fmt: skip
    """`coffea_mljec.models.kernels.rows.through` with offsets."""
    widest = max([x.shape[1], *(padded_width(int(width)) for width in layers.widths[1:])])
    here, there, value = np.empty((3, min(TILE, len(x)) * widest), np.float32)
    # One-dimensional: reshaping takes numba a while to compile.
    through(
        np.ascontiguousarray(x).reshape(-1), x.shape[1], offsets, columns.index, columns.scale, layers.widths,
        layers.weights, layers.biases, floor, here, there, value, out.reshape(-1), out.shape[1], at,
        np.ascontiguousarray(shares), heard.reshape(-1), kept.reshape(-1),
    )  # fmt: skip


def on_rows(x: Array, columns: Columns, layers: Layers, floor: np.float32) -> Array:
    """What the layers make of every row, [N, `padded_width` of the last]; the last layer has another floor than 0."""
    out = np.empty((len(x), padded_width(int(layers.widths[-1]))), np.float32)
    add_jet_sums(x, np.zeros(0, np.int64), columns, layers, floor, out, 0)
    return out
