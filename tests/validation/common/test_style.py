"""Figures: everything drawn can be told apart, legends list what is drawn, axes end where the data end."""

from __future__ import annotations

from typing import Any

import pytest

from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.style import (
    COLOURS,
    MARKERS,
    colour,
    filled_range,
    legend,
    marker,
    new_figure,
    points,
    style,
)


@pytest.fixture
def axes() -> Any:
    with style():
        yield new_figure(1, 1, (4.0, 4.0), (1.0, 0.2, 0.8, 0.4))[1]


def test_eight_models_differ_in_colour_and_in_marker() -> None:
    assert len({colour(k) for k in range(8)}) == len({marker(k) for k in range(8)}) == 8
    assert len({(colour(k), marker(k)) for k in range(len(COLOURS) * len(MARKERS))}) == len(COLOURS) * len(MARKERS)


def test_a_curve_without_a_value_is_not_in_the_legend(axes: Any) -> None:
    unknown, known = Measured(None, None, "too few"), Measured(1.0, 0.1)
    assert len(points(axes, [0.0, 1.0, 2.0], [unknown, unknown], 0, "nothing")) == 0
    assert points(axes, [0.0, 1.0, 2.0], [unknown, known], 1, "something").tolist() == [1.0]
    legend(axes)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["something"]


def test_a_legend_of_nothing_is_none(axes: Any) -> None:
    legend(axes)
    assert axes.get_legend() is None


def test_the_axis_ends_where_the_data_end() -> None:
    unknown, known = Measured(None, None), Measured(1.0, None)
    edges = [1.0, 2.0, 3.0, 4.0, 5.0]
    first, second = [unknown, known, unknown, unknown], [unknown, unknown, known, unknown]
    assert filled_range(edges, first, second) == (2.0, 4.0)
    assert filled_range(edges, [unknown] * 4) == (1.0, 5.0)
