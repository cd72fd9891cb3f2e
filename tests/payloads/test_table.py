"""Bins: the kernel against a loop over all bins, and tables against jets taken one by one."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.payloads.formula import parse
from coffea_mljec.payloads.table import Axis, FormulaTable, find_bins

LOW = np.array([-2.0, 0.0, 1.0, 0.0, 5.0])
HIGH = np.array([0.0, 1.0, 3.0, 4.0, 9.0])
OFFSETS = np.array([0, 3, 3, 5])  # three bins, none, two with a gap


def slow_bin(value: float, group: int) -> int:
    """The plain twin: look at every bin."""
    if group < 0:
        return -1
    hits = [b for b in range(OFFSETS[group], OFFSETS[group + 1]) if LOW[b] <= value < HIGH[b]]
    return hits[0] if hits else -1


def test_find_bins_equals_its_plain_twin() -> None:
    values = np.array([-9, -2, -0.0, 0, 0.5, 1, 2.999, 3, 4, 4.5, 5, 9, np.inf, -np.inf, np.nan])
    for group in (-1, 0, 1, 2):
        groups = np.full(values.size, group)
        got = find_bins(values, groups, LOW, HIGH, OFFSETS)
        assert got.tolist() == [slow_bin(v, group) for v in values]


def test_find_bins_takes_non_contiguous_and_empty_columns() -> None:
    values = np.linspace(-3, 10, 40)[::3]
    groups = np.arange(40)[::3] % 3
    got = find_bins(values, groups, LOW, HIGH, OFFSETS)
    assert got.tolist() == [slow_bin(v, g) for v, g in zip(values, groups, strict=True)]
    assert find_bins(np.empty(0), np.empty(0, dtype=np.int64), LOW, HIGH, OFFSETS).size == 0


@pytest.fixture
def table() -> FormulaTable:
    """Two bins in eta, in each other bins in pT; x clamped to the row's range."""
    return FormulaTable(
        level="L2Relative",
        axes=(
            Axis("eta", np.array([-5.0, 0.0]), np.array([0.0, 5.0]), np.array([0, 2])),
            Axis("pt_raw", np.array([10.0, 10.0, 50.0]), np.array([100.0, 50.0, 100.0]), np.array([0, 1, 3])),
        ),
        formula=parse("[0]+x/1000"),
        variables=("pt_raw",),
        parameters=np.array([[1.0, 2.0, 3.0]]),
        ranges=np.array([[[20.0, 20.0, 20.0], [80.0, 80.0, 60.0]]]),
    )


def test_table_equals_jets_taken_one_by_one(table: FormulaTable) -> None:
    eta = np.array([-1, 1, 1, 1, -1, -1, 1, -6, 6, np.nan], dtype=float)
    pt = np.array([30, 30, 50, 99, 10, 9, 100, 30, 30, 30], dtype=float)
    factor, covered = table.evaluate({"eta": eta, "pt_raw": pt})
    # outside the bins in pT the level is 1; outside in eta it is not covered either
    np.testing.assert_allclose(factor, [1.03, 2.03, 3.05, 3.06, 1.02, 1, 1, 1, 1, 1], rtol=1e-15)
    assert covered.tolist() == [True] * 7 + [False] * 3
    assert table.inputs == ("eta", "pt_raw")
