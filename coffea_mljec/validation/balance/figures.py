"""Figures and table of the balance against a Z boson or a photon."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coffea_mljec.validation.balance.summary import BalanceSummary
from coffea_mljec.validation.common.style import head, new_figure, points, pt_axis, unity, y_range
from coffea_mljec.validation.common.table import Table, text_of
from coffea_mljec.validation.dijet.figures import in_bins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["balance_table", "draw_balance", "reference_name"]

_AGREEMENT = 0.02
_NAMES = {"zll": "Z boson", "zmumu": "Z boson", "zee": "Z boson"}


def draw_balance(summary: BalanceSummary, save: Callable[[str, Figure], Any], label: str) -> None:
    """Draw ``balance_<number>`` a range of |eta| of the jet.

    Parameters
    ----------
    summary : BalanceSummary
    save : callable of (name, figure)
    label : str
        Above each figure.
    """
    filled = sorted({tuple(cell.eta) for cell in summary.cells if cell.pt_balance.value is not None})
    for number, eta in enumerate(filled):
        save(f"balance_{number}", _balance(summary, list(eta), label))


def balance_table(summary: BalanceSummary) -> Table:
    """Balances in the bins that have any."""
    rows, previous = [], ("", "")
    for cell in sorted(summary.cells, key=lambda c: (c.eta, c.pt, summary.providers.index(c.provider))):
        if cell.pt_balance.value is None:
            continue
        place = (f"{cell.eta[0]:g}-{cell.eta[1]:g}", f"{cell.pt[0]:g}-{cell.pt[1]:g}")
        start = ("" if place[0] == previous[0] else place[0], "" if place == previous else place[1])
        measured = (cell.pt_balance, cell.mpf, cell.gen_balance, cell.response, cell.ratio, cell.ratio_extrapolated)
        rows.append((*start, cell.provider, f"{cell.events}", *(text_of(value, 3) for value in measured)))
        previous = place
    columns = (
        "|eta|",
        f"{reference_name(summary)} pT/GeV",
        "provider",
        "events",
        "pT balance",
        "MPF",
        "generator",
        "response",
        "ratio",
        "ratio, no second jet",
    )
    return Table(f"Balance against the {reference_name(summary)}", columns, tuple(rows))


def reference_name(summary: BalanceSummary) -> str:
    """What the jets are balanced against, in words."""
    return _NAMES.get(summary.reference, summary.reference)


def _balance(summary: BalanceSummary, eta: list[float], label: str) -> Figure:
    figure, (axes, ratio) = new_figure(
        2, 1, (7.5, 7.5), (1.0, 0.25, 0.85, 0.45), sharex=True, height_ratios=(2.0, 1.2), hspace=0.08
    )
    head(axes, label, f"${eta[0]:g} < |\\eta| < {eta[1]:g}$")
    cells = [c for c in summary.cells if c.eta == eta]
    edges = summary.pt_edges
    drawn, against, has_mpf = [], [], False
    for part in (axes, ratio):
        part.set_xscale("log")
    for index, provider in enumerate(summary.providers):
        mine = [c for c in cells if c.provider == provider]
        drawn.append(points(axes, edges, in_bins(mine, edges, "pt_balance"), index, provider))
        if any(c.mpf.value is not None for c in mine):
            has_mpf = True
            mpf = in_bins(mine, edges, "mpf")
            drawn.append(points(axes, edges, mpf, index, None, widths=False, line=True, hollow=True))
        against.append(points(ratio, edges, in_bins(mine, edges, "ratio"), index, None))
    if has_mpf:
        axes.errorbar([], [], [], fmt="o-", color="0.4", markerfacecolor="white", label="open: MPF")
    unity(axes)
    axes.set_ylabel(f"Balance against the {reference_name(summary)}")
    y_range(axes, drawn, floor=0.05, include=1.0)
    axes.legend(loc="upper right", handletextpad=0.4)
    unity(ratio)
    ratio.axhspan(1.0 - _AGREEMENT, 1.0 + _AGREEMENT, color="0.9", zorder=0)
    ratio.set_ylabel("Over generator", fontsize=14)
    y_range(ratio, against, floor=0.05, include=1.0, headroom=0.15)
    pt_axis(ratio, edges, rf"$p_{{\mathrm{{T}}}}$ of the {reference_name(summary)} (GeV)")
    return figure
