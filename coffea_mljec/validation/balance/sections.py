"""What a page says of the balance against a Z boson or a photon: words and table."""

from __future__ import annotations

from coffea_mljec.validation.balance.summary import BalanceCell, BalanceSummary
from coffea_mljec.validation.common.in_situ import rows_of_cells, selected_events
from coffea_mljec.validation.common.section import Section
from coffea_mljec.validation.common.table import Table, text_of

__all__ = ["about", "balance_table", "reference_name", "sections"]

_NAMES = {"zll": "Z boson", "zmumu": "Z boson", "zee": "Z boson"}


def about(summary: BalanceSummary) -> str:
    """How many events were looked at."""
    return f"Balance against the {reference_name(summary)} among {summary.counts.get('events', 0):,} events."


def sections(summary: BalanceSummary) -> list[Section]:
    """One part of the page."""
    words = (
        f"The leading jet against the {reference_name(summary)}: pT balance, and the projection of the missing "
        f"momentum ({summary.met or 'none in these events'}). {selected_events(summary)}"
    )
    return [Section("balance", "Balance", words, (), (balance_table(summary),))]


def balance_table(summary: BalanceSummary) -> Table:
    """Balances in the bins that have any."""
    name = reference_name(summary)
    cells = [cell for cell in summary.cells if cell.pt_balance.value is not None]
    cells.sort(key=lambda c: (c.eta, c.pt, summary.providers.index(c.provider)))
    columns = (
        "|eta|", f"{name} pT/GeV", "provider", "events", "pT balance", "MPF", "generator", "response", "ratio",
        "ratio, no second jet",
    )  # fmt: skip
    return Table(f"Balance against the {name}", columns, rows_of_cells(cells, _place, _numbers))


def reference_name(summary: BalanceSummary) -> str:
    """What the jets are balanced against, in words."""
    return _NAMES.get(summary.reference, summary.reference)


def _place(cell: BalanceCell) -> str:
    return f"{cell.eta[0]:g}-{cell.eta[1]:g}"


def _numbers(cell: BalanceCell) -> tuple[str, ...]:
    found = (cell.pt_balance, cell.mpf, cell.gen_balance, cell.response, cell.ratio, cell.ratio_extrapolated)
    return tuple(text_of(value, 3) for value in found)
