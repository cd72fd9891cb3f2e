"""The one progress bar: what is done, how much of how much, and the time that is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

__all__ = ["Bar", "progress"]


class Bar:
    """One line of progress; `progress` makes one."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def advance(self, steps: float = 1, **fields: Any) -> None:
        """So many steps more are done; fields fill the note (``note="{jets:,} jets"``)."""
        self._bar.update(self._task, advance=steps, **fields)

    def update(self, **changes: Any) -> None:
        """``completed``, ``total``, ``description`` or fields of the note."""
        self._bar.update(self._task, **changes)

    def restart(self, description: str, total: float | None = None) -> None:
        """Begin another piece of work on the same line."""
        self._bar.reset(self._task, description=description, total=total)


@contextmanager
def progress(
    description: str,
    total: float | None = None,
    unit: str = "",
    note: str = "",
    shown: bool = True,
    console: Console | None = None,
    transient: bool = False,
    **fields: Any,
) -> Iterator[Bar]:
    """Show a bar on standard error while the block runs.

    Parameters
    ----------
    description : str
        What is being done. Plain text: no markup is read in it.
    total : float, optional
        How much there is to do; None while it is not known.
    unit : str
        What is counted.
    note : str
        More to show at the end of the line, a format of ``fields``: ``"loss {loss:.5f}"``.
    shown : bool
        False: nothing is printed.
    console : rich Console, optional
        Where to print; standard error by default.
    transient : bool
        Clear the line at the end.
    **fields
        First values of what the note names.

    Yields
    ------
    Bar
    """
    columns: list[Any] = [TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()]
    if unit:
        columns.append(TextColumn(unit, markup=False))
    columns.append(TimeRemainingColumn(elapsed_when_finished=True))
    if note:
        columns.append(_Note(note))
    where = Console(stderr=True, highlight=False) if console is None else console
    # The time that is left is told from the last five minutes: steps may take minutes each.
    with Progress(*columns, console=where, transient=transient, disable=not shown, speed_estimate_period=300.0) as bar:
        yield Bar(bar, bar.add_task(description, total=total, **fields))


class _Note(TextColumn):
    """The fields of a task in a format of their own."""

    def __init__(self, note: str) -> None:
        super().__init__("", markup=False)
        self.note = note

    def render(self, task: Any) -> Any:
        from rich.text import Text

        return Text(self.note.format(**task.fields))
