"""Writes what a validation found: numbers, tables, figures, and one page with all of it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.report.page import page
from coffea_mljec.report.sections import about, sections
from coffea_mljec.validation.balance.figures import draw_balance
from coffea_mljec.validation.balance.summary import BalanceSummary
from coffea_mljec.validation.common.measured import added_histograms
from coffea_mljec.validation.common.style import LABEL, style
from coffea_mljec.validation.dijet.figures import draw_dijets
from coffea_mljec.validation.dijet.summary import DijetSummary
from coffea_mljec.validation.response.figures import draw
from coffea_mljec.validation.response.jet_display import Cloud, draw_cloud
from coffea_mljec.validation.response.summary import Summary, summarise
from coffea_mljec.validation.response.table import markdown
from coffea_mljec.validation.response.trend_figures import draw_trends

__all__ = ["TITLE", "Report", "write_report"]

TITLE = "Jet energy corrections compared"


@dataclass(frozen=True)
class Report:
    """Where the report lies, and the numbers themselves; `summary` and `table` are None without a response."""

    summary: Summary | None
    numbers: Path
    table: Path | None
    page: Path
    plots: list[Path]


def write_report(
    accumulated: Mapping[str, Mapping[str, Any]] | None,
    out_dir: str | os.PathLike[str],
    standard: str = "standard",
    *,
    formats: Sequence[str] = ("png", "pdf"),
    label: str = LABEL,
    title: str = TITLE,
    dijets: DijetSummary | None = None,
    balance: BalanceSummary | None = None,
    clouds: Sequence[Cloud] = (),
    made: Mapping[str, str] | None = None,
) -> Report:
    """Write ``numbers.json``, ``table.md``, ``report.html`` and ``plots/*``; each appears complete or not at all.

    Parameters
    ----------
    accumulated : mapping or None
        Dataset -> output of `ResponseProcessor`, accumulated over chunks. All datasets are added up. None on data.
    out_dir : path
        Created if it does not exist.
    standard : str
        The provider that the others are compared to.
    formats : sequence of str
        Of the plots: ``"png"``, ``"pdf"``, ``"svg"``; none for no plots (matplotlib is then not needed), also on the
        page.
    label : str
        Written above each plot: whose jets these are. The first word is set bold.
    title : str
        Of the page.
    dijets : DijetSummary, optional
    balance : BalanceSummary, optional
    clouds : sequence of Cloud
        Jets to display, from `coffea_mljec.validation.response.jet_display.find_clouds`.
    made : mapping of str to str, optional
        How the report was made, for the end of the page; the package's version is added.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If there is nothing to report, or the standard or a format is unknown.
    """
    unknown = sorted(set(formats) - {"png", "pdf", "svg"})
    if unknown:
        raise InputError(f"unknown plot formats {unknown}; choose from png, pdf, svg.")
    if not accumulated and dijets is None and balance is None:
        raise InputError(
            "nothing to report: no response, no dijets, no balance. Did the run see any events, and were files skipped?"
        )
    summary = summarise(accumulated, standard) if accumulated else None
    made = {**(made or {}), "made with": f"coffea-mljec {version('coffea-mljec')}, coffea {version('coffea')}"}
    folder = Path(out_dir)
    (folder / "plots" if formats else folder).mkdir(parents=True, exist_ok=True)

    numbers, table, whole = folder / "numbers.json", folder / "table.md", folder / "report.html"
    found: dict[str, Any] = {} if summary is None else summary.to_dict()
    found |= {} if dijets is None else {"dijets": dijets.to_dict()}
    found |= {} if balance is None else {"balance": balance.to_dict()}
    found |= {"jets": [cloud.to_dict() for cloud in clouds], "made": made}
    text = json.dumps(found, indent=1, allow_nan=False)
    _write(numbers, lambda part: part.write_text(text + "\n", encoding="utf-8"))
    if summary is not None:
        words = markdown(summary)
        _write(table, lambda part: part.write_text(words, encoding="utf-8"))
    pictures: dict[str, bytes] = {}
    plots: list[Path] = []
    if formats:

        def save(name: str, figure: Any) -> None:
            image = io.BytesIO()
            figure.savefig(image, format="png")
            pictures[name] = image.getvalue()
            for extension in formats:
                path = folder / "plots" / f"{name}.{extension}"
                if extension == "png":
                    _write(path, lambda part: part.write_bytes(image.getvalue()))
                else:
                    _write(path, partial(figure.savefig, format=extension))
                plots.append(path)

        with style():
            if accumulated and summary is not None:
                draw(summary, added_histograms(accumulated, summary.datasets, "response"), save, label)
                draw_trends(summary, save, label)
            if dijets is not None:
                draw_dijets(dijets, save, label)
            if balance is not None:
                draw_balance(balance, save, label)
            for number, cloud in enumerate(clouds, start=1):
                save(f"jet_{number}", draw_cloud(cloud, label))
    parts = sections(summary, dijets, balance, clouds, pictures)
    html = page(title, about(summary, dijets, balance), parts, made)
    _write(whole, lambda part: part.write_text(html, encoding="utf-8"))
    return Report(summary, numbers, None if summary is None else table, whole, plots)


def _write(path: Path, writer: Callable[[Path], Any]) -> None:
    """Write to a temporary name beside `path`, then rename: nobody ever sees half a file."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        writer(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
