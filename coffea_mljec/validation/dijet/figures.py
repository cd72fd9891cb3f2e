"""Figures of the resolution from dijets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.in_situ import in_bins
from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.points import filled_range, from_zero, points, y_range
from coffea_mljec.validation.common.section import Drawing
from coffea_mljec.validation.common.style import (
    colour,
    head,
    heads,
    inside,
    legend,
    line,
    marker,
    new_figure,
    pt_axis,
    shared_legend,
    with_ratio,
)
from coffea_mljec.validation.dijet.cells import DijetCell, Distribution
from coffea_mljec.validation.dijet.summary import DijetSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_dijets"]

_WORDS = {
    "same": "Resolution from the asymmetry of two jets in one range of |eta|.",
    "reference": "Resolution of a probe jet against a reference jet, whose own resolution is subtracted.",
}
_NO_THIRD_JET = "jer_extrapolated"
_PT = r"$p_{\mathrm{T}}^{\mathrm{avg}}$ (GeV)"
_PANELS = 6
_FINE, _COARSE = 0.04, 0.1
_EVENTS_FOR_FINE = 2000


def draw_dijets(summary: DijetSummary, caption: Caption) -> Iterator[Drawing]:
    """Draw ``dijet_<pair>_<number>`` a range of |eta|, ``dijet_asymmetry`` and ``dijet_third_jet``.

    Parameters
    ----------
    summary : DijetSummary
    caption : Caption
        Above each figure.

    Yields
    ------
    Drawing
        Those that have a point to show.
    """
    for pair, words in _WORDS.items():
        filled = {tuple(c.eta) for c in summary.cells if c.pair == pair and c.jer.value is not None}
        for number, eta in enumerate(sorted(filled)):
            figure = _resolution(summary, pair, list(eta), caption)
            yield Drawing(f"dijet_{pair}_{number}", "dijets", words, figure)
    if summary.distributions:
        words = "Asymmetry of the two jets in the bins with the most events."
        yield Drawing("dijet_asymmetry", "dijets", words, _asymmetries(summary, caption), wide=True)
    known = [cell for cell in summary.cells if sum(point.sigma_reco.value is not None for point in cell.alpha) > 1]
    if known:
        words = "Width of the asymmetry against the cut on the third jet, extrapolated to none."
        figure = _third_jet(summary, max(known, key=lambda cell: cell.events), caption)
        yield Drawing("dijet_third_jet", "dijets", words, figure)


def _resolution(summary: DijetSummary, pair: str, eta: list[float], caption: Caption) -> Figure:
    figure, axes, ratio = with_ratio(caption.whose, caption.right)
    cells = [c for c in summary.cells if c.pair == pair and c.eta == eta]
    edges, which = summary.pt_edges, _which(cells)
    drawn, against, shown, has_truth = [], [], [], False
    first = [c for c in cells if c.provider == summary.providers[0]]
    beside = len(summary.providers)
    for index, provider in enumerate(summary.providers):
        mine = [c for c in cells if c.provider == provider]
        shown.append(in_bins(mine, edges, which))
        drawn.append(points(axes, edges, shown[-1], index, provider, beside=beside))
        if any(c.truth.value is not None for c in mine):
            has_truth = True
            shown.append(in_bins(mine, edges, "truth"))
            drawn.append(
                points(axes, edges, shown[-1], index, None, beside=beside, widths=False, joined=True, hollow=True)
            )
            against.append(points(ratio, edges, in_bins(mine, edges, "ratio"), index, None, beside=beside))
        elif provider != summary.providers[0]:
            against.append(points(ratio, edges, _quotients(mine, first, edges, which), index, None, beside=beside))
    if has_truth:
        axes.errorbar([], [], [], fmt="o-", color="0.4", markerfacecolor="white", label="open: truth")
    axes.set_ylabel(r"$\sigma(p_{\mathrm{T}}) \,/\, p_{\mathrm{T}}$")
    from_zero(axes, drawn, 1.5)
    cut = "no third jet" if which == _NO_THIRD_JET else "third jet below the cut"
    inside(axes, f"{_pair(pair)}${eta[0]:g} < |\\eta| < {eta[1]:g}$\n{cut}")
    legend(axes)
    ratio.set_ylabel("In situ /\ntruth" if has_truth else f"Ratio to\n{summary.providers[0]}", fontsize=14)
    y_range(ratio, against, floor=0.1, include=1.0, headroom=0.15)
    pt_axis(ratio, filled_range(edges, *shown), _PT)
    return figure


def _which(cells: Sequence[DijetCell]) -> str:
    """The extrapolated resolution, or the one at the cut where a small sample has few of the former."""
    known = sum(c.jer.value is not None for c in cells)
    return _NO_THIRD_JET if 2 * sum(c.jer_extrapolated.value is not None for c in cells) >= known else "jer"


def _quotients(
    cells: Sequence[DijetCell], reference: Sequence[DijetCell], edges: Sequence[float], which: str
) -> list[Measured]:
    """Resolution over the first provider's; errors are left out, as both come from the same events."""
    both = (in_bins(part, edges, which) for part in (cells, reference))
    return [
        Measured(here.value / other.value if here.value is not None and other.value else None, None)
        for here, other in zip(*both, strict=True)
    ]


