"""The one progress bar."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from coffea_mljec.support.progress import progress


@pytest.fixture
def screen() -> Any:
    """80 columns that keep what is printed, the bar as it is at its end: ``screen.text()``."""
    console: Any = Console(file=io.StringIO(), width=80)
    console.text = console.file.getvalue
    return console


def test_what_is_done_of_how_much(screen: Any) -> None:
    with progress("Reading", 3, "files", console=screen) as bar:
        bar.advance()
        bar.advance(2)
    last = screen.text().splitlines()[-1]
    assert "Reading" in last
    assert "3/3" in last
    assert "files" in last
    assert len(last) <= 80


def test_a_note_of_fields(screen: Any) -> None:
    with progress("Training", 2, note="loss {loss:.3f}", console=screen, loss=1.0) as bar:
        bar.advance(loss=0.25)
        bar.advance()
    assert "loss 0.250" in screen.text().splitlines()[-1]


def test_another_piece_of_work_on_the_same_line(screen: Any) -> None:
    with progress("Correcting", unit="events", console=screen) as bar:
        bar.restart("file 1/2")
        bar.update(completed=5, total=10)
        bar.restart("file 2/2", total=4)
        bar.update(completed=3)
    last = screen.text().splitlines()[-1]
    assert "file 2/2" in last
    assert "3/4" in last


def test_markup_is_printed_as_it_is(screen: Any) -> None:
    with progress("[bold]x[/]", 1, "[red]", note="{of}", console=screen, of="[a]"):
        pass
    last = screen.text().splitlines()[-1]
    assert "[bold]x[/]" in last
    assert "[red]" in last
    assert "[a]" in last


def test_hidden(screen: Any) -> None:
    with progress("Reading", 3, shown=False, console=screen) as bar:
        bar.advance()
        bar.restart("again")
    assert screen.text() == ""


def test_standard_error_is_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Reading", 1) as bar:
        bar.advance()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Reading" in printed.err
