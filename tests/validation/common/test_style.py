"""Figures: everything drawn can be told apart, legends list what is drawn, axes end where the data end."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.points import filled_range, from_zero, points, y_range
from coffea_mljec.validation.common.style import COLOURS, MARKERS, colour, legend, marker, new_figure, style


@pytest.fixture
def axes() -> Any:
    with style():
        yield new_figure(1, 1, (4.0, 4.0), (1.0, 0.2, 0.8, 0.4))[1]


def test_eight_models_differ_in_colour_and_in_marker() -> None:
    assert len({colour(k) for k in range(8)}) == len({marker(k) for k in range(8)}) == 8
    assert len({(colour(k), marker(k)) for k in range(len(COLOURS) * len(MARKERS))}) == len(COLOURS) * len(MARKERS)


# What a reader with deuteranopia or protanopia sees of linear sRGB (Machado, Oliveira, Fernandes 2009).
_DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
_PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)


def lab(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """CIELAB coordinates of linear sRGB, [..., 3]."""
    to_xyz = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
    x, y, z = np.moveaxis(np.cbrt(rgb @ to_xyz.T / [0.9505, 1.0, 1.0888]), -1, 0)
    return np.stack((116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)), axis=-1)


@pytest.mark.parametrize(
    ("sight", "apart"), [(np.eye(3), 40.0), (_DEUTERANOPIA, 20.0), (_PROTANOPIA, 20.0)], ids=["usual", "deuter", "prot"]
)
def test_no_two_of_eight_colours_look_alike(sight: npt.NDArray[np.float64], apart: float) -> None:
    codes = np.array([[int(colour(k)[at : at + 2], 16) / 255.0 for at in (1, 3, 5)] for k in range(8)])
    seen = lab(np.clip(((codes + 0.055) / 1.055) ** 2.4 @ sight.T, 0.0, 1.0))
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > apart


def test_the_points_of_a_bin_stand_side_by_side_within_it(axes: Any) -> None:
    axes.set_xscale("log")
    edges, value = [10.0, 13.0, 100.0], [Measured(1.0, 0.1)] * 2
    for index in range(8):
        points(axes, edges, value, index, str(index), beside=8)
    places = np.array([container.lines[0].get_xdata() for container in axes.containers])
    assert (np.diff(places, axis=0) > 0).all()
    assert ((places > edges[:-1]) & (places < edges[1:])).all()
    points(axes, edges, value, 0, "alone")
    assert axes.containers[-1].lines[0].get_xdata() == pytest.approx(np.sqrt([130.0, 1300.0]))


def test_limits_hold_the_error_bars_but_not_the_longest_at_any_price(axes: Any) -> None:
    drawn = [np.array([[1.0, 0.1], [1.1, 0.1], [0.9, 5.0]])]
    y_range(axes, drawn, floor=0.02, include=1.0, headroom=0.5)
    low, high = axes.get_ylim()
    assert 0.5 < low < 0.7
    assert 1.2 < high < 2.0
    y_range(axes, [], floor=0.02, include=1.0, headroom=0.5)
    assert axes.get_ylim()[0] < 0.98 < 1.02 < axes.get_ylim()[1]
    from_zero(axes, drawn, 1.5)
    assert axes.get_ylim() == pytest.approx((0.0, 1.8))


def test_a_curve_without_a_value_is_not_in_the_legend(axes: Any) -> None:
    unknown, known = Measured(None, None, "too few"), Measured(1.0, 0.1)
    assert len(points(axes, [0.0, 1.0, 2.0], [unknown, unknown], 0, "nothing")) == 0
    assert points(axes, [0.0, 1.0, 2.0], [unknown, known], 1, "something").tolist() == [[1.0, 0.1]]
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
