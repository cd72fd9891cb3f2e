"""Any graph by onnxruntime: the reference for the other engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models import node_names
from coffea_mljec.models.engines.engine import Engine, Outputs, clouds_problem

if TYPE_CHECKING:
    from coffea_mljec.features import FeatureSet
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.folder import ModelFolder
    from coffea_mljec.models.wire import Constants

__all__ = ["OnnxEngine", "OnnxSession"]


class OnnxEngine(Engine):
    """onnxruntime."""

    def problem(self, card: ModelCard) -> str | None:
        return clouds_problem(card)

    def settings(self, graph: Constants, features: FeatureSet) -> dict[str, Any] | None:
        return {}

    def build(self, model: ModelFolder) -> OnnxSession:
        return OnnxSession(model)


class OnnxSession:
    """A session of onnxruntime.

    One intra-op and one inter-op thread: with two, the graph's scatter-add races and gives wrong sums; and a default
    session takes every core of a shared worker node. The memory arena is off: batches are small, and it would only
    grow.

    Attributes
    ----------
    session : onnxruntime.InferenceSession

    Raises
    ------
    ModelError
        If onnxruntime is missing, refuses the graph, or the graph's inputs and outputs are not what the card says.
    """

    def __init__(self, model: ModelFolder) -> None:
        self.session = _session(model.graph, model.card.name)
        try:
            _check(self.session, model.card)
        except UnicodeDecodeError:
            raise ModelError(f"the graph of model {model.card.name!r} has names that are no text (UTF-8).") from None
        self._name = model.card.name
        self._outputs = [model.card.output]

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        n_jets = len(inputs[node_names.features("jet")])
        try:
            values: list[npt.NDArray[np.float32]] = self.session.run(self._outputs, dict(inputs))
        except Exception as error:  # onnxruntime's exceptions have no common public base
            raise ModelError(f"the graph of model {self._name!r} cannot be run on {n_jets} jets: {error}") from None
        for name, value in zip(self._outputs, values, strict=True):
            if not isinstance(value, np.ndarray) or value.shape != (n_jets,) or value.dtype != np.float32:
                got = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
                raise ModelError(
                    f"output {name!r} of model {self._name!r} must be one float32 a jet, shape ({n_jets},); got {got}. "
                    "Export it with one value for each jet."
                )
        return dict(zip(self._outputs, values, strict=True))


def _session(graph: bytes, name: str) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ModelError("applying a network needs onnxruntime on this worker: pip install onnxruntime.") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common public base
        raise ModelError(
            f"onnxruntime {onnxruntime.__version__} refuses the graph of model {name!r}: {error}"
        ) from None


def _check(session: Any, card: ModelCard) -> None:
    """Compare the graph's inputs and outputs with what the card says."""
    names = card.feature_set.names()
    expected = {node_names.features(c): ("tensor(float)", len(features)) for c, features in names.items()}
    expected |= {node_names.offsets(c): ("tensor(int64)", 0) for c in card.feature_set.constituents}
    got = {item.name: item for item in session.get_inputs()}
    if set(got) != set(expected):
        raise ModelError(
            f"the graph of model {card.name!r} has inputs {sorted(got)}, its card describes {sorted(expected)}."
        )
    for key, (dtype, width) in expected.items():
        item = got[key]
        if item.type != dtype or isinstance(item.shape[0], int) or (width and item.shape[1:] != [width]):
            raise ModelError(
                f"input {key!r} of model {card.name!r} must be {dtype} with a free first axis"
                f"{f' and {width} columns' if width else ''}; got {item.type} {item.shape}. Export it with dynamic "
                "axes."
            )
    if card.output not in [item.name for item in session.get_outputs()]:
        raise ModelError(f"the graph of model {card.name!r} has no output {card.output!r}.")
