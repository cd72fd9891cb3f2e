"""Closure of the standard correction: the median after it in every bin of |eta|."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from coffea_mljec.validation.common.style import COLOURS, MARKERS
from training.realism.drawing import centres, head, panels, pt_axis
from training.realism.jets import SimulatedJets
from training.realism.row import Part, Row
from training.realism.spread import Binned, Spread, fill, measure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ETA_EDGES", "PT_EDGES", "closure", "medians"]

LIMIT = 0.01
LOWEST_PT = 30.0
#: A bin is judged if its error is below this part of the limit.
_PRECISE = 0.5
ETA_EDGES = np.array([0.0, 0.5, 0.8, 1.1, 1.3, 1.7, 1.9, 2.1, 2.3, 2.5, 2.8, 3.0, 3.2, 4.0, 5.0])
PT_EDGES = np.array([15.0, 20.0, 30.0, 50.0, 100.0, 300.0, 1000.0, 3500.0])
_SOURCE = "limit ours"


def medians(jets: SimulatedJets) -> list[Spread]:
    """Return, for every bin of |eta_gen|, the median in bins of pt_gen and, last, above 30 GeV: inclusive QCD's mix."""
    n_pt = len(PT_EDGES) - 1
    eta_bin = np.digitize(np.abs(jets["eta_gen"]), ETA_EDGES) - 1
    pt_bin = np.digitize(jets["pt_gen"], PT_EDGES) - 1
    inside = (eta_bin < len(ETA_EDGES) - 1) & (pt_bin >= 0) & (pt_bin < n_pt)
    cell = np.where(inside, pt_bin, -1)
    found = []
    for number in range(len(ETA_EDGES) - 1):
        content = fill(jets["response"], jets["mix"], np.where(eta_bin == number, cell, -1), n_pt)
        above = PT_EDGES[:-1] >= LOWEST_PT
        both = (np.vstack([part, part[above].sum(axis=0)]) for part in (content.weights, content.squares))
        found.append(measure(Binned(*both)))
    return found


def closure(jets: SimulatedJets, independent: bool) -> Part:
    """Judge the worst bin of pt_gen above 30 GeV in every bin of |eta_gen|.

    Parameters
    ----------
    jets : SimulatedJets
    independent : bool
        Whether these are a test sample's jets; else the report warns.
    """
    found = medians(jets)
    part = Part(
        "Closure of the standard correction",
        "Median of pT(corrected) / pt_gen in bins of |eta_gen| and pt_gen, with inclusive QCD's flavour mix, which "
        "the correction was derived on. Rows: all jets above 30 GeV, and the worst of the bins above 30 GeV that are "
        "known to half of the limit. "
        + (
            "These are the test sample's jets."
            if independent
            else "**No test sample was given (--test): the correction may have been derived on these very jets.**"
        ),
    )
    lines = []
    for (low, high), spread in zip(pairwise(ETA_EDGES), found, strict=True):
        text = f"\\|eta\\| {low:g}-{high:g}"
        part.rows += [
            Row.within(
                "closure above 30 GeV", text, float(spread.median[-1]), float(spread.median_error[-1]), 1.0, LIMIT,
                source=_SOURCE, digits=4, precise=_PRECISE,
            ),
            _worst(text, spread),
        ]  # fmt: skip
        lines += [
            [text, f"{first:g}-{last:g}", f"{median:.4f} +- {error:.4f}"]
            for (first, last), median, error in zip(
                pairwise(PT_EDGES), spread.median[:-1], spread.median_error[:-1], strict=True
            )
            if np.isfinite(median)
        ]
    part.tables.append(("All bins", ["jets", "pt_gen (GeV)", "median"], lines))
    part.figures.append(("closure", "Closure; the band is +-1 %.", lambda: _draw(found)))
    return part


def _worst(text: str, spread: Spread) -> Row:
    median, error = spread.median[:-1], spread.median_error[:-1]
    above = (PT_EDGES[:-1] >= LOWEST_PT) & np.isfinite(median)
    precise = above & (error < _PRECISE * LIMIT)
    if not precise.any():
        where = f"{text}: no bin precise enough"
        return Row.within("closure, worst bin", where, float("nan"), None, 1.0, LIMIT, source=_SOURCE)
    index = int(np.flatnonzero(precise)[np.argmax(np.abs(median[precise] - 1.0))])
    return Row.within(
        "closure, worst bin", f"{text}, pt_gen {PT_EDGES[index]:g}-{PT_EDGES[index + 1]:g} GeV: worst of "
        f"{precise.sum()} bins ({above.sum() - precise.sum()} too imprecise)",
        float(median[index]), float(error[index]), 1.0, LIMIT, source=_SOURCE, digits=4, precise=_PRECISE,
    )  # fmt: skip


def _draw(found: list[Spread]) -> Figure:
    figure, grid = panels(1, 2, (15.0, 5.6), sharey=True)
    half = (1 + len(found)) // 2
    for number, ((low, high), spread) in enumerate(zip(pairwise(ETA_EDGES), found, strict=True)):
        axes, place = grid[0, number // half], number % half
        median, error = spread.median[:-1], spread.median_error[:-1]
        known = error < 0.02
        axes.errorbar(
            centres(PT_EDGES)[known] * (0.94 + 0.02 * place), median[known], error[known],
            fmt=MARKERS[place % 7] + "-", color=COLOURS[place % 7], markersize=5, linewidth=1,
            label=rf"{low:g} < |$\eta$| < {high:g}",
        )  # fmt: skip
    for axes in grid[0]:
        axes.axhspan(1.0 - LIMIT, 1.0 + LIMIT, color="0.9", linewidth=0, zorder=0)
        axes.axvline(LOWEST_PT, color="0.6", linewidth=1, linestyle=":")
        axes.set_ylim(0.95, 1.07)
        pt_axis(axes, 15.0, 3500.0, ticks=(20, 50, 100, 200, 500, 1000, 2000))
        axes.legend(ncols=2, fontsize=11)
    grid[0, 0].set_ylabel("Median response")
    head(grid[0, 0])
    return figure
