"""Tables of plain text, as the terminal (rich), a page (markdown) and the report show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coffea_mljec.validation.common.measured import TOO_FEW, Measured

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = ["Table", "percent", "text_of", "without_repeats"]


@dataclass(frozen=True)
class Table:
    """Plain text cells; an empty cell repeats the one above.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuples of str
    words : int
        So many columns at the left hold words, the others numbers.
    note : str
        What to know about the rows, below them.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 3
    note: str = ""

    def markdown(self) -> str:
        """The table as GitHub markdown, its title above, its note below, and an empty line."""
        numbers = len(self.columns) - self.words
        lines = [f"**{self.title}**", ""] if self.title else []
        lines += [
            _row(self.columns),
            _row(["---"] * self.words + ["---:"] * numbers),
            *(_row(row) for row in self.rows),
        ]
        lines += ["", self.note] if self.note else []
        return "\n".join([*lines, ""])

    def rich(self) -> RichTable:
        """The table for ``rich.console.Console().print``."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        note = Text(self.note, style="dim") if self.note else None
        grid = RichTable(
            title=self.title or None, box=box.SIMPLE_HEAD, title_style="bold", padding=0, caption=note,
            caption_justify="left",
        )  # fmt: skip
        for position, column in enumerate(self.columns):
            grid.add_column(column, justify="left" if position < self.words else "right", overflow="fold")
        for number, row in enumerate(self.rows):
            last_of_region = number + 1 == len(self.rows) or bool(self.rows[number + 1][0])
            # Text, not str: a provider's name may hold square brackets, which rich would take for markup.
            cells = [Text(cell, style="dim" if cell == TOO_FEW else "") for cell in row]
            grid.add_row(*cells, end_section=last_of_region)
        return grid


def text_of(measured: Measured | None, digits: int, scale: float = 1.0) -> str:
    """A number with its error, or the note that says why there is none; empty for None."""
    if measured is None:
        return ""
    if measured.value is None:
        return measured.note or ""
    error = "" if measured.error is None else f"±{scale * measured.error:.{digits}f}"
    return f"{scale * measured.value:.{digits}f}{error}"


def percent(measured: Measured | None, digits: int) -> str:
    """As `text_of`, in per cent."""
    return text_of(measured, digits, 100.0)


def without_repeats(rows: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
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
