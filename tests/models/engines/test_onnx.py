"""Graphs by onnxruntime: a jet's number does not depend on its batch, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec import models
from coffea_mljec.models.engines.onnx import OnnxSession
from tests.models.made_up import flat_arrays


def _jets(arrays: dict[str, np.ndarray], first: int, last: int) -> dict[str, np.ndarray]:
    """A slice of the jets."""
    part = {"jet_features": arrays["jet_features"][first:last]}
    for name in (name for name in arrays if name.endswith("_offsets")):
        offsets, rows = arrays[name], name.removesuffix("_offsets") + "_features"
        part[name] = offsets[first : last + 1] - offsets[first]
        part[rows] = arrays[rows][offsets[first] : offsets[last]]
    return part


@pytest.mark.parametrize("size", [0, 1, 2, 7, 50])
def test_any_batches(size: int) -> None:
    """Of a network with logarithms, which onnxruntime rounds otherwise at the end of an array."""
    model = models.open_model("pfn-c-lite")
    random, n_jets = np.random.default_rng(1), 90
    counts = {c: random.integers(0, 12, n_jets) * (random.random(n_jets) < 0.8) for c in ("charged", "neutral", "sv")}
    arrays, session = flat_arrays(model.card, counts, random), OnnxSession(model)
    whole = session.run(arrays)["outputs"]
    assert len(np.unique(whole)) > n_jets // 2
    for first in range(0, n_jets, size or n_jets):
        last = min(first + size, n_jets)
        found = session.run(_jets(arrays, first, last))["outputs"]
        np.testing.assert_array_equal(found, whole[first:last])
