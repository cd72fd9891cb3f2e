"""Figures of dijets, balances and trends: what is drawn is what the summary says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.report import write_report
from coffea_mljec.validation.balance.figures import draw_balance
from coffea_mljec.validation.balance.sections import balance_table
from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.style import style
from coffea_mljec.validation.dijet.figures import draw_dijets
from coffea_mljec.validation.dijet.sections import dijet_table
from coffea_mljec.validation.response.summary import summarise
from coffea_mljec.validation.response.trend import Trend
from coffea_mljec.validation.response.trend_figures import draw_trends
from tests.report.conftest import balance, dijets


def drawn(draw: Any, summary: Any) -> dict[str, Any]:
    with style():
        return {drawing.name: drawing.figure for drawing in draw(summary, summary.caption())}


def heights(axes: Any, number: int) -> list[float]:
    """The values of one set of points."""
    return [float(y) for y in axes.containers[number].lines[0].get_ydata()]


def test_dijet_figures_show_the_resolutions() -> None:
    summary = dijets()
    figures = drawn(draw_dijets, summary)
    assert set(figures) == {"dijet_same_0", "dijet_same_1", "dijet_reference_0", "dijet_asymmetry", "dijet_third_jet"}
    axes, ratio = figures["dijet_same_0"].axes
    mine = [c for c in summary.cells if (c.provider, c.pair, c.eta) == ("standard", "same", [0.0, 1.3])]
    assert heights(axes, 0) == [c.jer_extrapolated.value for c in mine]
    assert heights(axes, 1) == [c.truth.value for c in mine]
    assert heights(ratio, 0) == [c.ratio.value for c in mine]
    assert ratio.get_ylabel() == "In situ /\ntruth"
    assert len([a for a in figures["dijet_asymmetry"].axes if a.get_visible() and a.patches]) == 6


def test_the_asymmetry_keeps_its_area_when_bins_are_joined() -> None:
    axes = drawn(draw_dijets, dijets())["dijet_asymmetry"].axes[0]
    for patch in axes.patches:
        values, edges, _ = patch.get_data()
        assert np.sum(values * np.diff(edges)) == pytest.approx(1.0)


def test_dijets_of_data_compare_providers_instead_of_truth() -> None:
    _, ratio = drawn(draw_dijets, dijets(data=True))["dijet_same_0"].axes
    assert ratio.get_ylabel() == "Ratio to\nstandard"
    assert heights(ratio, 0) == pytest.approx([0.9, 0.9])
    rows = dijet_table(dijets(data=True)).rows
    assert rows[0][:4] == ("0-1.3", "50-100", "standard", "1234")
    assert rows[1][:3] == ("", "", "model")
    assert "no generator" in rows[0]


def test_balance_figure_and_table() -> None:
    summary = balance()
    figures = drawn(draw_balance, summary)
    assert list(figures) == ["balance_0"]
    axes, ratio = figures["balance_0"].axes
    assert heights(axes, 0) == [0.9, 0.9]
    assert heights(axes, 1) == [0.97, 0.97]
    assert heights(ratio, 0) == [0.99, 0.99]
    assert balance_table(summary).rows[0] == (
        "0-1.3", "30-60", "standard", "777", "0.900±0.010", "0.970±0.010", "0.910±0.010", "0.990±0.010",
        "0.990±0.010", "1.000±0.020",
    )  # fmt: skip


def test_trends_draw_what_the_summary_holds(toy: Any) -> None:
    edges = [0.0, 10.0, 20.0, 30.0]
    trends = [
        Trend(provider, "rho", "central", interval, edges, [90, 80, 70],
              [Measured(1.0 + k / 100, 0.01) for k in range(3)],
              [Measured(0.2 * scale, 0.01) for _ in range(3)],
              [Measured(scale, 0.01) for _ in range(3)])
        for provider, scale in (("standard", 1.0), ("model", 0.8))
        for interval in ("30-50", "50-100", "100-300")
    ]  # fmt: skip
    summary = replace(summarise(toy.accumulated), trends=trends)
    figures = drawn(draw_trends, summary)
    assert list(figures) == ["rho_central"]
    median, _, resolution, _, ratio, _ = figures["rho_central"].axes
    assert heights(median, 0) == [1.0, 1.01, 1.02]
    assert heights(resolution, 1) == pytest.approx([0.16] * 3)
    assert [len(axes.containers) for axes in (median, resolution, ratio)] == [2, 2, 1]


def test_a_report_of_dijets_alone(tmp_path: Path) -> None:
    report = write_report({"dijets": dijets(data=True)}, tmp_path, formats=())
    assert report.summary is None
    assert report.table is None
    numbers = json.loads(report.numbers.read_text())
    assert numbers["dijets"]["estimator"] == "quantiles"
    assert "Resolution from dijets" in report.page.read_text()


def test_nothing_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to report: no response, no widths, no mass, no dijets, no balance"):
        write_report({}, tmp_path / "none")
    assert not (tmp_path / "none").exists()
