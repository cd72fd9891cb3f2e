"""One HTML page that holds everything: tables, figures inside the file, no script, nothing fetched from anywhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from coffea_mljec.validation.common.table import Table

__all__ = ["Picture", "Section", "page"]


@dataclass(frozen=True)
class Picture:
    """A figure as PNG, with its caption; a wide one takes the whole width of the page."""

    name: str
    png: bytes
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: a few words, then figures, then tables."""

    anchor: str
    title: str
    words: str = ""
    pictures: Sequence[Picture] = field(default_factory=tuple)
    tables: Sequence[Table] = field(default_factory=tuple)


def page(title: str, words: str, sections: Sequence[Section], made: Mapping[str, str]) -> str:
    """Put the page together.

    Parameters
    ----------
    title, words : str
        Plain text: the heading, and what the page is about.
    sections : sequence of Section
        Those that hold neither figures nor tables are left out.
    made : mapping of str to str
        How the report was made: rows of the last table.

    Returns
    -------
    str
        A whole HTML document, UTF-8.
    """
    shown = [section for section in sections if section.pictures or section.tables]
    links = "".join(f'<a href="#{escape(part.anchor)}">{escape(part.title)}</a>' for part in shown)
    origin = Table("", ("what", "value"), tuple(made.items()))
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en-GB"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style></head><body>",
        f"<header><h1>{escape(title)}</h1><p>{escape(words)}</p></header>",
        f'<nav>{links}<a href="#made">How it was made</a></nav><main>',
        *(_section(part) for part in shown),
        f'<section id="made"><h2>How it was made</h2>{_table(origin, "facts")}</section>',
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _section(part: Section) -> str:
    words = f"<p>{escape(part.words)}</p>" if part.words else ""
    pictures = "".join(_picture(each) for each in part.pictures)
    grid = f'<div class="figures">{pictures}</div>' if pictures else ""
    tables = "".join(_table(each) for each in part.tables)
    return f'<section id="{escape(part.anchor)}"><h2>{escape(part.title)}</h2>{words}{grid}{tables}</section>'


def _picture(picture: Picture) -> str:
    kind = ' class="wide"' if picture.wide else ""
    data = b64encode(picture.png).decode("ascii")
    caption = escape(picture.caption)
    image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    return f'<figure id="{escape(picture.name)}"{kind}>{image}<figcaption>{caption}</figcaption></figure>'


def _table(table: Table, kind: str = "") -> str:
    heads = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "".join(f"<tr{_rule(row)}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    inner = f"{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="scroll"><table class="{kind or "numbers"}">{inner}</table></div>'


def _rule(row: Sequence[str]) -> str:
    """A line above each row that starts something new: an empty first cell repeats the one above."""
    return ' class="new"' if row and row[0] else ""


_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, "Helvetica Neue", Arial, sans-serif; color: #1b1b1b; background: #fff; margin: 0; }
header, nav, main { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 20px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 20px; border-bottom: 2px solid #1b1b1b; padding-bottom: 3px; margin: 34px 0 12px; }
p { max-width: 62em; margin: 6px 0 12px; }
nav { position: sticky; top: 0; background: #fff; padding-top: 8px; padding-bottom: 8px; border-bottom: 1px solid #ccc;
  z-index: 1; }
nav a { margin-right: 18px; color: #0b57a4; text-decoration: none; white-space: nowrap; }
section { scroll-margin-top: 48px; }
.figures { display: grid; grid-template-columns: 1fr 1fr; gap: 18px 26px; align-items: start; }
figure { margin: 0; break-inside: avoid; }
figure.wide { grid-column: 1 / -1; }
img { width: 100%; height: auto; display: block; }
figcaption { font-size: 13px; color: #444; margin-top: 4px; }
.scroll { overflow-x: auto; margin: 16px 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
caption { text-align: left; font-weight: 600; padding: 4px 0; }
th { text-align: left; border-bottom: 1.5px solid #1b1b1b; padding: 3px 16px 3px 0; vertical-align: bottom; }
td { padding: 1.5px 16px 1.5px 0; vertical-align: top; white-space: nowrap; }
tbody tr.new td { border-top: 1px solid #ccc; }
table.numbers td:nth-child(n+4), table.numbers th:nth-child(n+4) { text-align: right; }
table.facts td:last-child { white-space: normal; overflow-wrap: anywhere; }
@media (max-width: 820px) { .figures { grid-template-columns: 1fr; } }
@media print {
  @page { size: A4; margin: 13mm; }
  body { font-size: 10pt; }
  nav { display: none; }
  header, main { max-width: none; padding: 0; }
  h2 { break-after: avoid; margin-top: 18px; }
  .figures { grid-template-columns: 1fr 1fr; gap: 10px 14px; }
  figcaption { font-size: 8pt; }
  table { font-size: 8pt; }
  td, th { padding-right: 9px; }
  tr { break-inside: avoid; }
  .scroll { overflow: visible; }
}
"""
