"""What a page says of the resolution from dijets: words and table."""

from __future__ import annotations

from coffea_mljec.validation.common.in_situ import rows_of_cells, selected_events
from coffea_mljec.validation.common.section import Section
from coffea_mljec.validation.common.table import Table, percent, text_of
from coffea_mljec.validation.dijet.cells import DijetCell
from coffea_mljec.validation.dijet.summary import DijetSummary

__all__ = ["about", "dijet_table", "sections"]

_COLUMNS = (
    "|eta|", "pT avg/GeV", "provider", "events", "JER/%", "JER, no third jet/%", "truth/%", "JER/truth", "shift/%",
)  # fmt: skip


def about(summary: DijetSummary) -> str:
    """How many events were looked at."""
    return f"Resolution from dijets among {summary.counts.get('events', 0):,} events."


def sections(summary: DijetSummary) -> list[Section]:
    """One part of the page."""
    words = (
        "Asymmetry (reference - probe) / (pT1 + pT2) of two back-to-back jets; the generator jets' own is "
        f"subtracted. Width: {summary.estimator}. {selected_events(summary)}"
    )
    return [Section("dijets", "Dijets", words, (), (dijet_table(summary),))]


def dijet_table(summary: DijetSummary) -> Table:
    """Resolutions in situ and from truth, in the bins that have any."""
    cells = [
        cell
        for cell in summary.cells
        if any(number.value is not None for number in (cell.jer, cell.jer_extrapolated, cell.truth))
    ]
    cells.sort(key=lambda c: (c.pair != "same", c.eta, c.pt, summary.providers.index(c.provider)))
    return Table("Resolution from dijets", _COLUMNS, rows_of_cells(cells, _place, _numbers))


def _place(cell: DijetCell) -> str:
    return f"{'' if cell.pair == 'same' else 'probe at '}{cell.eta[0]:g}-{cell.eta[1]:g}"


def _numbers(cell: DijetCell) -> tuple[str, ...]:
    widths = (percent(value, 2) for value in (cell.jer, cell.jer_extrapolated, cell.truth))
    return (*widths, text_of(cell.ratio, 3), percent(cell.shift, 2))