def _asymmetries(summary: DijetSummary, caption: Caption) -> Figure:
    """The bins with the most events, spread over |eta| and pT as they come."""
    shown = {(d.pair, *d.eta, *d.pt) for d in summary.distributions}
    places = {(c.pair, *c.eta, *c.pt): c.events for c in summary.cells if c.provider == summary.providers[0]}
    events = {key: number for key, number in places.items() if key in shown}
    busiest = sorted(events, key=lambda key: -events[key])[:_PANELS]
    rows, columns = 1 if len(busiest) <= 3 else 2, min(3, len(busiest))
    figure, grid = new_figure(
        rows, columns, (4.2 * columns + 0.9, 4.4 * rows), (0.9, 0.2, 0.8, 0.45), squeeze=False, wspace=0.2, hspace=0.32
    )
    for axes, key in zip(grid.flat, sorted(busiest), strict=False):
        pair, *limits = key
        for distribution in (d for d in summary.distributions if (d.pair, *d.eta, *d.pt) == key):
            _stairs(axes, distribution, summary.providers.index(distribution.provider))
        place = f"{_pair(str(pair))}$|\\eta|$ {limits[0]:g} to {limits[1]:g}"
        inside(axes, f"{place}\n{limits[2]:g} to {limits[3]:g} GeV\n{events[key]:,} events")
        axes.set_xlim(-0.8, 0.8)
        axes.set_ylim(0.0, 1.5 * axes.get_ylim()[1])
        axes.set_xlabel("Asymmetry")
    for axes in grid[:, 0]:
        axes.set_ylabel("Probability density")
    heads(grid[0], caption)
    shared_legend(grid, len(busiest))
    return figure


def _stairs(axes: Axes, distribution: Distribution, index: int) -> None:
    edges = np.asarray(distribution.edges, float)
    # As many bins as a reader can tell apart; the summary's are finer.
    width = _FINE if sum(distribution.reco) >= _EVENTS_FOR_FINE else _COARSE
    keep = [0]
    for number in range(1, len(edges) - 1):
        if edges[number] - edges[keep[-1]] > width - 1e-6 and edges[-1] - edges[number] > width - 1e-6:
            keep.append(number)
    coarse = np.append(edges[keep], edges[-1])
    for contents, first in ((distribution.gen, True), (distribution.reco, False)):
        if contents is None or (first and index > 0):
            continue
        inner = np.asarray(contents, float)
        density = np.add.reduceat(inner, keep) / np.diff(coarse) / max(inner.sum(), 1e-12)
        if first:
            axes.stairs(density, coarse, fill=True, color="0.85", label="generator jets")
        else:
            name = distribution.provider
            axes.stairs(density, coarse, color=colour(index), linestyle=line(index), linewidth=1.5, label=name)


def _third_jet(summary: DijetSummary, chosen: DijetCell, caption: Caption) -> Figure:
    """The widths against the cut on the third jet, in the bin with the most events."""
    figure, axes = new_figure(1, 1, (7.5, 6.0), (1.0, 0.25, 0.85, 0.45))
    head(axes, caption.whose, caption.right)
    place, highest, reach = (chosen.pair, chosen.eta, chosen.pt), 0.1, 0.0
    for cell in summary.cells:
        if (cell.pair, cell.eta, cell.pt) != place:
            continue
        index = summary.providers.index(cell.provider)
        for name, hollow in (("sigma_reco", False), ("sigma_gen", True)):
            found: list[tuple[float, Measured]] = [(point.alpha_max, getattr(point, name)) for point in cell.alpha]
            known = [(cut, m.value, m.error or 0.0) for cut, m in found if m.value is not None]
            if not known:
                continue
            cuts, values, errors = zip(*known, strict=True)
            axes.errorbar(
                cuts,
                values,
                yerr=errors,
                fmt=marker(index) + ("--" if hollow else "-"),
                color=colour(index),
                markerfacecolor="white" if hollow else colour(index),
                label=f"{cell.provider}, {'generator' if hollow else 'corrected'}",
            )
            highest, reach = max(highest, *values), max(reach, *cuts)
    axes.set_xlim(0.0, 1.08 * reach)
    axes.set_ylim(0.0, 1.7 * highest)
    axes.set_xlabel(r"Cut on $p_{\mathrm{T}}^{3} \,/\, p_{\mathrm{T}}^{\mathrm{avg}}$")
    axes.set_ylabel("Width of the asymmetry")
    words = f"{_pair(chosen.pair)}$|\\eta|$ {chosen.eta[0]:g} to {chosen.eta[1]:g}"
    inside(axes, f"{words}\n{chosen.pt[0]:g} to {chosen.pt[1]:g} GeV")
    legend(axes)
    return figure


def _pair(pair: str) -> str:
    return "" if pair == "same" else "probe at "
