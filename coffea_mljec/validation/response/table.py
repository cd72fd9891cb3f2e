"""Tables of a summary, for the terminal (rich) and for a page (markdown)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, INTERVALS, REGIONS
from coffea_mljec.validation.response.summary import Cell, Measured, Summary

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Table", "legend", "markdown", "rich_table", "tables"]


@dataclass(frozen=True)
class Table:
    """Plain text cells; an empty cell repeats the one above."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(summary: Summary, interval: str = ">30", intervals: Iterable[str] = tuple(INTERVALS)) -> list[Table]:
    """The three tables of a validation.

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
    parts = []
    for table in tables(summary, interval, intervals):
        numeric = len(table.columns) - 3
        lines = [
            f"**{table.title}**",
            "",
            _row(table.columns),
            _row(["---"] * 3 + ["---:"] * numeric),
            *(_row(row) for row in table.rows),
            "",
        ]
        parts.append("\n".join(lines))
    return "\n".join([*parts, legend(summary), ""])


def rich_table(summary: Summary, interval: str = ">30", intervals: Iterable[str] = tuple(INTERVALS)) -> Group:
    """The tables and the legend for the terminal, 80 columns: ``rich.console.Console().print(rich_table(summary))``."""
    from rich import box
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    parts: list[RichTable | Padding] = []
    for table in tables(summary, interval, intervals):
        grid = RichTable(title=table.title, box=box.SIMPLE_HEAD, title_style="bold", padding=0)
        for position, column in enumerate(table.columns):
            grid.add_column(column, justify="left" if position < 3 else "right", overflow="fold")
        for number, row in enumerate(table.rows):
            last_of_region = number + 1 == len(table.rows) or bool(table.rows[number + 1][0])
            # Text, not str: a provider's name may hold square brackets, which rich would take for markup.
            cells = [Text(cell, style="dim" if cell == "too few" else "") for cell in row]
            grid.add_row(*cells, end_section=last_of_region)
        parts.append(grid)
    return Group(*parts, Padding(Text(legend(summary), style="dim"), (0, 1)))


def _by_flavour(summary: Summary, interval: str) -> Table:
    rows = [
        (region, flavour, provider, *_response(summary.cell(provider, region, interval, flavour)))
        for region in REGIONS
        for flavour in FLAVOUR_GROUPS
        for provider in summary.providers
    ]
    columns = ("region", "flavour", "provider", *_RESPONSE_COLUMNS)
    return Table(f"By flavour, pt_gen {interval.replace('>', '> ')} GeV", columns, _without_repeats(rows))


def _by_interval(summary: Summary, intervals: tuple[str, ...]) -> Table:
    rows = [
        (region, interval, provider, *_response(summary.cell(provider, region, interval, "all")))
        for region in REGIONS
        for interval in intervals
        for provider in summary.providers
    ]
    columns = ("region", "pt_gen", "provider", *_RESPONSE_COLUMNS)
    return Table("By interval of pt_gen (GeV), all flavours", columns, _without_repeats(rows))


def _dependence(summary: Summary, intervals: tuple[str, ...]) -> Table:
    rows = []
    for region in REGIONS:
        for interval in intervals:
            for provider in summary.providers:
                found = summary.flavour_dependence(provider, region, interval)
                floor = "" if found.floor is None else f"{100 * found.floor:.2f}"
                rows.append((region, interval, provider, _percent(found.sae, 2), floor, _percent(found.alpha, 1)))
    columns = ("region", "pt_gen", "provider", "SAE/%", "noise/%", "alpha/%")
    return Table("Flavour dependence by interval of pt_gen (GeV)", columns, _without_repeats(rows))


_RESPONSE_COLUMNS = ("jets", "median", "resol./%", "closure/%", "beta/%")


def _response(cell: Cell) -> tuple[str, ...]:
    return (
        f"{cell.jets}",
        _value(cell.median, 1.0, 4),
        _percent(cell.resolution, 2),
        _percent(cell.closure, 2),
        _percent(cell.beta, 1),
    )


def legend(summary: Summary) -> str:
    """What the columns are, in a few sentences."""
    return (
        "Response of jets matched to generator jets. resol. = (Q75 - Q25) / Q50; closure = |median - 1|; "
        f"beta = 1 - resol. / that of {summary.standard}; SAE = sum over u, d, s, c, b, g of |median - mean of the "
        "six|, noise = the SAE of equal flavours with these errors; "
        f"alpha = 1 - SAE / that of {summary.standard}. Errors: paired bootstrap of the events, {summary.replicas} "
        "replicas. too few: not enough jets for the number to mean something."
    )


def _percent(measured: Measured | None, digits: int) -> str:
    return "" if measured is None else _value(measured, 100.0, digits)


def _value(measured: Measured, scale: float, digits: int) -> str:
    if measured.value is None:
        return measured.note or ""
    error = "" if measured.error is None else f"±{scale * measured.error:.{digits}f}"
    return f"{scale * measured.value:.{digits}f}{error}"


def _without_repeats(rows: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Blank the first two cells of a row where they repeat those of the row above."""
    result = []
    previous: tuple[str, ...] = ("", "")
    for row in rows:
        head = ("" if row[0] == previous[0] else row[0], "" if row[:2] == previous[:2] else row[1])
        result.append((*head, *row[2:]))
        previous = row
    return tuple(result)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
