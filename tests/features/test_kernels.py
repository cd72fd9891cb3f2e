"""Kernels against their plain twins, on the cases that go wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from coffea_mljec.features import kernels
from coffea_mljec.numerics.geometry import delta_phi, delta_phis
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
    assert delta_phis(np.array([first]), np.array([second])).tolist() == [delta_phi(first, second)]


def shapes(charged: tuple[np.ndarray, np.ndarray], neutral: tuple[np.ndarray, np.ndarray], jets: np.ndarray) -> Any:
    moments = np.zeros((jets.shape[1], kernels.MOMENTS))
    for values, offsets in (charged, neutral):
        kernels.add_moments(values, offsets, jets, moments)
    return kernels.jet_shapes(moments)


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
    jets = np.array([j[f"jet_{kind}"] for kind in ("pt", "eta", "phi")])
    table = np.array([j[kind] for kind in ("pt", "eta", "phi")])
    got = shapes((table[:, charged], charged_offsets), (table[:, neutral], neutral_offsets), jets)
    for jet in range(len(counts)):
        rows = j["index"][j["offsets"][jet] : j["offsets"][jet + 1]]
        expected = twins.shapes(j["pt"][rows], j["eta"][rows], j["phi"][rows], j["jet_eta"][jet], j["jet_phi"][jet])
        assert got[jet] == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert (got[counts == 0] == 0).all()
    assert got[counts == 1][0, 1:] == pytest.approx([1.0, 0.0], abs=1e-6)


def filled(values: np.ndarray, offsets: np.ndarray, jets: np.ndarray, width: int, **plan: list[Any]) -> np.ndarray:
    """`fill_rows` with the parts of a plan that are given; flags as {quantity: {value: column}}."""
    table = np.full((len(plan.get("flags", {})), 1 + 2 * kernels.FLAGGED), -1)
    for row, (quantity, columns) in zip(table, dict(plan.get("flags", {})).items(), strict=True):
        row[0] = quantity
        for value, column in columns.items():
            row[1 + kernels.FLAGGED + value] = column
    columns = [(kernels.PLAIN, *one, 0) for one in plan.get("plain", [])]
    columns += [(kernels.RATIO, *one) for one in plan.get("ratio", [])]
    columns += [(kind, *one, 0) for kind, one in enumerate(plan.get("relative", [])) if one]
    made = np.array(columns, np.int64).reshape(-1, 4)
    out = np.full((values.shape[1], width), np.nan, np.float32)  # nothing may be left of what was there
    kernels.fill_rows(values, offsets, jets, made, table, out)
    return out


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1.5])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_gathering_says_what_cannot_be(value: float, kind: str) -> None:
    table, out = np.array([0.0, 2.0, value, 1.0], kind), np.empty(3, np.float32)
    assert kernels.gather(table, np.array([0, 1, 3]), 0.0, 2.0, out)
    assert not kernels.gather(table, np.array([3, 2, 0]), 0.0, 2.0, out)
    np.testing.assert_array_equal(out, table[[3, 2, 0]].astype(np.float32))


def test_relative_features_equal_the_twin(jagged: dict[str, np.ndarray]) -> None:
    j = jagged
    kinds = ("pt", "eta", "phi")
    # A strided table: nothing may assume contiguity.
    values = np.empty((3, len(j["index"])), np.float32)
    for kind, row in zip(kinds, values, strict=True):
        assert kernels.gather(np.repeat(j[kind], 2)[::2], j["index"], -1e5, 1e5, row)
        np.testing.assert_array_equal(row, j[kind][j["index"]])
    jets = np.array([j[f"jet_{kind}"] for kind in kinds])
    out = filled(values, j["offsets"], jets, 5, relative=[(3, 0), (0, 1), (2, 2)])
    for kind, column in zip(kinds, (3, 0, 2), strict=True):
        expected = [
            twins.relative(kind, j[kind][j["index"][row]], float(j[f"jet_{kind}"][jet]))
            for jet in range(len(j["jet_pt"]))
            for row in range(j["offsets"][jet], j["offsets"][jet + 1])
        ]
        np.testing.assert_allclose(out[:, column], np.array(expected), rtol=1e-6, atol=1e-6)
    assert (out[:, [1, 4]] == 0).all()
    alone = filled(values, j["offsets"], jets, 1, relative=[(), (), (0, 2)])
    np.testing.assert_array_equal(alone[:, 0], out[:, 2])


def test_plain_one_hot_and_ratio() -> None:
    numbers = [211.0, -211.0, 22.0, 22.5, -256.0, 1e9, -1e9, np.nan]
    values = np.array([numbers, [1.0, 2, 3, 4, 5, 6, 7, 8], [0.5, -1.0, 0.0, 2.0, 4.0, np.nan, np.inf, 8]], np.float32)
    out = filled(
        values, np.array([0, 3, 3, 8]), np.ones((3, 3), np.float32), 6,
        plain=[(4, 1)], flags={0: {211: 0, -211: 1, -256: 5}, 1: {3: 2}}, ratio=[(3, 1, 2)],
    )  # fmt: skip
    np.testing.assert_array_equal(out[:, 4], values[1])
    for column, (quantity, value) in {0: (0, 211), 1: (0, -211), 2: (1, 3), 5: (0, -256)}.items():
        np.testing.assert_array_equal(out[:, column], values[quantity] == value)
    np.testing.assert_array_equal(out[:, 3], [2.0, -1.0, -1.0, 2.0, 1.25, -1.0, 0.0, 1.0])


def test_blocks_of_rows_do_not_show() -> None:
    """Jets of more rows than a block, and many small ones beyond its end."""
    counts = np.array([0, 700, 1, 0, *range(1, 60), 300, 0])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rng = np.random.default_rng(5)
    values = rng.normal(size=(3, offsets[-1])).astype(np.float32)
    jets = rng.uniform(1, 3, (3, len(counts))).astype(np.float32)
    plan: dict[str, Any] = {"plain": [(0, 1)], "ratio": [(1, 0, 2)], "relative": [(2, 0), (3, 1), (4, 2)]}
    whole = filled(values, offsets, jets, 5, **plan)
    for jet in range(len(counts)):
        rows = slice(offsets[jet], offsets[jet + 1])
        alone = filled(values[:, rows], np.array([0, counts[jet]]), jets[:, jet : jet + 1], 5, **plan)
        np.testing.assert_array_equal(alone, whole[rows])


def test_no_jets_and_no_constituents() -> None:
    zero = np.zeros(1, np.int64)
    none = (np.zeros((3, 0), np.float32), zero)
    assert shapes(none, none, np.zeros((3, 0), np.float32)).shape == (0, 3)
    assert (
        filled(none[0], zero, np.zeros((3, 0), np.float32), 4, plain=[(0, 0)], relative=[(1, 0), (2, 1), (3, 2)]).size
        == 0
    )
    two = (none[0], np.zeros(3, np.int64))
    assert (shapes(two, two, np.ones((3, 2), np.float32)) == 0).all()
