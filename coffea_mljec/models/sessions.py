"""Networks that are ready to run: one a process, graph and backend, made on first use, behind a lock."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from typing import Any

import numpy.typing as npt

from coffea_mljec.models.backends import LOCAL, Backend
from coffea_mljec.models.engines import ENGINES, Outputs, Runner
from coffea_mljec.models.engines.onnx import OnnxSession
from coffea_mljec.models.engines.padded import PaddedNetwork
from coffea_mljec.models.folder import ModelFolder
from coffea_mljec.models.independence import check_independence, check_same_network

__all__ = ["run", "session"]

_RUNNERS: dict[Hashable, Runner] = {}
_LOCK = threading.Lock()


def session(model: ModelFolder, backend: Backend = LOCAL) -> Runner:
    """Return this process's runner of a model.

    Parameters
    ----------
    model : ModelFolder
    backend : Backend
        Where its graph is evaluated. On the CPU of this process it is run by the engine that the card names; elsewhere
        it is the graph itself that is run, since the kernels of the other engines are for CPUs.

    Raises
    ------
    ModelError
        If the graph cannot be run, is not what the card says, or mixes the jets of a batch; or if another network
        answers.
    """
    card = model.card
    # Two cards may describe one graph; each has to fit it.
    parts = (card.features, card.outputs, card.tensors, tuple(sorted(card.clouds.items())))
    key = (backend, card.name, card.engine, card.sha256, card.members, *parts)
    with _LOCK:
        if key not in _RUNNERS:
            _RUNNERS[key] = _here(model) if backend == LOCAL else _elsewhere(model, backend)
        return _RUNNERS[key]


def _here(model: ModelFolder) -> Runner:
    engine = ENGINES[model.card.engine]
    runner = engine.build(model)
    if not engine.by_rows:
        check_independence(runner, model.card)
    return runner


def _elsewhere(model: ModelFolder, backend: Backend) -> Runner:
    card = model.card
    graph = PaddedNetwork if card.tensors else OnnxSession
    runner = graph(model, backend)
    check_independence(runner, card)
    check_same_network(runner, graph(model), card, backend.graph_of(card.name))
    return runner


def run(model: ModelFolder, arrays: Mapping[str, npt.NDArray[Any]], backend: Backend = LOCAL) -> Outputs:
    """Evaluate a network on one batch of flat arrays.

    Parameters
    ----------
    model : ModelFolder
    arrays : mapping of str to ndarray
        As `coffea_mljec.features.compute` returns them.
    backend : Backend
        See `session`.

    Returns
    -------
    dict of str to ndarray
        The graph's outputs that the card names (`coffea_mljec.models.engines.Runner`).

    Raises
    ------
    ModelError
        If the graph cannot be run, or is not what the card says.
    """
    return session(model, backend).run(arrays)
