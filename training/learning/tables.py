"""A table of trainings as files for people: CSV and markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from coffea_mljec.support.atomic import write_text

__all__ = ["write_table"]


def write_table(folder: Path, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write ``NAME.csv`` and ``NAME.md`` into a folder."""
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([columns, *rows])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    write_text(folder / f"{name}.csv", table.getvalue())
    write_text(folder / f"{name}.md", "\n".join(lines) + "\n")
