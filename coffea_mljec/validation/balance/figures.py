"""Figures of the balance against a Z boson or a photon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from coffea_mljec.validation.balance.sections import reference_name
from coffea_mljec.validation.balance.summary import BalanceSummary
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.in_situ import in_bins
from coffea_mljec.validation.common.points import filled_range, points, y_range
from coffea_mljec.validation.common.section import Drawing
from coffea_mljec.validation.common.style import inside, legend, pt_axis, unity, with_ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_balance"]

_AGREEMENT = 0.02


def draw_balance(summary: BalanceSummary, caption: Caption) -> Iterator[Drawing]:
    """Draw ``balance_<number>`` a range of |eta| of the jet in which there is a balance.

    Parameters
    ----------
    summary : BalanceSummary
    caption : Caption
        Above each figure.

    Yields
    ------
    Drawing
    """
    filled = sorted({tuple(cell.eta) for cell in summary.cells if cell.pt_balance.value is not None})
    words = "Median balance; below, its ratio to the generators' balance, with a band of 2 %."
    for number, eta in enumerate(filled):
        yield Drawing(f"balance_{number}", "balance", words, _balance(summary, list(eta), caption))


def _balance(summary: BalanceSummary, eta: list[float], caption: Caption) -> Figure:
    figure, axes, ratio = with_ratio(caption.whose, caption.right, (2.0, 1.2))
    cells = [c for c in summary.cells if c.eta == eta]
    edges = summary.pt_edges
    drawn, against, shown, has_mpf = [], [], [], False
    beside = len(summary.providers)
    for index, provider in enumerate(summary.providers):
        mine = [c for c in cells if c.provider == provider]
        shown.append(in_bins(mine, edges, "pt_balance"))
        drawn.append(points(axes, edges, shown[-1], index, provider, beside=beside))
        if any(c.mpf.value is not None for c in mine):
            has_mpf = True
            mpf = in_bins(mine, edges, "mpf")
            drawn.append(points(axes, edges, mpf, index, None, beside=beside, widths=False, joined=True, hollow=True))
        against.append(points(ratio, edges, in_bins(mine, edges, "ratio"), index, None, beside=beside))
    if has_mpf:
        axes.errorbar([], [], [], fmt="o-", color="0.4", markerfacecolor="white", label="open: MPF")
    unity(axes)
    axes.set_ylabel(f"Balance against the {reference_name(summary)}")
    y_range(axes, drawn, floor=0.05, include=1.0, headroom=0.4)
    inside(axes, f"${eta[0]:g} < |\\eta| < {eta[1]:g}$")
    legend(axes)
    ratio.axhspan(1.0 - _AGREEMENT, 1.0 + _AGREEMENT, color="0.9", zorder=0)
    ratio.set_ylabel("Over generator", fontsize=14)
    y_range(ratio, against, floor=0.05, include=1.0, headroom=0.15)
    pt_axis(ratio, filled_range(edges, *shown), rf"$p_{{\mathrm{{T}}}}$ of the {reference_name(summary)} (GeV)")
    return figure
