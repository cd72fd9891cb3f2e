"""What a page says of the response: the outcome first, all tables last."""

from __future__ import annotations

from coffea_mljec.validation.common.binning import REGIONS
from coffea_mljec.validation.common.section import Section
from coffea_mljec.validation.common.table import Table, without_repeats
from coffea_mljec.validation.response.summary import Summary
from coffea_mljec.validation.response.table import legend, short_table, tables

__all__ = ["about", "sections"]


def about(summary: Summary) -> str:
    """How many jets were judged, and what was left out."""
    counts = summary.counts
    words = (
        f"Response of {counts.get('judged', 0):,} jets matched to generator jets, of {counts.get('events', 0):,} "
        f"events; beta and alpha are relative to {summary.standard}."
    )
    if "with_neutrinos" in counts:
        words += f" Generator pT includes neutrinos: {counts['with_neutrinos']:,} of the jets have some."
    lost = {name: count for name, count in summary.non_finite.items() if count}
    return f"{words} Left out, because a correction was not finite: {lost}." if lost else words


def sections(summary: Summary) -> list[Section]:
    """The parts of the page, in reading order."""
    closing = (_closures(summary),) if summary.closures else ()
    everything = (*tables(summary), *closing, _counts(summary))
    return [
        Section("glance", "At a glance", "Generator pT above 30 GeV, all flavours.", (), (short_table(summary),)),
        Section("pt", "Against pT", legend(summary)),
        Section("pileup", "Against |eta| and pileup"),
        Section("flavours", "Flavours", _bins_of(summary)),
        Section("distributions", "Distributions"),
        Section("tables", "Tables", "", (), everything, last=True),
    ]


def _bins_of(summary: Summary) -> str:
    """Why figures of a small sample have wide bins."""
    return "Neighbouring bins of pT are joined where most of them hold too few jets." if summary.coarse else ""


def _closures(summary: Summary) -> Table:
    rows = []
    for found in sorted(summary.closures, key=lambda c: (REGIONS.index(c.region), c.flavour)):
        numbers = (
            "" if found.chi_square is None else f"{found.chi_square:.1f}",
            f"{found.bins}",
            "" if found.p_value is None else f"{found.p_value:.3g}",
            "" if found.worst is None else f"{100 * found.worst:.2f}",
        )
        rows.append((found.region, found.flavour, found.provider, *numbers))
    columns = ("region", "flavour", "provider", "chi-square", "bins", "p", "worst |median - 1|/%")
    title = "Closure in bins of pt_gen above 30 GeV: chi-square of the medians against 1"
    return Table(title, columns, without_repeats(row for row in rows if row[4] != "0"))


def _counts(summary: Summary) -> Table:
    rows = [(name.replace("_", " "), "", "", f"{count}") for name, count in summary.counts.items()]
    for provider, codes in summary.status.items():
        for number, (code, count) in enumerate(codes.items()):
            words = code.lower().replace("|", " + ")
            rows.append((provider if number == 0 else "", "status", words, f"{count}"))
    return Table("Counted", ("what", "", "", "number"), tuple(rows))
