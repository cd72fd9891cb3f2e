"""Kernels against their plain twins, on the cases that go wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coffea_mljec.features import kernels
from coffea_mljec.geometry import delta_phi
from tests.features import twins


@pytest.fixture
def jagged() -> dict[str, np.ndarray]:
    """Jets with 0, 1, 2 and many constituents; eta = 0; phi at +-pi; an unsorted index into a longer table."""
    rng = np.random.default_rng(7)
    counts = np.array([0, 1, 2, 0, 40, 7, 0])
    table = 90
    return {
        "offsets": np.concatenate([[0], np.cumsum(counts)]),
        "index": rng.permutation(table)[: counts.sum()],
        "pt": rng.exponential(3.0, table).astype(np.float32),
        "eta": rng.normal(0, 1, table).astype(np.float32),
        "phi": np.where(rng.random(table) < 0.3, np.float32(np.pi), rng.uniform(-np.pi, np.pi, table)).astype(
            np.float32
        ),
        "jet_eta": np.array([0.0, 0.0, 1.2, -0.5, -2.0, 0.3, 4.0], np.float32),
        "jet_phi": np.array([0.0, -np.pi, np.pi, 1.0, -np.pi, 3.1, 0.0], np.float32),
        "jet_pt": np.array([10.0, 20.0, 30.0, 5.0, 100.0, 50.0, 8.0], np.float32),
    }


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0.1, -0.1, 0.2),
        (math.pi, 0.0, -math.pi),
        (-math.pi, 0.0, -math.pi),
        (3.0, -3.0, 6.0 - 2 * math.pi),
        (0.0, 0.0, 0.0),
    ],
)
def test_delta_phi_lies_in_the_half_open_interval(first: float, second: float, expected: float) -> None:
    assert delta_phi(first, second) == pytest.approx(expected, abs=1e-12)


def test_shapes_equal_the_twin(jagged: dict[str, np.ndarray]) -> None:
    j = jagged
    # The first half of each jet's constituents as charged, the rest as neutral: the split must not matter.
    counts = np.diff(j["offsets"])
    n_charged = counts // 2
    starts = j["offsets"][:-1]
    charged = np.concatenate([j["index"][s : s + n] for s, n in zip(starts, n_charged, strict=True)])
    neutral = np.concatenate([j["index"][s + n : s + c] for s, n, c in zip(starts, n_charged, counts, strict=True)])
    charged_offsets = np.concatenate([[0], np.cumsum(n_charged)])
    neutral_offsets = np.concatenate([[0], np.cumsum(counts - n_charged)])
    got = kernels.jet_shapes(
        j["pt"], j["eta"], j["phi"], charged, charged_offsets, neutral, neutral_offsets, j["jet_eta"], j["jet_phi"]
    )
    for jet in range(len(counts)):
        rows = j["index"][j["offsets"][jet] : j["offsets"][jet + 1]]
        expected = twins.shapes(j["pt"][rows], j["eta"][rows], j["phi"][rows], j["jet_eta"][jet], j["jet_phi"][jet])
        assert got[jet] == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert (got[counts == 0] == 0).all()
    assert got[counts == 1][0, 1:] == pytest.approx([1.0, 0.0], abs=1e-6)


def test_relative_features_equal_the_twin(jagged: dict[str, np.ndarray]) -> None:
    j = jagged
    for kind, kernel in (("pt", kernels.relative_pt), ("eta", kernels.relative_eta), ("phi", kernels.relative_phi)):
        # A strided table and a column in the middle of the output: nothing may assume contiguity.
        table = np.repeat(j[kind], 2)[::2]
        out = np.full((len(j["index"]), 3), -9.0, np.float32)
        kernel(table, j["index"], j["offsets"], j[f"jet_{kind}"], out, 1)
        expected = [
            twins.relative(kind, j[kind][j["index"][row]], float(j[f"jet_{kind}"][jet]))
            for jet in range(len(j["jet_pt"]))
            for row in range(j["offsets"][jet], j["offsets"][jet + 1])
        ]
        np.testing.assert_allclose(out[:, 1], np.array(expected), rtol=1e-6, atol=1e-6)
        assert (out[:, [0, 2]] == -9.0).all()


def test_gather_one_hot_and_significance(jagged: dict[str, np.ndarray]) -> None:
    table = np.array([211, -211, 22, 130, 1], np.int32)
    error = np.array([0.5, -1.0, 0.0, 2.0, 4.0], np.float32)
    index = np.array([4, 0, 0, 1, 2])
    out = np.zeros((5, 3), np.float32)
    kernels.gather(table, index, out, 0)
    kernels.is_equal(table, index, 211, out, 1)
    kernels.significance(np.array([1.0, 2, 3, 4, 5], np.float32), error, index, out, 2)
    np.testing.assert_array_equal(out[:, 0], table[index])
    np.testing.assert_array_equal(out[:, 1], [0, 1, 1, 0, 0])
    np.testing.assert_allclose(out[:, 2], [1.25, 2.0, 2.0, -1.0, -1.0])


def test_no_jets_and_no_constituents() -> None:
    empty = np.zeros(0, np.float32)
    none = np.zeros(0, np.int64)
    zero = np.zeros(1, np.int64)
    assert kernels.jet_shapes(empty, empty, empty, none, zero, none, zero, empty, empty).shape == (0, 3)
