"""One HTML page that holds everything: tables, figures inside the file, no script, nothing fetched from anywhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence

from coffea_mljec.validation.common.section import Section
from coffea_mljec.validation.common.table import Table

__all__ = ["page"]


def page(title: str, words: str, sections: Sequence[Section], made: Mapping[str, str], caveat: str = "") -> str:
    """Put the page together, from the template ``page.html.j2``.

    Parameters
    ----------
    title, words : str
        Plain text: the heading, and what the page is about.
    sections : sequence of Section
        Those that hold neither figures nor tables with rows are left out.
    made : mapping of str to str
        How the report was made: rows of the last table.
    caveat : str
        A paragraph that stands out, below `words`.

    Returns
    -------
    str
        A whole HTML document, UTF-8.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("coffea_mljec", "report"), autoescape=True, undefined=StrictUndefined,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["b64encode"] = lambda content: b64encode(content).decode("ascii")
    shown = [part for part in sections if part.pictures or any(table.rows for table in part.tables)]
    origin = Table("", ("what", "value"), tuple(made.items()))
    template = environment.get_template("page.html.j2")
    return template.render(title=title, words=words, caveat=caveat, sections=shown, made=origin)
