"""The page: one file, nothing fetched, no script, every figure inside it, and Chromium shows it."""

from __future__ import annotations

import io
from base64 import b64decode
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.report import write_report
from coffea_mljec.report.page import page
from coffea_mljec.validation import summarise
from coffea_mljec.validation.common.section import Picture, Section
from coffea_mljec.validation.common.table import Table
from tests.report.conftest import balance, cloud, dijets

PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
VOID = {"meta", "img", "link", "br"}


class Reader(HTMLParser):
    """Collects what a page holds; refuses tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.add(tag)
        self.anchors |= {named["id"]} if named.get("id") else set()
        if tag == "img":
            self.images.append(named)
        if tag == "a":
            self.links.append(named["href"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def whole(toy: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("report")
    return write_report(
        {"response": summarise(toy.accumulated), "dijets": dijets(), "balance": balance()}, folder,
        formats=("png",), clouds=[cloud()], made={"command": "mljec report a.root <b>"}, title="A & B",
    )  # fmt: skip


def test_the_page_holds_every_figure_and_fetches_nothing(whole: Any) -> None:
    text = whole.page.read_text(encoding="utf-8")
    reader = read(text)
    assert len(reader.images) == len(whole.plots) >= 15
    for image in reader.images:
        assert image["alt"]
        start, data = (image["src"] or "").split(",", 1)
        assert start == "data:image/png;base64"
        assert b64decode(data).startswith(b"\x89PNG")
    assert {path.stem for path in whole.plots} <= reader.anchors
    assert {link.removeprefix("#") for link in reader.links} <= reader.anchors
    assert not {"script", "link", "iframe", "object"} & reader.tags
    assert "http" not in text.split("<main>")[0]
    assert "@import" not in text
    assert "url(" not in text
    assert "A &amp; B" in text
    assert "a.root &lt;b&gt;" in text


def test_chromium_shows_the_page_without_broken_figures(whole: Any, screenshot: Callable[..., Any]) -> None:
    """What is painted depends on the figures: the same page with other pixels in one of them looks different there."""
    shown = screenshot(whole.page, 1280, 2400)
    assert shown.shape == (2400, 1280, 3)
    ink = (shown < 128).any(axis=2)
    # The page's margins are white, the rest is not: a heading, a table and figures, all within the window's width.
    assert not ink[:, :20].any()
    assert not ink[:, -20:].any()
    assert ink[:80].any()
    rows = ink[600:].mean(axis=1)
    assert rows.max() > 0.2
    assert (shown.reshape(-1, 3) == (0xE4, 0x25, 0x36)).all(axis=1).any()  # the second provider


def test_chromium_decodes_each_figure(tmp_path: Path, screenshot: Callable[..., Any]) -> None:
    from PIL import Image

    squares = []
    for name, colour in (("a", (200, 0, 0)), ("b", (0, 0, 200))):
        png = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(png, format="png")
        squares.append(Picture(name, png.getvalue(), name))
    path = tmp_path / "page.html"
    path.write_text(page("two", "", [Section("s", "s", "", squares)], {}), encoding="utf-8")
    shown = screenshot(path).reshape(-1, 3)
    red, blue = ((shown == colour).all(axis=1).sum() for colour in ((200, 0, 0), (0, 0, 200)))
    # Side by side, half the page's width each.
    assert red > 200_000
    assert abs(int(red) - int(blue)) < 0.01 * red


def test_empty_parts_are_left_out() -> None:
    table = Table("t", ("a", "b"), (("1", "<2>"),))
    text = page("x", "", [Section("full", "Full", "", (), (table,)), Section("empty", "Empty", "words")], {})
    reader = read(text)
    assert {"full", "made"} <= reader.anchors
    assert "empty" not in reader.anchors
    assert "&lt;2&gt;" in text


def test_a_wide_picture_spans_the_page() -> None:
    text = page("x", "", [Section("s", "S", "", (Picture("w", PNG, "wide", True), Picture("n", PNG, "narrow")))], {})
    assert '<figure id="w" class="wide">' in text
    assert '<figure id="n">' in text
