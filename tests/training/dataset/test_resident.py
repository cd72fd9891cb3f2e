"""Batches gathered on a device are those that are gathered on the CPU: same jets, same constituents, same turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from training.dataset.gather import gather_jagged  # noqa: E402
from training.dataset.resident import ResidentJets, ResidentStream, gather_on_device  # noqa: E402
from training.dataset.stream import Stream  # noqa: E402


def test_gather_equals_that_of_the_cpu() -> None:
    rng = np.random.default_rng(1)
    counts = np.array([3, 0, 1, 0, 7, 2])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    content = rng.normal(size=(offsets[-1], 4)).astype(np.float32)
    for jets in ([4, 1, 4, 0], [1], [], [3, 1], [5, 4, 3, 2, 1, 0]):
        chosen = np.array(jets, np.int64)
        wanted = gather_jagged(content, offsets, chosen)
        found = gather_on_device(*map(torch.from_numpy, (content, offsets, chosen)), int(counts[chosen].sum()))
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one.numpy(), other)


@pytest.mark.parametrize("turned", [None, (3, 1)])
@pytest.mark.parametrize(("n", "whole"), [(50, False), (50, True), (16, True), (5, True), (0, False)])
def test_a_pass_has_the_batches_of_the_cpu(
    toy_jets: Callable[..., Any], n: int, whole: bool, turned: tuple[int, ...] | None
) -> None:
    jets = toy_jets(60)
    before = {name: values.copy() for name, values in jets.features.items()}
    rows = np.random.default_rng(2).permutation(60)[:n]
    weight = np.random.default_rng(3).random(60, np.float32)
    resident = ResidentJets(jets, torch.device("cpu"))
    stream = ResidentStream(resident, rows, weight, 16, whole, turned)
    wanted = list(Stream(jets, rows, weight, 16, whole_batches=whole, turned=turned))
    for _ in range(2):  # a pass can be taken again
        found = list(stream)
        assert len(found) == len(wanted) == len(stream)
        for one, other in zip(found, wanted, strict=True):
            assert set(one) == set(other)
            for name in other:
                assert one[name].dtype == other[name].dtype
                # The angle is added in single precision there, and a full turn taken off in double precision here.
                np.testing.assert_allclose(one[name].numpy(), other[name].numpy(), rtol=0, atol=5e-7, err_msg=name)
    for name, values in before.items():
        np.testing.assert_array_equal(jets.features[name], values)
        np.testing.assert_array_equal(resident.features[name].numpy(), values)


def test_only_a_gpu_keeps_jets(toy_jets: Callable[..., Any]) -> None:
    assert not ResidentJets.fit(toy_jets(5), torch.device("cpu"))
