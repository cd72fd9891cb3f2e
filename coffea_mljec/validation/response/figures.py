"""Plots of a summary. Nothing needs a display, and matplotlib's global settings are left as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec.validation.common.binning import INTERVALS, REGIONS, RESPONSE_EDGES, SIX_FLAVOURS, pt_slice
from coffea_mljec.validation.common.style import (
    COLOURS,
    LABEL,
    MARKERS,
    head,
    inside,
    new_figure,
    points,
    pt_axis,
    style,
    unity,
    y_range,
)
from coffea_mljec.validation.response.summary import Measured, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "LABEL", "MARKERS", "draw", "style"]

_REGION_TEXT = {"central": r"$|\eta_{\mathrm{gen}}| < 2.5$", "forward": r"$2.5 < |\eta_{\mathrm{gen}}| < 5$"}
_PT_LABEL = r"$p_{\mathrm{T}}^{\mathrm{gen}}$ (GeV)"
_RESPONSE_LABEL = r"$p_{\mathrm{T}} \,/\, p_{\mathrm{T}}^{\mathrm{gen}}$"
_SHOWN_EDGES = np.round(np.arange(0.2, 1.81, 0.02), 6)


def draw(
    summary: Summary,
    response: hist.Hist[Any],
    save: Callable[[str, Figure], Any],
    label: str = LABEL,
) -> None:
    """Draw all plots of a validation, one after another.

    Parameters
    ----------
    summary : Summary
        From `coffea_mljec.validation.response.summary.summarise`.
    response : hist.Hist
        The histogram behind it, added up over the datasets; only the distributions need it.
    save : callable of (name, figure)
        Called for ``median_<region>``, ``resolution_<region>``, ``flavours_<region>`` and ``response_<region>``. A
        figure must be saved in here, where the style is in force: matplotlib reads some of it only while it renders.
    label : str
        Written above each plot: whose jets these are.

    Raises
    ------
    MLJECError
        If matplotlib is not installed.
    """
    with style():
        for region in REGIONS:
            save(f"median_{region}", _median(summary, region, label))
            save(f"resolution_{region}", _resolution(summary, region, label))
            save(f"flavours_{region}", _flavours(summary, region, label))
            save(f"response_{region}", _distributions(summary, response, region, label))


def _median(summary: Summary, region: str, label: str) -> Figure:
    figure, axes = new_figure(1, 1, (7.5, 6.0), (1.0, 0.25, 0.85, 0.4))
    head(axes, label, _REGION_TEXT[region])
    unity(axes)
    drawn = [
        _points(axes, summary, index, summary.curve(provider, region, "all").median)
        for index, provider in enumerate(summary.providers)
    ]
    _pt_axis(axes, summary)
    axes.set_ylabel("Median response")
    y_range(axes, drawn, floor=0.02, include=1.0)
    _legend(axes)
    return figure


def _resolution(summary: Summary, region: str, label: str) -> Figure:
    figure, (axes, ratio) = new_figure(2, 1, (7.5, 7.5), (1.0, 0.25, 0.85, 0.4), sharex=True, height_ratios=(2.4, 1.0))
    figure.subplots_adjust(hspace=0.08)
    head(axes, label, _REGION_TEXT[region])
    curves = [summary.curve(provider, region, "all") for provider in summary.providers]
    drawn = [_points(axes, summary, index, curve.resolution) for index, curve in enumerate(curves)]
    axes.set_ylabel(r"$(Q_{75} - Q_{25}) \,/\, Q_{50}$")
    highest = max((float(np.max(values)) for values in drawn if len(values)), default=0.4)
    axes.set_ylim(0.0, 1.35 * highest)
    _legend(axes)
    unity(ratio)
    against = [
        _points(ratio, summary, index, curve.ratio)
        for index, curve in enumerate(curves)
        if curve.provider != summary.standard
    ]
    ratio.set_ylabel(f"Ratio to\n{summary.standard}", fontsize=14)
    y_range(ratio, against, floor=0.05, include=1.0, headroom=0.15)
    _pt_axis(ratio, summary)
    return figure


def _flavours(summary: Summary, region: str, label: str) -> Figure:
    count = len(summary.providers)
    figure, grid = new_figure(1, count, (5.6 * count + 1.0, 5.6), (1.0, 0.25, 0.85, 0.4), sharey=True, squeeze=False)
    figure.subplots_adjust(wspace=0.06)
    drawn = []
    for column, provider in enumerate(summary.providers):
        axes = grid[0, column]
        head(axes, label if column == 0 else "", _REGION_TEXT[region] if column == count - 1 else "")
        unity(axes)
        for index, flavour in enumerate(SIX_FLAVOURS):
            curve = summary.curve(provider, region, flavour)
            drawn.append(_points(axes, summary, index + 1, curve.median, name=flavour, line=True))
        inside(axes, provider)
        _pt_axis(axes, summary)
    grid[0, 0].set_ylabel("Median response")
    y_range(grid[0, 0], drawn, floor=0.02, include=1.0)
    _legend(grid[0, -1], columns=3)
    return figure


def _distributions(summary: Summary, response: hist.Hist[Any], region: str, label: str) -> Figure:
    shown = [name for name in INTERVALS if name != ">30"]
    figure, grid = new_figure(2, 3, (13.5, 8.4), (0.9, 0.2, 0.8, 0.4))
    figure.subplots_adjust(wspace=0.2, hspace=0.28)
    content = response.view(flow=True)[0]
    columns = [RESPONSE_EDGES.searchsorted(edge - 1e-9) for edge in _SHOWN_EDGES]
    for axes, interval in zip(grid.flat, [*shown, None], strict=True):
        if interval is None:
            axes.set_axis_off()
            axes.legend(*grid.flat[0].get_legend_handles_labels(), loc="center", fontsize=15)
            continue
        first = axes is grid.flat[0]
        head(axes, label if first else "", _REGION_TEXT[region] if axes is grid.flat[2] else "")
        inner = content[1:-1, pt_slice(*INTERVALS[interval]), REGIONS.index(region)].sum(axis=(1, 2))
        for index, provider in enumerate(summary.providers):
            counts = np.add.reduceat(inner[: columns[-1], index], columns[:-1])
            total = content[:, pt_slice(*INTERVALS[interval]), REGIONS.index(region), :, index].sum()
            density = counts / (np.diff(_SHOWN_EDGES) * total) if total > 0 else counts * 0.0
            axes.stairs(density, _SHOWN_EDGES, color=COLOURS[index % 7], linewidth=1.5, label=provider)
        jets = summary.cell(summary.standard, region, interval, "all").jets
        inside(axes, f"{interval.replace('-', ' to ').replace('>', '> ')} GeV\n{jets} jets")
        axes.axvline(1.0, color="0.6", linewidth=1.0, linestyle="--", zorder=0)
        axes.set_xlim(_SHOWN_EDGES[0], _SHOWN_EDGES[-1])
        axes.set_ylim(0.0, None if jets == 0 else 1.25 * axes.get_ylim()[1])
        axes.set_xlabel(_RESPONSE_LABEL)
    for axes in grid[:, 0]:
        axes.set_ylabel("Probability density")
    return figure


def _points(
    axes: Axes, summary: Summary, index: int, measured: list[Measured], name: str | None = None, line: bool = False
) -> npt.NDArray[np.float64]:
    """Draw a curve over the fine bins, whose axis is logarithmic."""
    axes.set_xscale("log")
    name = summary.providers[index] if name is None else name
    return points(axes, summary.fine_edges, measured, index, name, widths=not line, line=line)


def _pt_axis(axes: Axes, summary: Summary) -> None:
    pt_axis(axes, summary.fine_edges, _PT_LABEL)


def _legend(axes: Axes, columns: int = 1) -> None:
    axes.legend(loc="upper right", ncols=columns, columnspacing=1.0, handletextpad=0.4)
