"""What an engine is: a way to run a model's graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError

if TYPE_CHECKING:
    from coffea_mljec.features import FeatureSet
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.folder import ModelFolder
    from coffea_mljec.models.outputs import Output
    from coffea_mljec.models.wire import Constants

__all__ = [
    "Engine",
    "Outputs",
    "Runner",
    "check_rows",
    "clouds_problem",
    "head_problem",
    "outputs_of_head",
    "tensors_problem",
]

Outputs = dict[str, npt.NDArray[np.float32]]
"""Name of an output of the graph -> its values; the first axis counts jets."""


class Runner(Protocol):
    """One model in this process, ready to run. Several threads call it at once, so `run` changes nothing in it."""

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        """Evaluate the network on one batch.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            The graph's inputs by name, as `coffea_mljec.features.compute` returns them: ``jet_features`` float32
            [n, F], and per collection c ``c_features`` float32 [N, F_c] and ``c_offsets`` int64 [n + 1]. n and N may be
            0. The arrays are not changed.

        Returns
        -------
        dict of str to ndarray
            Every output of the graph that the card names, float32 [n] or [n, columns]. A jet's values depend on that
            jet alone.
        """
        ...


class Engine(ABC):
    """A way to run graphs. It keeps nothing: a runner holds what belongs to one model."""

    by_rows = False
    """Whether a jet's number depends on that jet alone by the engine's own kernels, whatever the graph says. Of others
    it is asked (`coffea_mljec.models.independence`)."""

    @abstractmethod
    def problem(self, card: ModelCard) -> str | None:
        """What is wrong with a card that names this engine, for a message; None if nothing is."""

    @abstractmethod
    def settings(self, graph: Constants, features: FeatureSet) -> dict[str, Any] | None:
        """The card's fields with which this engine runs a graph; None if it cannot run it.

        Parameters
        ----------
        graph : Constants
            Constants and nodes of the graph.
        features : FeatureSet
            What the network reads.
        """

    @abstractmethod
    def build(self, model: ModelFolder) -> Runner:
        """Make a model ready to run.

        Raises
        ------
        ModelError
            If the graph cannot be run, or is not what the card says.
        """


def check_rows(arrays: Mapping[str, npt.NDArray[Any]], n_features: Mapping[str, int]) -> None:
    """Refuse inputs that numba's kernels would read beyond.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As of `Runner.run`.
    n_features : mapping of str to int
        Of ``jet`` and each collection of constituents.

    Raises
    ------
    InputError
        If the arrays do not fit the network or each other.
    """
    n = len(arrays["jet_features"])
    for c, width in n_features.items():
        x = arrays[f"{c}_features"]
        if x.dtype != np.float32 or x.shape[1:] != (width,):
            raise InputError(f"{c}_features must be float32 with {width} columns; got {x.dtype} {x.shape}.")
        if c == "jet":
            continue
        offsets = arrays[f"{c}_offsets"]
        if not (len(offsets) == n + 1 and offsets[0] == 0 and offsets[-1] == len(x) and (np.diff(offsets) >= 0).all()):
            raise InputError(
                f"{c}_offsets must rise from 0 to the {len(x)} rows of {c}_features, one more than the {n} jets; "
                f"got {len(offsets)} numbers{f' from {offsets[0]} to {offsets[-1]}' if len(offsets) else ''}."
            )


def clouds_problem(card: ModelCard, expected: Collection[str] = ()) -> str | None:
    """Say that a card's clouds are of other collections than its engine needs; None if they are right."""
    if set(card.clouds) == set(expected):
        return None
    wanted = sorted(expected) or "nothing"
    return f"engine {card.engine!r} needs clouds of {wanted}; got {sorted(card.clouds)}"


def outputs_of_head(outputs: Sequence[Output], values: npt.NDArray[np.float32]) -> Outputs:
    """Give the columns of a network's last layer, float32 [n, columns], the name that the card has for them."""
    return {output.source: values[:, 0] if output.column is None else values for output in outputs}


def head_problem(card: ModelCard) -> str | None:
    """Say that the head lacks jet features, or outputs are not the columns of its last layer; None if all is well."""
    if not card.feature_set.jet:
        return f"engine {card.engine!r} takes jet features beside the constituents, and the card has none"
    sources = sorted({output.source for output in card.outputs})
    columns = [output.column for output in card.outputs]
    if len(sources) == 1 and (columns == [None] or columns == list(range(len(columns)))):
        return None
    return (
        f"engine {card.engine!r} gives the columns of one output of the graph, each once and in order; got "
        + ", ".join(f"{output.name} ({output.source}, column {output.column})" for output in card.outputs)
    )


def tensors_problem(card: ModelCard) -> str | None:
    """Say that a card describes padded tensors, which only one engine takes; None if it does not."""
    return f"engine {card.engine!r} takes flat arrays; tensors are for engine 'padded'" if card.tensors else None
