"""Figures of the response against pT, by flavour, and its distributions; nothing needs a display."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from coffea_mljec.validation.common.binning import REGIONS, SIX_FLAVOURS
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.points import filled_range, from_zero, points, y_range
from coffea_mljec.validation.common.section import Drawing
from coffea_mljec.validation.common.style import (
    REGION_TEXT,
    colour,
    head,
    heads,
    inside,
    legend,
    line,
    new_figure,
    pt_axis,
    shared_legend,
    too_few,
    unity,
    with_ratio,
)
from coffea_mljec.validation.response.curves import MIN_JETS_CURVE, Curve
from coffea_mljec.validation.response.distributions import Distribution
from coffea_mljec.validation.response.summary import Summary
from coffea_mljec.validation.response.trend_figures import draw_trends

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw"]

_IN_WORDS = {
    "central": "|eta| of the generator jet below 2.5",
    "forward": "|eta| of the generator jet from 2.5 to 5",
}
_PT_LABEL = r"$p_{\mathrm{T}}^{\mathrm{gen}}$ (GeV)"
_RESPONSE_LABEL = r"$p_{\mathrm{T}} \,/\, p_{\mathrm{T}}^{\mathrm{gen}}$"
_COLUMNS = 3
_WIDTH = 0.02


def draw(summary: Summary, caption: Caption) -> Iterator[Drawing]:
    """Draw ``median_<region>``, ``resolution_<region>``, ``flavours_<region>``, ``response_<region>`` and the trends.

    Figures without a single point are left out.

    Parameters
    ----------
    summary : Summary
        From `coffea_mljec.validation.response.summary.summarise`.
    caption : Caption
        Above each figure.

    Yields
    ------
    Drawing
        To be saved while `coffea_mljec.validation.common.style.style` is in force.
    """
    for region in REGIONS:
        where = _IN_WORDS[region]
        curves = [summary.drawn(provider, region, "all") for provider in summary.providers]
        if any(_known(curve) for curve in curves):
            words = f"Median response against generator pT, all flavours; {where}."
            yield Drawing(f"median_{region}", "pt", words, _median(curves, region, caption))
            words = f"Resolution against generator pT and its ratio to the standard's, all flavours; {where}."
            yield Drawing(f"resolution_{region}", "pt", words, _resolution(summary, curves, region, caption))
        by_flavour = {
            provider: [summary.drawn(provider, region, flavour) for flavour in SIX_FLAVOURS]
            for provider in summary.providers
        }
        if any(_known(curve) for part in by_flavour.values() for curve in part):
            words = f"Median response by flavour, one panel a correction; {where}."
            figure = _flavours(by_flavour, region, caption)
            yield Drawing(f"flavours_{region}", "flavours", words, figure, wide=True)
        shown = [d for d in summary.distributions if d.region == region and d.jets >= MIN_JETS_CURVE]
        if shown:
            words = f"Distribution of the response in intervals of generator pT; {where}."
            figure = _distributions(summary, shown, region, caption)
            yield Drawing(f"response_{region}", "distributions", words, figure, wide=True)
    yield from draw_trends(summary, caption)


def _known(curve: Curve) -> bool:
    return any(number.value is not None for number in curve.median)


def _median(curves: Sequence[Curve], region: str, caption: Caption) -> Figure:
    figure, axes = new_figure(1, 1, (7.5, 6.0), (1.0, 0.25, 0.85, 0.45))
    head(axes, caption.whose, caption.right)
    axes.set_xscale("log")
    unity(axes)
    beside = len(curves)
    drawn = [points(axes, c.edges, c.median, index, c.provider, beside=beside) for index, c in enumerate(curves)]
    pt_axis(axes, _limits(curves), _PT_LABEL)
    axes.set_ylabel("Median response")
    y_range(axes, drawn, floor=0.02, include=1.0, headroom=0.4)
    inside(axes, REGION_TEXT[region])
    legend(axes)
    return figure


def _resolution(summary: Summary, curves: Sequence[Curve], region: str, caption: Caption) -> Figure:
    figure, axes, ratio = with_ratio(caption.whose, caption.right, (1.6, 1.0))
    beside = len(curves)
    drawn = [points(axes, c.edges, c.resolution, index, c.provider, beside=beside) for index, c in enumerate(curves)]
    axes.set_ylabel(r"$(Q_{75} - Q_{25}) \,/\, Q_{50}$")
    from_zero(axes, drawn, 1.4)
    inside(axes, REGION_TEXT[region])
    legend(axes)
    against = [
        points(ratio, c.edges, c.ratio, index, None, beside=beside)
        for index, c in enumerate(curves)
        if c.provider != summary.standard
    ]
    ratio.set_ylabel(f"Ratio to\n{summary.standard}", fontsize=14)
    y_range(ratio, against, floor=0.05, include=1.0, headroom=0.15)
    pt_axis(ratio, _limits(curves), _PT_LABEL)
    return figure


def _flavours(curves: dict[str, list[Curve]], region: str, caption: Caption) -> Figure:
    columns = min(len(curves), _COLUMNS)
    rows = -(-len(curves) // columns)
    size = (5.6 * columns + 1.25, 4.7 * rows + 1.3)
    figure, grid = new_figure(
        rows, columns, size, (1.0, 0.25, 0.85, 0.45), sharey=True, sharex=True, squeeze=False, wspace=0.06, hspace=0.08
    )
    limits = _limits([curve for part in curves.values() for curve in part])
    drawn = []
    for axes, (provider, part) in zip(grid.flat, curves.items(), strict=False):
        axes.set_xscale("log")
        unity(axes)
        for number, curve in enumerate(part, start=1):
            # Gluons, the most of all, are black.
            index, name = number % len(part), curve.flavour
            drawn.append(
                points(axes, curve.edges, curve.median, index, name, beside=len(part), widths=False, joined=True)
            )
        inside(axes, f"{provider}\n{REGION_TEXT[region]}")
        if not any(_known(curve) for curve in part):
            too_few(axes)
    for number, axes in enumerate(grid.flat):
        pt_axis(axes, limits, _PT_LABEL)
        if number + columns < len(curves):
            axes.tick_params(axis="x", labelbottom=False)
            axes.set_xlabel("")
        else:
            axes.tick_params(axis="x", labelbottom=True)
    for axes in grid.flat[len(curves) :]:
        axes.set_axis_off()
    y_range(grid[0, 0], drawn, floor=0.02, include=1.0, headroom=0.35)
    for row in grid[:, 0]:
        row.set_ylabel("Median response")
    heads(grid[0], caption)
    legend(grid[0, columns - 1], ncols=3, fontsize=14)
    return figure


def _distributions(summary: Summary, shown: Sequence[Distribution], region: str, caption: Caption) -> Figure:
    intervals = list(dict.fromkeys(d.interval for d in shown))
    columns = min(len(intervals), _COLUMNS)
    rows = -(-len(intervals) // columns)
    figure, grid = new_figure(
        rows, columns, (4.3 * columns + 1.1, 3.9 * rows + 0.9), (0.95, 0.2, 0.8, 0.45), squeeze=False,
        wspace=0.2, hspace=0.3,
    )  # fmt: skip
    for axes, interval in zip(grid.flat, intervals, strict=False):
        mine = [d for d in shown if d.interval == interval]
        step = _step(mine)
        for distribution in mine:
            index = summary.providers.index(distribution.provider)
            edges = distribution.edges[::step]
            density = np.asarray(distribution.density).reshape(-1, step).mean(axis=1)
            axes.stairs(
                density, edges, color=colour(index), linestyle=line(index), linewidth=1.5, label=distribution.provider
            )
        words = interval.replace("-", " to ").replace(">", "> ")
        where = f"\n{REGION_TEXT[region]}" if axes is grid.flat[0] else ""
        inside(axes, f"{words} GeV\n{mine[0].jets:,} jets{where}")
        axes.axvline(1.0, color="0.6", linewidth=1.0, linestyle="--", zorder=0)
        axes.set_xlim(0.2, 1.8)
        axes.set_ylim(0.0, 1.45 * axes.get_ylim()[1])
        axes.set_xlabel(_RESPONSE_LABEL)
    for axes in grid[:, 0]:
        axes.set_ylabel("Probability density")
    heads(grid[0], caption)
    shared_legend(grid, len(intervals))
    return figure


def _step(shown: Sequence[Distribution]) -> int:
    """How many bins of 0.02 to join, so that the jets of a panel are enough: 1, 2 or 4."""
    fewest = min(_WIDTH * d.jets * max(d.density) for d in shown)
    return 1 if fewest >= 150 else 2 if fewest >= 25 else 4


def _limits(curves: Sequence[Curve]) -> tuple[float, float]:
    limits = [filled_range(c.edges, c.median) for c in curves if _known(c)]
    return min(low for low, _ in limits), max(high for _, high in limits)
