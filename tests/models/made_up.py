"""Flat arrays of made-up jets, as they enter an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coffea_mljec.models import ModelCard

__all__ = ["flat_arrays", "one_jet"]


def flat_arrays(
    card: ModelCard, counts: Mapping[str, Sequence[int]], rng: np.random.Generator
) -> dict[str, np.ndarray[Any, Any]]:
    """Normal features of jets with these numbers of constituents; features named ``mask`` are 1."""
    n_jets = len(next(iter(counts.values())))
    names = card.feature_set.names()
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "jet_features": rng.normal(size=(n_jets, len(names.get("jet", ())))).astype(np.float32)
    }
    for collection, numbers in counts.items():
        features = names[collection]
        values = rng.normal(size=(int(np.sum(numbers)), len(features))).astype(np.float32)
        if "mask" in features:
            values[:, features.index("mask")] = 1
        arrays[f"{collection}_features"] = values
        arrays[f"{collection}_offsets"] = np.concatenate([[0], np.cumsum(numbers)]).astype(np.int64)
    return arrays


def one_jet(arrays: Mapping[str, np.ndarray[Any, Any]], collection: str, jet: int) -> np.ndarray[Any, Any]:
    """The rows of one jet."""
    first, last = arrays[f"{collection}_offsets"][jet : jet + 2]
    rows: np.ndarray[Any, Any] = arrays[f"{collection}_features"][first:last]
    return rows
