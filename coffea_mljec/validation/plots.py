"""Plots of a summary. Nothing needs a display, and matplotlib's global settings are left as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import MLJECError
from coffea_mljec.validation.binning import INTERVALS, REGIONS, RESPONSE_EDGES, SIX_FLAVOURS, pt_slice
from coffea_mljec.validation.summary import Measured, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "LABEL", "MARKERS", "draw", "style"]

LABEL = "coffea-mljec simulation"

# Okabe and Ito's palette, told apart by colour-blind readers too; the markers say the same again.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
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
        From `coffea_mljec.validation.summary.summarise`.
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


# Ticks inward on all sides, minor ones shown, a heavy frame: how plots look in the field. Fonts that are always there.
_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 15,
    "axes.labelsize": 17,
    "axes.linewidth": 1.8,
    "xtick.labelsize": 14,
    "ytick.labelsize": 14,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 9,
    "ytick.major.size": 9,
    "xtick.minor.size": 4.5,
    "ytick.minor.size": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 13,
    "savefig.dpi": 110,
    "pdf.fonttype": 42,
}


@contextmanager
def style() -> Iterator[None]:
    """Put this project's plotting style in force; figures must be made and saved inside."""
    try:
        import matplotlib
    except ImportError:
        raise MLJECError("plots need matplotlib, which is not installed; pip install 'coffea-mljec[plot]'.") from None
    with matplotlib.rc_context(_SETTINGS):
        yield


