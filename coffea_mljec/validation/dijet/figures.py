"""Figures and table of the resolution from dijets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.style import COLOURS, head, inside, new_figure, points, pt_axis, unity, y_range
from coffea_mljec.validation.common.table import Table, percent, text_of
from coffea_mljec.validation.dijet.summary import DijetCell, DijetSummary, Distribution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["dijet_table", "draw_dijets", "in_bins"]

_PT = r"$p_{\mathrm{T}}^{\mathrm{avg}}$ (GeV)"
_PANELS = 6
_SHOWN_WIDTH = 0.04


def draw_dijets(summary: DijetSummary, save: Callable[[str, Figure], Any], label: str) -> None:
    """Draw ``dijet_<pair>_<number>`` a range of |eta|, ``dijet_asymmetry`` and ``dijet_third_jet``.

    Parameters
    ----------
    summary : DijetSummary
    save : callable of (name, figure)
    label : str
        Above each figure.
    """
    for pair in dict.fromkeys(cell.pair for cell in summary.cells):
        for number, eta in enumerate(_etas(summary.cells, pair)):
            save(f"dijet_{pair}_{number}", _resolution(summary, pair, eta, label))
    if summary.distributions:
        save("dijet_asymmetry", _asymmetries(summary, label))
    known = [cell for cell in summary.cells if any(point.sigma_reco.value is not None for point in cell.alpha)]
    if known:
        save("dijet_third_jet", _third_jet(summary, max(known, key=lambda cell: cell.events), label))


def dijet_table(summary: DijetSummary) -> Table:
    """Resolutions in situ and from truth, in the bins that have any."""
    rows, previous = [], ("", "")
    for cell in sorted(
        summary.cells, key=lambda c: (c.pair != "same", c.eta, c.pt, summary.providers.index(c.provider))
    ):
        if all(number.value is None for number in (cell.jer, cell.jer_extrapolated, cell.truth)):
            continue
        place = (f"{_pair(cell.pair)}{cell.eta[0]:g}-{cell.eta[1]:g}", f"{cell.pt[0]:g}-{cell.pt[1]:g}")
        start = ("" if place[0] == previous[0] else place[0], "" if place == previous else place[1])
        numbers = [percent(value, 2) for value in (cell.jer, cell.jer_extrapolated, cell.truth)]
        rows.append(
            (
                *start,
                cell.provider,
                f"{cell.events}",
                *numbers,
                text_of(cell.ratio, 3),
                percent(cell.shift, 2),
            )
        )
        previous = place
    columns = (
        "|eta|",
        "pT avg/GeV",
        "provider",
        "events",
        "JER/%",
        "JER, no third jet/%",
        "truth/%",
        "JER/truth",
        "shift/%",
    )
    return Table("Resolution from dijets", columns, tuple(rows))


def _resolution(summary: DijetSummary, pair: str, eta: list[float], label: str) -> Figure:
    figure, (axes, ratio) = new_figure(
        2, 1, (7.5, 7.5), (1.0, 0.25, 0.85, 0.45), sharex=True, height_ratios=(2.4, 1.0), hspace=0.08
    )
    head(axes, label, f"{_pair(pair)}${eta[0]:g} < |\\eta| < {eta[1]:g}$")
    drawn, against, has_truth = [], [], False
    cells = [c for c in summary.cells if c.pair == pair and c.eta == eta]
    edges = summary.pt_edges
    for part in (axes, ratio):
        part.set_xscale("log")
    first: list[DijetCell] = [c for c in cells if c.provider == summary.providers[0]]
    for index, provider in enumerate(summary.providers):
        mine = [c for c in cells if c.provider == provider]
        drawn.append(points(axes, edges, in_bins(mine, edges, "jer_extrapolated"), index, provider))
        if any(c.truth.value is not None for c in mine):
            has_truth = True
            truth = in_bins(mine, edges, "truth")
            drawn.append(points(axes, edges, truth, index, None, widths=False, line=True, hollow=True))
            against.append(points(ratio, edges, in_bins(mine, edges, "ratio"), index, None))
        elif provider != summary.providers[0]:
            against.append(points(ratio, edges, _quotients(mine, first, edges), index, None))
    if has_truth:
        axes.errorbar([], [], [], fmt="o-", color="0.4", markerfacecolor="white", label="open: truth")
    axes.set_ylabel(r"$\sigma(p_{\mathrm{T}}) \,/\, p_{\mathrm{T}}$")
    highest = max((float(np.max(values)) for values in drawn if len(values)), default=0.4)
    axes.set_ylim(0.0, 1.35 * highest)
    axes.legend(loc="upper right", handletextpad=0.4)
    unity(ratio)
    ratio.set_ylabel("In situ /\ntruth" if has_truth else f"Ratio to\n{summary.providers[0]}", fontsize=14)
    y_range(ratio, against, floor=0.1, include=1.0, headroom=0.15)
    pt_axis(ratio, edges, _PT)
    return figure


def in_bins(cells: Sequence[Any], edges: Sequence[float], name: str) -> list[Measured]:
    """One number of each cell, bin by bin of pT; nothing where there is no cell."""
    found = {tuple(cell.pt): getattr(cell, name) for cell in cells}
    return [found.get(limits, Measured(None, None)) for limits in pairwise(edges)]


def _quotients(cells: Sequence[DijetCell], reference: Sequence[DijetCell], edges: Sequence[float]) -> list[Measured]:
    """Resolution over the first provider's; errors are left out, as both come from the same events."""
    both = (in_bins(part, edges, "jer_extrapolated") for part in (cells, reference))
    return [
        Measured(here.value / other.value if here.value is not None and other.value else None, None)
        for here, other in zip(*both, strict=True)
    ]


