"""Writes what a validation found: numbers, tables and plots."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.validation.plots import LABEL, draw
from coffea_mljec.validation.summary import Summary, summarise
from coffea_mljec.validation.table import markdown

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """Where the report lies, and the numbers themselves."""

    summary: Summary
    numbers: Path
    table: Path
    plots: list[Path]


def write_report(
    accumulated: Mapping[str, Mapping[str, Any]],
    out_dir: str | os.PathLike[str],
    standard: str = "standard",
    *,
    formats: Sequence[str] = ("png", "pdf"),
    label: str = LABEL,
) -> Report:
    """Write ``numbers.json``, ``table.md`` and ``plots/*``; each file appears complete or not at all.

    Parameters
    ----------
    accumulated : mapping
        Dataset -> output of `ResponseProcessor`, accumulated over chunks. All datasets are added up.
    out_dir : path
        Created if it does not exist.
    standard : str
        The provider that the others are compared to.
    formats : sequence of str
        Of the plots: ``"png"``, ``"pdf"``, ``"svg"``; none for no plots (matplotlib is then not needed).
    label : str
        Written above each plot.

    Raises
    ------
    InputError
        If there is nothing to report, or the standard or a format is unknown.
    """
    unknown = sorted(set(formats) - {"png", "pdf", "svg"})
    if unknown:
        raise InputError(f"unknown plot formats {unknown}; choose from png, pdf, svg.")
    summary = summarise(accumulated, standard)
    folder = Path(out_dir)
    (folder / "plots" if formats else folder).mkdir(parents=True, exist_ok=True)

    numbers, table = folder / "numbers.json", folder / "table.md"
    plots: list[Path] = []
    text = json.dumps(summary.to_dict(), indent=1, allow_nan=False)
    _write(numbers, lambda part: part.write_text(text + "\n", encoding="utf-8"))
    _write(table, lambda part: part.write_text(markdown(summary), encoding="utf-8"))
    if formats:
        response = reduce(add, (accumulated[name]["response"] for name in summary.datasets))

        def save(name: str, figure: Any) -> None:
            for extension in formats:
                path = folder / "plots" / f"{name}.{extension}"
                _write(path, partial(figure.savefig, format=extension))
                plots.append(path)

        draw(summary, response, save, label)
    return Report(summary, numbers, table, plots)


def _write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Write to a temporary name beside `path`, then rename: nobody ever sees half a file."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        writer(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
