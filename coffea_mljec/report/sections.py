"""The parts of the page: which figures and tables go together, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coffea_mljec.report.page import Picture, Section
from coffea_mljec.validation.balance.figures import balance_table, reference_name
from coffea_mljec.validation.balance.summary import BalanceSummary
from coffea_mljec.validation.common.binning import REGIONS
from coffea_mljec.validation.common.table import Table
from coffea_mljec.validation.dijet.figures import dijet_table
from coffea_mljec.validation.dijet.summary import DijetSummary
from coffea_mljec.validation.response.jet_display import Cloud
from coffea_mljec.validation.response.summary import Summary
from coffea_mljec.validation.response.table import legend, short_table, tables

__all__ = ["about", "sections"]

_REGION = {
    "central": "|eta| of the generator jet below 2.5",
    "forward": "|eta| of the generator jet from 2.5 to 5",
    "all": "all |eta|",
}
_CAPTIONS = {
    "median": "Median response against generator pT, all flavours; {region}.",
    "resolution": "Resolution against generator pT and its ratio to the standard's, all flavours; {region}.",
    "flavours": "Median response by flavour, one panel a correction; {region}.",
    "response": "Distribution of the response in intervals of generator pT; {region}.",
    "abs_eta": "Median, resolution and ratio against |eta| of the generator jet.",
    "rho": "Median, resolution and ratio against rho, the energy density of pileup; {region}.",
    "npv": "Median, resolution and ratio against the number of vertices; {region}.",
    "dijet_asymmetry": "Asymmetry of the two jets in the bins with the most events.",
    "dijet_third_jet": "Width of the asymmetry against the cut on the third jet, extrapolated to none.",
    "dijet_same": "Resolution from the asymmetry of two jets in one range of |eta|.",
    "dijet_reference": "Resolution of a probe jet against a reference jet, whose own resolution is subtracted.",
    "balance": "Median balance; below, its ratio to the generators' balance, with a band of 2 %.",
    "jet": "Particles of one jet (area: share of the pT), and the pT that each correction gives it.",
}
_WIDE = ("flavours", "response", "abs_eta", "rho", "npv", "dijet_asymmetry", "jet")


def about(summary: Summary | None, dijets: DijetSummary | None, balance: BalanceSummary | None) -> str:
    """One or two sentences at the head of the page: what was compared, on how much."""
    providers = next(found.providers for found in (summary, dijets, balance) if found is not None)
    words = [f"Compared: {', '.join(providers)}."]
    if summary is not None:
        counts = summary.counts
        words.append(
            f"Response of {counts.get('judged', 0):,} jets matched to generator jets, of {counts.get('events', 0):,} "
            f"events; beta and alpha are relative to {summary.standard}."
        )
        lost = {name: count for name, count in summary.non_finite.items() if count}
        if lost:
            words.append(f"Left out, because a correction was not finite: {lost}.")
    return " ".join(words)


def sections(
    summary: Summary | None,
    dijets: DijetSummary | None,
    balance: BalanceSummary | None,
    clouds: Sequence[Cloud],
    pictures: Mapping[str, bytes],
) -> list[Section]:
    """All parts of the page, in reading order; those without content are left out by the page.

    Parameters
    ----------
    summary, dijets, balance : summaries or None
    clouds : sequence of Cloud
    pictures : mapping of str to bytes
        Name of the figure -> PNG.
    """

    def of(*kinds: str) -> tuple[Picture, ...]:
        return tuple(_picture(name, png) for name, png in pictures.items() if _kind(name) in kinds)

    parts: list[Section] = []
    if summary is not None:
        parts += [
            Section("glance", "At a glance", "Generator pT above 30 GeV, all flavours.", (), (short_table(summary),)),
            Section("pt", "Against pT", legend(summary), of("median", "resolution")),
            Section("pileup", "Against |eta| and pileup", "", of("abs_eta", "rho", "npv")),
            Section("flavours", "Flavours", "", of("flavours")),
            Section("distributions", "Distributions", "", of("response")),
        ]
    if dijets is not None:
        words = (
            "Asymmetry (reference - probe) / (pT1 + pT2) of two back-to-back jets; the generator jets' own is "
            f"subtracted. Width: {dijets.estimator}. {_cuts(dijets.selected)}"
        )
        found = of("dijet_same", "dijet_reference", "dijet_asymmetry", "dijet_third_jet")
        parts.append(Section("dijets", "Dijets", words, found, (dijet_table(dijets),)))
    if balance is not None:
        words = (
            f"The leading jet against the {reference_name(balance)}: pT balance, and the projection of the missing "
            f"momentum ({balance.met or 'none in these events'}). {_cuts(balance.selected)}"
        )
        parts.append(Section("balance", "Balance", words, of("balance"), (balance_table(balance),)))
    words = "Chosen by rule: central jets with all their particles, nearest to 100 GeV, one of a kind."
    parts.append(Section("jets", "Single jets", words, of("jet"), (_jets(clouds),) if clouds else ()))
    if summary is not None:
        closing = (_closures(summary),) if summary.closures else ()
        parts.append(Section("tables", "Tables", "", (), (*tables(summary), *closing, _counts(summary))))
    return parts


def _kind(name: str) -> str:
    return max((kind for kind in _CAPTIONS if name == kind or name.startswith(f"{kind}_")), key=len)


def _picture(name: str, png: bytes) -> Picture:
    kind = _kind(name)
    region = _REGION.get(name.removeprefix(f"{kind}_"), "")
    return Picture(name, png, _CAPTIONS[kind].format(region=region), kind in _WIDE)


def _closures(summary: Summary) -> Table:
    rows, previous = [], ("", "")
    for found in sorted(summary.closures, key=lambda c: (REGIONS.index(c.region), c.flavour)):
        place = (found.region, found.flavour)
        start = ("" if place[0] == previous[0] else place[0], "" if place == previous else place[1])
        numbers = (
            "" if found.chi_square is None else f"{found.chi_square:.1f}",
            f"{found.bins}",
            "" if found.p_value is None else f"{found.p_value:.3g}",
            "" if found.worst is None else f"{100 * found.worst:.2f}",
        )
        rows.append((*start, found.provider, *numbers))
        previous = place
    columns = ("region", "flavour", "provider", "chi-square", "bins", "p", "worst |median - 1|/%")
    return Table("Closure in bins of pt_gen above 30 GeV: chi-square of the medians against 1", columns, tuple(rows))


def _counts(summary: Summary) -> Table:
    rows = [(name.replace("_", " "), "", "", f"{count}") for name, count in summary.counts.items()]
    for provider, codes in summary.status.items():
        for number, (code, count) in enumerate(codes.items()):
            words = code.lower().replace("|", " + ")
            rows.append((provider if number == 0 else "", "status", words, f"{count}"))
    return Table("Counted", ("what", "", "", "number"), tuple(rows))


def _jets(clouds: Sequence[Cloud]) -> Table:
    rows = []
    for cloud in clouds:
        for number, (provider, pt) in enumerate({"raw": cloud.pt_raw, **cloud.pt}.items()):
            event = f"{cloud.run}:{cloud.luminosity_block}:{cloud.event}, jet {cloud.jet}"
            start = (event, cloud.flavour or "data") if number == 0 else ("", "")
            truth = "" if cloud.pt_gen is None else f"{cloud.pt_gen:.1f}"
            ratio = "" if cloud.pt_gen is None else f"{pt / cloud.pt_gen:.3f}"
            rows.append((*start, provider, f"{pt:.1f}", truth, ratio))
    return Table("", ("event", "flavour", "correction", "pT/GeV", "generator/GeV", "response"), tuple(rows))


def _cuts(selected: Mapping[str, int]) -> str:
    return " ".join(f"{name.replace('_', ' ')}: {count:,};" for name, count in selected.items()).rstrip(";")
