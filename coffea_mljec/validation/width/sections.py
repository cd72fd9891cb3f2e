"""What a page says of the widths that corrections give: words and table."""

from __future__ import annotations

from coffea_mljec.validation.common.section import Section
from coffea_mljec.validation.common.table import Table, percent, without_repeats
from coffea_mljec.validation.width.summary import GAUSSIAN_COVERAGE, Coverage, WidthSummary

__all__ = ["about", "coverage_table", "sections"]


def about(summary: WidthSummary) -> str:
    """How many jets were looked at; nothing where no correction gives a width."""
    if not summary.with_width:
        return ""
    return f"Widths of {summary.counts.get('judged', 0):,} jets, given by {', '.join(summary.with_width)}."


def sections(summary: WidthSummary) -> list[Section]:
    """One part of the page; none where no correction gives a width."""
    if not summary.with_width:
        return []
    words = (
        "Coverage: the share of jets whose pT is off by less than the width that the correction gives them, "
        f"{100 * GAUSSIAN_COVERAGE:.1f} % where it is right."
    )
    return [Section("widths", "Resolution of each jet", words, (), (coverage_table(summary),))]


def coverage_table(summary: WidthSummary) -> Table:
    """Coverages of the bins that have any."""
    known = [cell for cell in summary.coverages if cell.coverage.value is not None]
    known.sort(key=lambda c: (c.eta, c.pt[0], summary.providers.index(c.provider)))
    rows = [(*_place(cell), cell.provider, f"{cell.jets}", percent(cell.coverage, 1)) for cell in known]
    columns = ("|eta|", "pT gen/GeV", "provider", "jets", "coverage/%")
    return Table("Coverage of the given width", columns, without_repeats(rows))


def _place(cell: Coverage) -> tuple[str, str]:
    low, high = cell.pt
    return f"{cell.eta[0]:g}-{cell.eta[1]:g}", f">{low:g}" if high is None else f"{low:g}-{high:g}"
