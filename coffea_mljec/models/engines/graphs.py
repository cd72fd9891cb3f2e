"""The graphs of a model, on a backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models.backends import LOCAL, Backend
from coffea_mljec.models.backends.backend import GraphSession
from coffea_mljec.models.engines.engine import Outputs

if TYPE_CHECKING:
    from coffea_mljec.models.folder import ModelFolder

__all__ = ["Graphs"]


class Graphs:
    """A session for each graph of a model, whose outputs are averaged.

    Parameters
    ----------
    model : ModelFolder
    backend : Backend
        Where they are evaluated; the CPU of this process by default.

    Attributes
    ----------
    sessions : list of GraphSession
    called : str
        What messages call the graph.

    Raises
    ------
    ModelError
        If the backend refuses a graph, or a graph lacks an output that the card names.
    """

    def __init__(self, model: ModelFolder, backend: Backend = LOCAL) -> None:
        card = model.card
        self._name = card.name
        self.called = backend.graph_of(card.name)
        widths: dict[str, int | None] = {}
        for output in card.outputs:
            known = widths.get(output.source)
            widths[output.source] = output.column if known is None else max(known, output.column or 0)
        self._widths = widths
        self.sessions = backend.open((model.graph, *model.members), card.name)
        for session in self.sessions:
            self._check(session)

    @staticmethod
    def outputs_of(graph: bytes, model: str) -> dict[str, list[Any]]:
        """The outputs of a graph and their shapes: numbers where they are fixed."""
        (session,) = LOCAL.open([graph], model)
        return {item.name: list(item.shape) for item in session.get_outputs()}

    def _check(self, session: GraphSession) -> None:
        try:
            found = {item.name: item for item in (*session.get_inputs(), *session.get_outputs())}
        except UnicodeDecodeError:
            raise ModelError(f"{self.called} has names that are no text (UTF-8).") from None
        outputs = [item.name for item in session.get_outputs()]
        for name, column in self._widths.items():
            if name not in outputs:
                raise ModelError(
                    f"{self.called} has no output {name!r}, which its card names; it has "
                    f"{', '.join(map(repr, outputs))}."
                )
            shape = found[name].shape
            if column is not None and len(shape) == 2 and isinstance(shape[1], int) and shape[1] <= column:
                raise ModelError(
                    f"output {name!r} of model {self._name!r} has {shape[1]} columns; its card reads column {column}, "
                    "counted from 0."
                )

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], n_jets: int) -> Outputs:
        """Evaluate all graphs on one batch and return the mean of each output.

        Raises
        ------
        ModelError
            If a graph fails, or does not give one value, or row of values, for each jet.
        """
        total = self._of(self.sessions[0], inputs, n_jets)
        for session in self.sessions[1:]:
            for name, value in self._of(session, inputs, n_jets).items():
                total[name] = total[name] + value
        if len(self.sessions) > 1:
            total = {name: value / np.float32(len(self.sessions)) for name, value in total.items()}
        return total

    def empty(self, n_jets: int) -> Outputs:
        """Room for the outputs of so many jets: of each, the columns that the card reads."""
        return {
            name: np.empty((n_jets,) if column is None else (n_jets, column + 1), np.float32)
            for name, column in self._widths.items()
        }

    def _of(self, session: GraphSession, inputs: Mapping[str, npt.NDArray[Any]], n_jets: int) -> Outputs:
        try:
            values = session.run(list(self._widths), dict(inputs))
        except ModelError:
            raise
        except Exception as error:  # onnxruntime's exceptions have no common public base
            raise ModelError(f"{self.called} cannot be run on {n_jets} jets: {error}") from None
        for (name, column), value in zip(self._widths.items(), values, strict=True):
            right = isinstance(value, np.ndarray) and value.dtype == np.float32 and value.shape[:1] == (n_jets,)
            if (
                not right
                or value.ndim != (1 if column is None else 2)
                or (column is not None and value.shape[1] <= column)
            ):
                got = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
                wanted = f"({n_jets},)" if column is None else f"({n_jets}, {column + 1} or more)"
                raise ModelError(
                    f"output {name!r} of model {self._name!r} must be one float32 a jet, shape {wanted}; got {got}. "
                    "Export it with one value for each jet."
                )
        return dict(zip(self._widths, values, strict=True))
