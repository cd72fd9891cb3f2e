"""What a backend is: something that evaluates graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy.typing as npt

__all__ = ["Backend", "GraphSession", "Node"]


class Node(Protocol):
    """An input or an output of a graph, as onnxruntime describes it."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str:
        """Such as ``tensor(float)``."""
        ...

    @property
    def shape(self) -> Sequence[int | str | None]:
        """Numbers where a size is fixed."""
        ...


class GraphSession(Protocol):
    """A graph that is ready to run, as ``onnxruntime.InferenceSession`` is. Several threads call it at once."""

    def get_inputs(self) -> Sequence[Node]: ...

    def get_outputs(self) -> Sequence[Node]: ...

    def run(self, output_names: list[str], input_feed: dict[str, npt.NDArray[Any]]) -> Sequence[Any]:
        """Evaluate it: the outputs in the order of their names."""
        ...


class Backend(ABC):
    """Something that evaluates graphs. Hashable and picklable: it opens nothing before it is asked to."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Rows of the longest padded tensor, padding included, that are evaluated at a time."""

    @abstractmethod
    def open(self, graphs: Sequence[bytes], model: str) -> list[GraphSession]:
        """Make the graphs of a model ready to run, one session each.

        Raises
        ------
        ModelError
            If it cannot.
        """

    @abstractmethod
    def graph_of(self, model: str) -> str:
        """What messages call the graph of a model."""
