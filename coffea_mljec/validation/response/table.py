"""Tables of a summary of the response: one short, and all numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, INTERVALS, REGIONS
from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.table import Table, percent, text_of, without_repeats
from coffea_mljec.validation.response.summary import Cell, Summary

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["legend", "markdown", "rich_table", "short_table", "tables"]

_SHORT = (("median", 4, 1.0), ("resolution/%", 2, 100.0), ("beta/%", 1, 100.0), ("alpha/%", 1, 100.0))
"""Numbers of the short table: name, digits, scale."""

_Row = tuple[tuple[str, ...], tuple[Measured | None, ...], tuple[str, ...]]
"""Words of a row, the numbers that it is about, and all its numbers as text."""


def short_table(summary: Summary, interval: str = ">30") -> Table:
    """The outcome in a few lines: a row a region and correction, all flavours.

    Parameters
    ----------
    summary : Summary
        From `coffea_mljec.validation.response.summary.summarise`.
    interval : str
        Of pt_gen.

    Returns
    -------
    Table
        Columns region, correction, median, resolution, beta, alpha; ``rows`` are plain text, ``rich()`` is for the
        terminal. Columns without any number (alpha of a small sample) are left out, and the note says so.
    """
    rows: list[tuple[tuple[str, str], list[Measured | None]]] = []
    for region in REGIONS:
        for provider in summary.providers:
            cell = summary.cell(provider, region, interval, "all")
            alpha = summary.flavour_dependence(provider, region, interval).alpha
            rows.append(((region, provider), [cell.median, cell.resolution, cell.beta, alpha]))
    shown = [position for position in range(len(_SHORT)) if any(_known(numbers[position]) for _, numbers in rows)]
    lacking = [_SHORT[position][0] for position in range(len(_SHORT)) if position not in shown]
    texts = [
        (*words, *(text_of(numbers[k], _SHORT[k][1], _SHORT[k][2]) for k in shown))
        for words, numbers in rows
        if any(_known(each) for each in numbers)
    ]
    note = f"beta: better resolution than {summary.standard}'s; alpha: less flavour dependence than its."
    note += f" Too few jets for {' and '.join(name.partition('/')[0] for name in lacking)}." if lacking else ""
    columns = ("region", "correction", *(_SHORT[position][0] for position in shown))
    title = f"pt_gen {interval.replace('>', '> ')} GeV, all flavours"
    return Table(title, columns, without_repeats(texts), words=2, note=note)


def tables(summary: Summary, interval: str = ">30", intervals: Iterable[str] = tuple(INTERVALS)) -> list[Table]:
    """The three tables of a validation; rows without any number are left out.

    Parameters
    ----------
    summary : Summary
        From `coffea_mljec.validation.response.summary.summarise`.
    interval : str
        pt_gen interval of the table by flavour.
    intervals : iterable of str
        Rows of the tables by interval.

    Returns
    -------
    list of Table
        By flavour in one interval and by interval for all flavours (median, resolution, closure, beta), and the flavour
        dependence by interval (SAE, alpha).
    """
    chosen = tuple(intervals)
    return [_by_flavour(summary, interval), _by_interval(summary, chosen), _dependence(summary, chosen)]


def markdown(summary: Summary, interval: str = ">30", intervals: Iterable[str] = tuple(INTERVALS)) -> str:
    """The tables as GitHub markdown, each under its title, with the legend."""
    return "\n".join([*(table.markdown() for table in tables(summary, interval, intervals)), legend(summary), ""])


def rich_table(summary: Summary, interval: str = ">30", intervals: Iterable[str] = tuple(INTERVALS)) -> Group:
    """The tables and the legend for the terminal, 80 columns: ``rich.console.Console().print(rich_table(summary))``."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts = [table.rich() for table in tables(summary, interval, intervals)]
    return Group(*parts, Padding(Text(legend(summary), style="dim"), (0, 1)))


def _by_flavour(summary: Summary, interval: str) -> Table:
    rows = [
        ((region, flavour, provider), *_response(summary.cell(provider, region, interval, flavour)))
        for region in REGIONS
        for flavour in FLAVOUR_GROUPS
        for provider in summary.providers
    ]
    columns = ("region", "flavour", "provider", *_RESPONSE_COLUMNS)
    return _table(f"By flavour, pt_gen {interval.replace('>', '> ')} GeV", columns, rows)


def _by_interval(summary: Summary, intervals: tuple[str, ...]) -> Table:
    rows = [
        ((region, interval, provider), *_response(summary.cell(provider, region, interval, "all")))
        for region in REGIONS
        for interval in intervals
        for provider in summary.providers
    ]
    columns = ("region", "pt_gen", "provider", *_RESPONSE_COLUMNS)
    return _table("By interval of pt_gen (GeV), all flavours", columns, rows)


def _dependence(summary: Summary, intervals: tuple[str, ...]) -> Table:
    rows: list[_Row] = []
    for region in REGIONS:
        for interval in intervals:
            for provider in summary.providers:
                found = summary.flavour_dependence(provider, region, interval)
                floor = "" if found.floor is None else f"{100 * found.floor:.2f}"
                texts = (percent(found.sae, 2), floor, percent(found.alpha, 1))
                rows.append(((region, interval, provider), (found.sae, found.alpha), texts))
    columns = ("region", "pt_gen", "provider", "SAE/%", "noise/%", "alpha/%")
    return _table("Flavour dependence by interval of pt_gen (GeV)", columns, rows)


_RESPONSE_COLUMNS = ("jets", "median", "resol./%", "closure/%", "beta/%")


def _response(cell: Cell) -> tuple[tuple[Measured | None, ...], tuple[str, ...]]:
    numbers = (cell.median, cell.resolution, cell.closure, cell.beta)
    texts = (percent(cell.resolution, 2), percent(cell.closure, 2), percent(cell.beta, 1))
    return numbers, (f"{cell.jets}", text_of(cell.median, 4), *texts)


def _table(title: str, columns: tuple[str, ...], rows: Sequence[_Row]) -> Table:
    """Leave out the rows without any number, and say how many they are."""
    kept = [(*words, *texts) for words, numbers, texts in rows if any(_known(each) for each in numbers)]
    note = f"Left out: {len(rows) - len(kept)} of {len(rows)} rows, with too few jets." if len(kept) < len(rows) else ""
    return Table(title, columns, without_repeats(kept), note=note)


def _known(number: Measured | None) -> bool:
    return number is not None and number.value is not None


def legend(summary: Summary) -> str:
    """What the columns are, in a few sentences."""
    return (
        "Response of jets matched to generator jets. resol. = (Q75 - Q25) / Q50; closure = |median - 1|; "
        f"beta = 1 - resol. / that of {summary.standard}; SAE = sum over u, d, s, c, b, g of |median - mean of the "
        "six|, noise = the SAE of equal flavours with these errors; "
        f"alpha = 1 - SAE / that of {summary.standard}. Errors: paired bootstrap of the events, {summary.replicas} "
        "replicas. too few: not enough jets for the number to mean something."
    )