def _figure(
    rows: int, columns: int, size: tuple[float, float], margins: tuple[float, float, float, float], **options: Any
) -> tuple[Figure, Any]:
    """A figure and its axes; `margins` (left, right, bottom, top) in inches: an automatic layout doubles the time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    left, right, bottom, top = margins
    figure.subplots_adjust(left / size[0], bottom / size[1], 1.0 - right / size[0], 1.0 - top / size[1])
    return figure, figure.subplots(rows, columns, **options)


def _median(summary: Summary, region: str, label: str) -> Figure:
    figure, axes = _figure(1, 1, (7.5, 6.0), (1.0, 0.25, 0.85, 0.4))
    _head(axes, label, region)
    axes.axhline(1.0, color="0.6", linewidth=1.0, linestyle="--", zorder=0)
    drawn = [
        _points(axes, summary, index, summary.curve(provider, region, "all").median)
        for index, provider in enumerate(summary.providers)
    ]
    _pt_axis(axes, summary)
    axes.set_ylabel("Median response")
    _y_range(axes, drawn, floor=0.02, include=1.0)
    _legend(axes)
    return figure


def _resolution(summary: Summary, region: str, label: str) -> Figure:
    figure, (axes, ratio) = _figure(2, 1, (7.5, 7.5), (1.0, 0.25, 0.85, 0.4), sharex=True, height_ratios=(2.4, 1.0))
    figure.subplots_adjust(hspace=0.08)
    _head(axes, label, region)
    curves = [summary.curve(provider, region, "all") for provider in summary.providers]
    drawn = [_points(axes, summary, index, curve.resolution) for index, curve in enumerate(curves)]
    axes.set_ylabel(r"$(Q_{75} - Q_{25}) \,/\, Q_{50}$")
    highest = max((float(np.max(values)) for values in drawn if len(values)), default=0.4)
    axes.set_ylim(0.0, 1.35 * highest)
    _legend(axes)
    ratio.axhline(1.0, color="0.6", linewidth=1.0, linestyle="--", zorder=0)
    against = [
        _points(ratio, summary, index, curve.ratio)
        for index, curve in enumerate(curves)
        if curve.provider != summary.standard
    ]
    ratio.set_ylabel(f"Ratio to\n{summary.standard}", fontsize=14)
    _y_range(ratio, against, floor=0.05, include=1.0, headroom=0.15)
    _pt_axis(ratio, summary)
    return figure


def _flavours(summary: Summary, region: str, label: str) -> Figure:
    count = len(summary.providers)
    figure, grid = _figure(1, count, (5.6 * count + 1.0, 5.6), (1.0, 0.25, 0.85, 0.4), sharey=True, squeeze=False)
    figure.subplots_adjust(wspace=0.06)
    drawn = []
    for column, provider in enumerate(summary.providers):
        axes = grid[0, column]
        _head(axes, label if column == 0 else "", region if column == count - 1 else "")
        axes.axhline(1.0, color="0.6", linewidth=1.0, linestyle="--", zorder=0)
        for index, flavour in enumerate(SIX_FLAVOURS):
            curve = summary.curve(provider, region, flavour)
            drawn.append(_points(axes, summary, index + 1, curve.median, name=flavour, line=True))
        _inside(axes, provider)
        _pt_axis(axes, summary)
    grid[0, 0].set_ylabel("Median response")
    _y_range(grid[0, 0], drawn, floor=0.02, include=1.0)
    _legend(grid[0, -1], columns=3)
    return figure


def _distributions(summary: Summary, response: hist.Hist[Any], region: str, label: str) -> Figure:
    shown = [name for name in INTERVALS if name != ">30"]
    figure, grid = _figure(2, 3, (13.5, 8.4), (0.9, 0.2, 0.8, 0.4))
    figure.subplots_adjust(wspace=0.2, hspace=0.28)
    content = response.view(flow=True)[0]
    columns = [RESPONSE_EDGES.searchsorted(edge - 1e-9) for edge in _SHOWN_EDGES]
    for axes, interval in zip(grid.flat, [*shown, None], strict=True):
        if interval is None:
            axes.set_axis_off()
            axes.legend(*grid.flat[0].get_legend_handles_labels(), loc="center", fontsize=15)
            continue
        first = axes is grid.flat[0]
        _head(axes, label if first else "", region if axes is grid.flat[2] else "")
        inner = content[1:-1, pt_slice(*INTERVALS[interval]), REGIONS.index(region)].sum(axis=(1, 2))
        for index, provider in enumerate(summary.providers):
            counts = np.add.reduceat(inner[: columns[-1], index], columns[:-1])
            total = content[:, pt_slice(*INTERVALS[interval]), REGIONS.index(region), :, index].sum()
            density = counts / (np.diff(_SHOWN_EDGES) * total) if total > 0 else counts * 0.0
            axes.stairs(density, _SHOWN_EDGES, color=COLOURS[index % 7], linewidth=1.5, label=provider)
        jets = summary.cell(summary.standard, region, interval, "all").jets
        _inside(axes, f"{interval.replace('-', ' to ').replace('>', '> ')} GeV\n{jets} jets")
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
    """Draw a curve with error bars in the fine bins that have a value; return these values."""
    edges = np.asarray(summary.fine_edges)
    centres = np.sqrt(edges[:-1] * edges[1:])
    values = np.array([np.nan if m.value is None else m.value for m in measured])
    errors = np.array([0.0 if m.error is None else m.error for m in measured])
    known = np.isfinite(values)
    axes.errorbar(
        centres[known],
        values[known],
        yerr=errors[known],
        xerr=None if line else (centres[known] - edges[:-1][known], edges[1:][known] - centres[known]),
        fmt=MARKERS[index % 7] + ("-" if line else ""),
        color=COLOURS[index % 7],
        markersize=5.5,
        elinewidth=1.2,
        linewidth=1.0,
        label=summary.providers[index] if name is None else name,
    )
    return values[known]


def _pt_axis(axes: Axes, summary: Summary) -> None:
    axes.set_xscale("log")
    axes.set_xlim(summary.fine_edges[0], summary.fine_edges[-1])
    ticks = [20, 50, 100, 200, 500, 1000, 2000]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlabel(_PT_LABEL)


def _y_range(
    axes: Axes, drawn: list[npt.NDArray[np.float64]], floor: float, include: float, headroom: float = 0.4
) -> None:
    """Limits around the values, not around the longest error bar, with room for a legend above."""
    values = np.concatenate([*drawn, [include - floor, include + floor]])
    low, high = float(values.min()), float(values.max())
    axes.set_ylim(low - 0.15 * (high - low), high + headroom * (high - low))


def _head(axes: Axes, label: str, region: str) -> None:
    axes.text(0.0, 1.015, label, transform=axes.transAxes, fontsize=14, fontweight="bold", va="bottom")
    if region:
        text = _REGION_TEXT[region]
        axes.text(1.0, 1.015, text, transform=axes.transAxes, fontsize=14, ha="right", va="bottom")


def _inside(axes: Axes, text: str) -> None:
    axes.text(0.05, 0.95, text, transform=axes.transAxes, fontsize=14, va="top")


def _legend(axes: Axes, columns: int = 1) -> None:
    axes.legend(loc="upper right", ncols=columns, columnspacing=1.0, handletextpad=0.4)
