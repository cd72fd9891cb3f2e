"""What runs a network: one a process and graph, behind a lock, with one thread."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models.card import Features
from coffea_mljec.models.engines.edgeconv import EdgeConvNetwork
from coffea_mljec.models.engines.pfn import PFNNetwork
from coffea_mljec.models.folder import ModelFolder

__all__ = ["run", "session"]

_SESSIONS: dict[str, Any] = {}
_NETWORKS: dict[Hashable, EdgeConvNetwork | PFNNetwork] = {}
_CHECKED: set[tuple[str, Features]] = set()
_LOCK = threading.Lock()


def session(model: ModelFolder) -> Any:
    """Return this process's onnxruntime session of a model, made on first use.

    One intra-op and one inter-op thread: with two, the graph's scatter-add races and gives wrong sums; and a default
    session takes every core of a shared worker node. The memory arena is off: batches are small, and it would only
    grow.

    Raises
    ------
    ModelError
        If onnxruntime is missing, refuses the graph, or the graph's inputs and outputs are not what the card says.
    """
    digest = model.card.sha256
    with _LOCK:
        if digest not in _SESSIONS:
            _SESSIONS[digest] = _make(model)
        # Two cards may describe one graph; each has to fit it.
        if (digest, model.card.features) not in _CHECKED:
            _check(_SESSIONS[digest], model)
            _CHECKED.add((digest, model.card.features))
        return _SESSIONS[digest]


def run(model: ModelFolder, arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Evaluate a network on one batch of flat arrays.

    Parameters
    ----------
    model : ModelFolder
    arrays : mapping of str to ndarray
        As `coffea_mljec.features.compute` returns them.

    Returns
    -------
    ndarray of float32, shape (n_jets,)
        ``log_correction``: ln(corrected pT / raw pT).

    Raises
    ------
    ModelError
        If the graph cannot be run, or is not what the card says.
    """
    if model.card.engine != "onnx":
        return _network(model)(arrays)
    (output,) = session(model).run([model.card.output], dict(arrays))
    result: npt.NDArray[np.float32] = output
    return result


def _network(model: ModelFolder) -> EdgeConvNetwork | PFNNetwork:
    """Return this process's flat network of a model, made on first use."""
    card = model.card
    key = (card.engine, card.sha256, card.features, *sorted(card.clouds.items()))
    with _LOCK:
        if key not in _NETWORKS:
            _NETWORKS[key] = EdgeConvNetwork(model) if card.engine == "edgeconv" else PFNNetwork(model)
        return _NETWORKS[key]


def _make(model: ModelFolder) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ModelError("applying a network needs onnxruntime on this worker: pip install onnxruntime.") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    name = model.card.name
    try:
        return onnxruntime.InferenceSession(model.graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common public base
        raise ModelError(
            f"onnxruntime {onnxruntime.__version__} refuses the graph of model {name!r}: {error}"
        ) from None


def _check(made: Any, model: ModelFolder) -> None:
    """Compare the graph's inputs and outputs with what the card says."""
    name = model.card.name
    expected = {"jet_features": ("tensor(float)", len(model.card.features.jet))}
    for collection in model.card.feature_set.constituents:
        expected[f"{collection}_features"] = ("tensor(float)", len(getattr(model.card.features, collection)))
        expected[f"{collection}_offsets"] = ("tensor(int64)", 0)
    got = {item.name: item for item in made.get_inputs()}
    if set(got) != set(expected):
        raise ModelError(
            f"the graph of model {name!r} has inputs {sorted(got)}, its card describes {sorted(expected)}."
        )
    for key, (dtype, width) in expected.items():
        item = got[key]
        if item.type != dtype or isinstance(item.shape[0], int) or (width and item.shape[1:] != [width]):
            raise ModelError(
                f"input {key!r} of model {name!r} must be {dtype} with a free first axis"
                f"{f' and {width} columns' if width else ''}; got {item.type} {item.shape}. Export it with dynamic "
                "axes."
            )
    if model.card.output not in [item.name for item in made.get_outputs()]:
        raise ModelError(f"the graph of model {name!r} has no output {model.card.output!r}.")
