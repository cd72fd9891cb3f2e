"""Any graph by onnxruntime: the reference for the other engines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models import node_names
from coffea_mljec.models.backends import LOCAL, Backend
from coffea_mljec.models.backends.backend import GraphSession
from coffea_mljec.models.engines.engine import Engine, Outputs, clouds_problem, tensors_problem
from coffea_mljec.models.engines.graphs import Graphs

if TYPE_CHECKING:
    from coffea_mljec.features import FeatureSet
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.folder import ModelFolder
    from coffea_mljec.models.wire import Constants

__all__ = ["OnnxEngine", "OnnxSession"]


_SPARE = 64
"""Numbers at the end of each input that belong to no jet, at least. onnxruntime's logarithm takes as many numbers at a
time as a register holds and the few that are left one by one, which rounds them otherwise: the last jets of a batch got
another last bit than the same jets elsewhere."""


class OnnxEngine(Engine):
    """onnxruntime."""

    def problem(self, card: ModelCard) -> str | None:
        return clouds_problem(card) or tensors_problem(card)

    def settings(self, graph: Constants, features: FeatureSet) -> dict[str, Any] | None:
        return {}

    def build(self, model: ModelFolder) -> OnnxSession:
        return OnnxSession(model)


class OnnxSession:
    """Sessions of a backend, one for each graph of the model; several are averaged.

    Attributes
    ----------
    graphs : Graphs

    Raises
    ------
    ModelError
        If onnxruntime is missing, refuses a graph, or a graph's inputs and outputs are not what the card says.
    """

    def __init__(self, model: ModelFolder, backend: Backend = LOCAL) -> None:
        self.graphs = Graphs(model, backend)
        self._here = backend == LOCAL
        self._constituents = tuple(model.card.feature_set.constituents)
        for session in self.graphs.sessions:
            _check(session, self.graphs.called, model.card)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        jets = node_names.features("jet")
        n_jets = len(inputs[jets])
        if not self._here or n_jets == 0:
            return self.graphs.run(inputs, n_jets)
        longer = _with_spare_rows(inputs, self._constituents)
        outputs = self.graphs.run(longer, len(longer[jets]))
        return {name: values[:n_jets] for name, values in outputs.items()}


def _with_spare_rows(
    inputs: Mapping[str, npt.NDArray[Any]], constituents: Iterable[str]
) -> dict[str, npt.NDArray[Any]]:
    """The inputs with copies of the last jet behind them, of which the first has copies of the last constituents."""
    longer = {}
    for collection in ("jet", *constituents):
        values = inputs[node_names.features(collection)]
        rows = -(-_SPARE // max(1, values.shape[1])) if len(values) else 0
        longer[node_names.features(collection)] = np.concatenate([values, np.repeat(values[-1:], rows, axis=0)])
    jets = len(longer[node_names.features("jet")]) - len(inputs[node_names.features("jet")])
    for collection in constituents:
        offsets, rows = inputs[node_names.offsets(collection)], len(longer[node_names.features(collection)])
        longer[node_names.offsets(collection)] = np.append(offsets, np.full(jets, rows, offsets.dtype))
    return longer


def _check(session: GraphSession, called: str, card: ModelCard) -> None:
    """Compare the graph's inputs with what the card says."""
    names = {"jet": ()} | card.feature_set.names()
    expected = {node_names.features(c): ("tensor(float)", len(features)) for c, features in names.items()}
    expected |= {node_names.offsets(c): ("tensor(int64)", 0) for c in card.feature_set.constituents}
    got = {item.name: item for item in session.get_inputs()}
    if set(got) != set(expected):
        raise ModelError(f"{called} has inputs {sorted(got)}, its card describes {sorted(expected)}.")
    for key, (dtype, width) in expected.items():
        item = got[key]
        if item.type != dtype or isinstance(item.shape[0], int) or (width and item.shape[1:] != [width]):
            raise ModelError(
                f"input {key!r} of model {card.name!r} must be {dtype} with a free first axis"
                f"{f' and {width} columns' if width else ''}; got {item.type} {item.shape}. Export it with dynamic "
                "axes."
            )
