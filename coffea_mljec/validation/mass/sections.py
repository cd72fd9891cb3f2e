"""What a page says of energy and mass: words and tables."""

from __future__ import annotations

from coffea_mljec.validation.common.section import Section
from coffea_mljec.validation.common.table import Table, percent, text_of, without_repeats
from coffea_mljec.validation.mass.summary import MassSummary

__all__ = ["about", "markdown", "peak_table", "scale_table", "sections"]


def about(summary: MassSummary) -> str:
    """How many jets were looked at."""
    counts = summary.counts
    return (
        f"Mass of {counts.get('judged', 0):,} jets, {counts.get('heavy', 0):,} of them hadronic decays of W, Z, H or "
        f"top; {counts.get('pairs', 0):,} pairs of jets of a boson."
    )


def sections(summary: MassSummary) -> list[Section]:
    """One part of the page."""
    words = (
        "Energy and mass over those of the generator jet. Peaks: the mass over that of the particle that decayed, all "
        "of whose quarks lie in the jet; mean and relative width of the Gaussian core."
    )
    return [Section("mass", "Energy and mass", words, (), (scale_table(summary), peak_table(summary)))]


def scale_table(summary: MassSummary) -> Table:
    """Scale and resolution against pT."""
    known = [s for s in summary.scales if s.against == "pt" and s.median.value is not None]
    quantities = list(dict.fromkeys(s.quantity for s in summary.scales))
    known.sort(key=lambda s: (quantities.index(s.quantity), s.limits[0] or 0.0, summary.providers.index(s.provider)))
    rows = [
        (
            s.quantity,
            _range(s.limits),
            s.provider,
            f"{s.jets}",
            text_of(s.median, 3),
            text_of(s.mode, 3),
            percent(s.resolution, 1),
        )
        for s in known
    ]
    columns = ("of", "pT gen/GeV", "provider", "jets", "median", "mode", "resolution/%")
    return Table("Scale and resolution", columns, without_repeats(rows))


def peak_table(summary: MassSummary) -> Table:
    """Peaks of all pT."""
    whole: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for peak in summary.peaks:
        key = (peak.kind, peak.origin, peak.provider)
        if key not in whole and peak.location.value is not None:
            whole[key] = (*key, f"{peak.jets}", text_of(peak.location, 3), percent(peak.width, 1))
    kinds = list(dict.fromkeys(peak.kind for peak in summary.peaks))
    origins = list(dict.fromkeys(peak.origin for peak in summary.peaks))
    rows = sorted(whole.values(), key=lambda r: (kinds.index(r[0]), origins.index(r[1]), summary.providers.index(r[2])))
    columns = ("mass of", "decay", "provider", "jets", "location", "width/%")
    return Table("Peaks", columns, without_repeats(rows), note="location: mass over the particle's")


def markdown(summary: MassSummary) -> str:
    """Both tables."""
    return "\n".join(table.markdown() for table in (scale_table(summary), peak_table(summary)))


def _range(limits: list[float | None]) -> str:
    low, high = limits
    return f">{low:g}" if high is None else f"{low:g}-{high:g}"