def _asymmetries(summary: DijetSummary, label: str) -> Figure:
    """The bins with the most events, spread over |eta| and pT as they come."""
    shown = {(d.pair, *d.eta, *d.pt) for d in summary.distributions}
    places = {(c.pair, *c.eta, *c.pt): c.events for c in summary.cells if c.provider == summary.providers[0]}
    events = {key: number for key, number in places.items() if key in shown}
    busiest = sorted(events, key=lambda key: -events[key])[:_PANELS]
    rows = 1 if len(busiest) <= 3 else 2
    figure, grid = new_figure(
        rows, 3, (13.5, 4.4 * rows), (0.9, 0.2, 0.8, 0.45), squeeze=False, wspace=0.2, hspace=0.32
    )
    for axes, key in zip(grid.flat, sorted(busiest), strict=False):
        pair, *limits = key
        mine = [d for d in summary.distributions if (d.pair, *d.eta, *d.pt) == key]
        for distribution in mine:
            _stairs(axes, distribution, summary.providers.index(distribution.provider))
        place = f"{_pair(str(pair))}$|\\eta|$ {limits[0]:g} to {limits[1]:g}"
        inside(axes, f"{place}\n{limits[2]:g} to {limits[3]:g} GeV\n{events[key]} events")
        axes.set_xlim(-0.8, 0.8)
        axes.set_ylim(0.0, 1.4 * axes.get_ylim()[1])
        axes.set_xlabel("Asymmetry")
    for axes in grid.flat[len(busiest) :]:
        axes.set_axis_off()
    grid[0, 0].set_ylabel("Probability density")
    head(grid[0, 0], label)
    grid[0, min(2, len(busiest) - 1)].legend(loc="upper right", fontsize=12)
    return figure


def _stairs(axes: Any, distribution: Distribution, index: int) -> None:
    edges = np.asarray(distribution.edges, float)
    # As many bins as a reader can tell apart; the summary's are finer.
    step = max(1, round(_SHOWN_WIDTH / (edges[1] - edges[0])))
    keep = np.arange(0, len(edges) - 1, step)
    coarse = np.append(edges[keep], edges[-1])
    for contents, first in ((distribution.gen, True), (distribution.reco, False)):
        if contents is None or (first and index > 0):
            continue
        inner = np.asarray(contents, float)
        density = np.add.reduceat(inner, keep) / np.diff(coarse) / max(inner.sum(), 1e-12)
        if first:
            axes.stairs(density, coarse, fill=True, color="0.85", label="generator jets")
        else:
            axes.stairs(
                density, coarse, color=COLOURS[index % len(COLOURS)], linewidth=1.5, label=distribution.provider
            )


def _third_jet(summary: DijetSummary, chosen: DijetCell, label: str) -> Figure:
    """The widths against the cut on the third jet, in the bin with the most events."""
    figure, axes = new_figure(1, 1, (7.5, 6.0), (1.0, 0.25, 0.85, 0.45))
    head(axes, label, f"$|\\eta|$ {chosen.eta[0]:g} to {chosen.eta[1]:g}, {chosen.pt[0]:g} to {chosen.pt[1]:g} GeV")
    place, highest = (chosen.pair, chosen.eta, chosen.pt), [0.1]
    for index, provider in enumerate(summary.providers):
        for cell in summary.cells:
            if cell.provider != provider or (cell.pair, cell.eta, cell.pt) != place:
                continue
            for name, hollow in (("sigma_reco", False), ("sigma_gen", True)):
                measured: list[Measured] = [getattr(point, name) for point in cell.alpha]
                cuts = [point.alpha_max for point in cell.alpha]
                known = [k for k, m in enumerate(measured) if m.value is not None]
                values = [measured[k].value or 0.0 for k in known]
                axes.errorbar(
                    [cuts[k] for k in known],
                    values,
                    yerr=[measured[k].error or 0.0 for k in known],
                    fmt="o--" if hollow else "o-",
                    color=COLOURS[index % len(COLOURS)],
                    markerfacecolor="white" if hollow else COLOURS[index % len(COLOURS)],
                    label=f"{provider}, {'generator' if hollow else 'corrected'}" if known else None,
                )
                highest += values
    axes.set_xlim(left=0.0)
    axes.set_ylim(0.0, 1.5 * max(highest))
    axes.set_xlabel(r"Cut on $p_{\mathrm{T}}^{3} \,/\, p_{\mathrm{T}}^{\mathrm{avg}}$")
    axes.set_ylabel("Width of the asymmetry")
    axes.legend(loc="upper left", fontsize=12)
    return figure


def _etas(cells: Sequence[DijetCell], pair: str) -> list[list[float]]:
    """Ranges of |eta| of a pair in which any provider has a resolution."""
    filled = {tuple(c.eta) for c in cells if c.pair == pair and c.jer_extrapolated.value is not None}
    return [list(eta) for eta in sorted(filled)]


def _pair(pair: str) -> str:
    return "" if pair == "same" else "probe at "
