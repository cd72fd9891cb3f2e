"""Figures of coverage, and of measured against given width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.points import filled_range, points, y_range
from coffea_mljec.validation.common.section import Drawing
from coffea_mljec.validation.common.style import (
    REGION_TEXT,
    colour,
    heads,
    inside,
    legend,
    marker,
    new_figure,
    pt_axis,
)
from coffea_mljec.validation.width.summary import GAUSSIAN_COVERAGE, WidthSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_widths"]

_TOLERANCE = 0.015
"""Coverage that is as good as right."""


def draw_widths(summary: WidthSummary, caption: Caption) -> Iterator[Drawing]:
    """Draw ``width_coverage`` and ``width_measured``.

    Parameters
    ----------
    summary : WidthSummary
    caption : Caption
        Above each figure.

    Yields
    ------
    Drawing
        Those that have a point to show.
    """
    if any(cell.coverage.value is not None for cell in summary.coverages):
        words = "Share of jets that are off by less than the given width. Band: 68.3 % within 1.5 %."
        yield Drawing("width_coverage", "widths", words, _coverage(summary, caption), wide=True)
    if any(cell.measured.value is not None for cell in summary.spreads):
        words = "Spread of corrected over generator pT, of jets of one given width."
        yield Drawing("width_measured", "widths", words, _measured(summary, caption), wide=True)


def _coverage(summary: WidthSummary, caption: Caption) -> Figure:
    etas = sorted({tuple(cell.eta) for cell in summary.coverages if cell.coverage.value is not None})
    figure, grid = new_figure(
        1, len(etas), (3.9 * len(etas) + 1.0, 5.0), (1.0, 0.25, 0.85, 0.45), sharey=True, squeeze=False, wspace=0.08
    )
    # The open bin ends where a reader expects the next edge.
    edges = [*summary.pt_edges, 3 * summary.pt_edges[-1]]
    drawn = []
    for axes, eta in zip(grid[0], etas, strict=True):
        axes.set_xscale("log")
        axes.axhspan(GAUSSIAN_COVERAGE - _TOLERANCE, GAUSSIAN_COVERAGE + _TOLERANCE, color="0.9", zorder=0)
        axes.axhline(GAUSSIAN_COVERAGE, color="0.6", linewidth=1.0, linestyle="--", zorder=0)
        curves = []
        for provider in summary.with_width:
            cells = [c.coverage for c in summary.coverages if c.provider == provider and tuple(c.eta) == eta]
            index = summary.providers.index(provider)
            curves.append(cells)
            drawn.append(points(axes, edges, cells, index, provider, beside=len(summary.providers)))
        pt_axis(axes, filled_range(edges, *curves), r"$p_{\mathrm{T}}^{\mathrm{gen}}$ (GeV)")
        inside(axes, f"${eta[0]:g} < |\\eta| < {eta[1]:g}$")
    grid[0, 0].set_ylabel("Coverage")
    y_range(grid[0, 0], drawn, floor=0.04, include=GAUSSIAN_COVERAGE, headroom=0.5)
    heads(grid[0], caption)
    legend(grid[0, -1])
    return figure


def _measured(summary: WidthSummary, caption: Caption) -> Figure:
    regions = [r for r in REGION_TEXT if any(s.region == r and s.measured.value is not None for s in summary.spreads)]
    figure, grid = new_figure(
        1, len(regions), (5.4 * len(regions) + 1.0, 5.6), (1.0, 0.25, 0.85, 0.45), sharey=True, squeeze=False,
        wspace=0.08,
    )  # fmt: skip
    reach = 0.0
    for axes, region in zip(grid[0], regions, strict=True):
        for provider in summary.with_width:
            reach = max(reach, _curve(axes, summary, provider, region))
        inside(axes, REGION_TEXT[region])
        axes.set_xlabel("Given width")
    for axes in grid[0]:
        axes.plot([0.0, reach], [0.0, reach], color="0.6", linewidth=1.0, linestyle="--", zorder=0)
        axes.set_xlim(0.0, reach)
        axes.set_ylim(0.0, 1.25 * reach)
    grid[0, 0].set_ylabel(r"Measured, $(Q_{84} - Q_{16}) \,/\, 2$")
    heads(grid[0], caption)
    legend(grid[0, -1])
    return figure


def _curve(axes: Axes, summary: WidthSummary, provider: str, region: str) -> float:
    """Draw one curve in the bins that end, and return how far it reaches."""
    cells = [s for s in summary.spreads if (s.provider, s.region) == (provider, region)]
    known = [(s.given, s.measured) for s in cells if s.measured.value is not None and s.given[1] is not None]
    if not known:
        return 0.0
    limits = np.array([given for given, _ in known], float)
    values = np.array([number.value for _, number in known], float)
    errors = np.array([number.error or 0.0 for _, number in known], float)
    index = summary.providers.index(provider)
    axes.errorbar(
        limits.mean(axis=1), values, yerr=errors, xerr=0.5 * (limits[:, 1] - limits[:, 0]), fmt=marker(index),
        color=colour(index), label=provider,
    )  # fmt: skip
    return float(max(1.1 * limits[-1, 1], (values + errors).max()))
