"""Padding against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.models.kernels.padding import pad_rows


@pytest.mark.parametrize("jets", [[], [0], [3, 1, 0, 2], [2, 2]])
@pytest.mark.parametrize("length", [1, 3, 8])
def test_twin(jets: list[int], length: int) -> None:
    counts = [0, 1, 3, 12]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    values = np.random.default_rng(1).normal(size=(offsets[-1], 2)).astype(np.float32)
    values[5, 1] = np.nan
    pad = np.array([-1.5, 0.25], np.float32)
    expected = np.empty((len(jets), 2, length), np.float32)
    for i, jet in enumerate(jets):
        rows = values[offsets[jet] : offsets[jet + 1]][:length]
        expected[i] = pad[:, None]
        expected[i, :, : len(rows)] = rows.T
    got = pad_rows(values, offsets, np.array(jets, np.int64), pad, length)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)
