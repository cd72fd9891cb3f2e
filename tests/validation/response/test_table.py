"""The tables: what they say is what the summary says, in a terminal and on a page."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, INTERVALS, REGIONS
from coffea_mljec.validation.response.summary import Summary, summarise
from coffea_mljec.validation.response.table import markdown, rich_table, short_table, tables


@pytest.fixture(scope="module")
def summary(toy: Any) -> Summary:
    return summarise(toy.accumulated)


def test_rows_hold_the_numbers_of_the_summary(summary: Summary) -> None:
    by_flavour, by_interval, dependence = tables(summary)
    assert len(by_flavour.rows) == 2 * len(REGIONS) * len(FLAVOUR_GROUPS)
    # A row without any number is left out, and counted in the note.
    everything = 2 * len(REGIONS) * len(INTERVALS)
    cells = [cell for cell in summary.cells if cell.flavour == "all" and cell.median.value is not None]
    assert len(by_interval.rows) == len(cells) < everything
    assert by_interval.note == f"Left out: {everything - len(cells)} of {everything} rows, with too few jets."
    known = [found for found in summary.dependence if found.sae.value is not None]
    assert len(dependence.rows) == len(known)
    cell = summary.cell("model", "central", ">30", "all")
    row = by_flavour.rows[1]
    assert row[:4] == ("", "", "model", str(cell.jets))
    assert row[4] == f"{cell.median.value:.4f}±{cell.median.error:.4f}"
    assert row[5] == f"{100 * cell.resolution.value:.2f}±{100 * cell.resolution.error:.2f}"  # type: ignore[operator]
    assert cell.beta is not None
    assert row[7] == f"{100 * cell.beta.value:.1f}±{100 * cell.beta.error:.1f}"  # type: ignore[operator]
    assert by_flavour.rows[0][:3] == ("central", "all", "standard")
    assert by_flavour.rows[0][7] == ""
    found = summary.flavour_dependence("model", "central", ">30")
    assert found.alpha is not None
    assert dependence.rows[1][5] == f"{100 * found.alpha.value:.1f}±{100 * found.alpha.error:.1f}"  # type: ignore[operator]


def test_a_number_that_means_nothing_is_too_few_beside_those_that_do(toy: Any) -> None:
    """Flavours that a standard has alike leave nothing to improve: SAE is known, alpha is not."""
    dependence = tables(summarise(toy.make({"standard": "flat", "model": "model"})))[2]
    assert dependence.rows[1][5] == "too few"
    assert "±" in dependence.rows[1][3]


def test_the_short_table_is_the_outcome_in_a_few_lines(summary: Summary) -> None:
    table = short_table(summary)
    assert table.columns == ("region", "correction", "median", "resolution/%", "beta/%", "alpha/%")
    assert [row[:2] for row in table.rows] == [
        ("central", "standard"),
        ("", "model"),
        ("forward", "standard"),
        ("", "model"),
    ]
    cell = summary.cell("model", "central", ">30", "all")
    assert table.rows[1][3] == f"{100 * cell.resolution.value:.2f}±{100 * cell.resolution.error:.2f}"  # type: ignore[operator]
    assert table.rows[0][4:] == ("", "")
    stream = io.StringIO()
    Console(file=stream, width=80, force_terminal=False).print(table.rich())
    assert len(stream.getvalue().rstrip().splitlines()) <= 12


def test_the_short_table_leaves_out_what_no_correction_has(toy: Any) -> None:
    table = short_table(summarise(toy.make({"standard": "standard", "model": "model"}, keep=2_000)))
    assert table.columns[-1] == "beta/%"
    assert "Too few jets for alpha." in table.note
    assert short_table(summarise(toy.make({"standard": "standard"}, keep=0))).rows == ()


def test_markdown_is_a_table_of_equal_width(summary: Summary) -> None:
    text = markdown(summary, interval="50-100", intervals=[">30"])
    assert "**By flavour, pt_gen 50-100 GeV**" in text
    blocks = [block.splitlines()[2:] for block in text.split("**By")[1:]]
    for block in blocks:
        lines = [line for line in block if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in lines}) <= 2
    assert text.count("| --- | --- | --- | ---:") == 3
    assert text.rstrip().endswith("for the number to mean something.")


def test_terminal_shows_every_number_whole_in_eighty_columns(summary: Summary) -> None:
    stream = io.StringIO()
    Console(file=stream, width=80, force_terminal=False).print(rich_table(summary))
    text = stream.getvalue()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    for table in tables(summary):
        for row in table.rows:
            for value in row:
                assert value in text


def test_provider_names_are_text_not_markup(toy: Any) -> None:
    summary = summarise(toy.make({"standard": "standard", "a[red]|b": "model"}))
    stream = io.StringIO()
    Console(file=stream, width=100).print(rich_table(summary))
    assert "a[red]|b" in stream.getvalue()
    assert "a[red]\\|b" in markdown(summary)
