"""Networks that are ready to run: one a process and graph, made on first use, behind a lock."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from typing import Any

import numpy.typing as npt

from coffea_mljec.models.engines import ENGINES, Outputs, Runner
from coffea_mljec.models.folder import ModelFolder
from coffea_mljec.models.independence import check_independence

__all__ = ["run", "session"]

_RUNNERS: dict[Hashable, Runner] = {}
_LOCK = threading.Lock()


def session(model: ModelFolder) -> Runner:
    """Return this process's runner of a model, made by the engine that the card names.

    Raises
    ------
    ModelError
        If the graph cannot be run, is not what the card says, or mixes the jets of a batch.
    """
    card = model.card
    # Two cards may describe one graph; each has to fit it.
    parts = (card.features, card.outputs, card.tensors, tuple(sorted(card.clouds.items())))
    key = (card.engine, card.sha256, card.members, *parts)
    with _LOCK:
        if key not in _RUNNERS:
            engine = ENGINES[card.engine]
            runner = engine.build(model)
            if not engine.by_rows:
                check_independence(runner, card)
            _RUNNERS[key] = runner
        return _RUNNERS[key]


def run(model: ModelFolder, arrays: Mapping[str, npt.NDArray[Any]]) -> Outputs:
    """Evaluate a network on one batch of flat arrays.

    Parameters
    ----------
    model : ModelFolder
    arrays : mapping of str to ndarray
        As `coffea_mljec.features.compute` returns them.

    Returns
    -------
    dict of str to ndarray
        The graph's outputs that the card names (`coffea_mljec.models.engines.Runner`).

    Raises
    ------
    ModelError
        If the graph cannot be run, or is not what the card says.
    """
    return session(model).run(arrays)
