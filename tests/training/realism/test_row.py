"""Verdicts."""

from __future__ import annotations

import math

import pytest

from training.realism.row import FEW, MISS, PASS, SHOWN, Row


@pytest.mark.parametrize(
    ("measured", "error", "verdict", "marginal"),
    [
        (1.10, 0.01, PASS, False), (1.14, 0.01, PASS, True), (0.86, 0.01, PASS, True), (1.16, 0.01, MISS, True),
        (1.30, 0.01, MISS, False), (0.70, 0.01, MISS, False), (1.00, 0.06, FEW, False), (math.nan, 0.01, FEW, False),
        (1.0, math.nan, FEW, False), (1.3, None, MISS, False),
    ],
)  # fmt: skip
def test_a_limit_on_both_sides(measured: float, error: float | None, verdict: str, marginal: bool) -> None:
    row = Row.within("a", "b", measured, error, 1.0, 0.15)
    assert (row.verdict, row.marginal) == (verdict, marginal)


def test_deviation_and_limit_are_relative_or_absolute() -> None:
    relative = Row.within("a", "b", 0.22, None, 0.2, 0.15, relative=True)
    assert relative.deviation == pytest.approx(0.1)
    assert (relative.low, relative.high) == (pytest.approx(0.17), pytest.approx(0.23))
    absolute = Row.within("a", "b", 0.22, None, 0.2, 0.15)
    assert absolute.deviation == pytest.approx(0.02)
    assert (absolute.low, absolute.high) == (pytest.approx(0.05), pytest.approx(0.35))


def test_one_sided_limits_and_none() -> None:
    assert Row("a", "b", 4999, low=5000).verdict == MISS
    assert Row("a", "b", 5000, low=5000).verdict == PASS
    assert Row("a", "b", 0.2, high=0.1).verdict == MISS
    assert Row("a", "b", 0.2).verdict == SHOWN
    assert Row("a", "b", 0.2).deviation is None
