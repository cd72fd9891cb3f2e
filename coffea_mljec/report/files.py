"""Writes what a validation found: numbers, tables, figures, and one page with all of it."""

from __future__ import annotations

import io
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.report.page import page
from coffea_mljec.support.atomic import make_folder, whole_file, write_bytes, write_text
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.measurement import MeasurementSummary
from coffea_mljec.validation.common.section import Drawing, Picture, Section
from coffea_mljec.validation.common.style import style
from coffea_mljec.validation.registry import MEASUREMENTS
from coffea_mljec.validation.response.clouds import Cloud
from coffea_mljec.validation.response.jet_display import cloud_section, draw_clouds
from coffea_mljec.validation.response.summary import Summary

__all__ = ["FORMATS", "TITLE", "Report", "write_report"]

TITLE = "Jet energy corrections compared"
FORMATS = ("png", "pdf", "svg")
"""Of the figures."""


@dataclass(frozen=True)
class Report:
    """Where the report lies, and the numbers of the response; `summary` and `table` are None without one."""

    summary: Summary | None
    numbers: Path
    table: Path | None
    page: Path
    plots: list[Path]


def write_report(
    results: Mapping[str, MeasurementSummary],
    out_dir: str | os.PathLike[str],
    *,
    formats: Sequence[str] = ("png", "pdf"),
    label: str | None = None,
    energy: float | None = None,
    title: str = TITLE,
    clouds: Sequence[Cloud] = (),
    caveat: str = "",
    made: Mapping[str, str] | None = None,
) -> Report:
    """Write ``numbers.json``, ``table.md``, ``report.html`` and ``plots/*``; each appears complete or not at all.

    Parameters
    ----------
    results : mapping of str to MeasurementSummary
        Name of a measurement (`coffea_mljec.validation.registry.MEASUREMENTS`) -> its summary.
    out_dir : path
        Created if it does not exist.
    formats : sequence of str
        Of the plots, out of `FORMATS`; none for no plots (matplotlib is then not needed), also on the page.
    label : str, optional
        Written above each plot: whose jets these are. The first word is set bold. By default what the events say of
        themselves: this project's simulation, or simulation or data of NanoAOD.
    energy : float, optional
        Centre-of-mass energy in TeV, for the plots; by default what the datasets' metadata say (``sqrt_s``).
    title : str
        Of the page.
    clouds : sequence of Cloud
        Jets to display, from `coffea_mljec.validation.response.clouds.find_clouds`.
    caveat : str
        What a reader is to know before the numbers: a paragraph below the head of the page.
    made : mapping of str to str, optional
        How the report was made, for the end of the page; the package's version is added.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If there is nothing to report, a measurement or a format is unknown, or the folder cannot be written to.
    """
    _check(results, formats)
    made = {**(made or {}), "made with": f"coffea-mljec {version('coffea-mljec')}, coffea {version('coffea')}"}
    folder = Path(out_dir)
    make_folder(folder / "plots" if formats else folder)

    numbers = folder / "numbers.json"
    write_text(numbers, json.dumps(_numbers(results, clouds, made, caveat), indent=1, allow_nan=False) + "\n")
    table = _write_tables(results, folder / "table.md")
    captions = {name: summary.caption(label, energy) for name, summary in results.items()}
    drawings = _drawings(results, captions, clouds)
    pictures, plots = _write_figures(drawings, folder / "plots", formats) if formats else ({}, [])
    parts = [replace(part, pictures=tuple(pictures.get(part.anchor, ()))) for part in _sections(results, clouds)]
    whole = folder / "report.html"
    write_text(whole, page(title, _about(results), parts, made, caveat))
    summary = results.get("response")
    return Report(summary if isinstance(summary, Summary) else None, numbers, table, whole, plots)


def _check(results: Mapping[str, MeasurementSummary], formats: Sequence[str]) -> None:
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise InputError(f"unknown plot formats {unknown}; choose from {', '.join(FORMATS)}.")
    strange = sorted(set(results) - set(MEASUREMENTS))
    if strange:
        raise InputError(f"unknown measurements {strange}; there are {', '.join(MEASUREMENTS)}.")
    if not results:
        raise InputError(
            f"nothing to report: {', '.join(f'no {name}' for name in MEASUREMENTS)}. Did the run see any events, and "
            "were files skipped?"
        )


def _numbers(
    results: Mapping[str, MeasurementSummary], clouds: Sequence[Cloud], made: Mapping[str, str], caveat: str
) -> dict[str, Any]:
    """The response's numbers by themselves, those of others under their name."""
    found: dict[str, Any] = {name: summary.to_dict() for name, summary in results.items()}
    response = found.pop("response", {})
    about = {"caveat": caveat, "made": dict(made)}
    return response | found | {"jets": [cloud.to_dict() for cloud in clouds]} | about


def _write_tables(results: Mapping[str, MeasurementSummary], path: Path) -> Path | None:
    """The tables of those measurements that have them in markdown."""
    writers = {name: measurement.markdown for name, measurement in MEASUREMENTS.items() if name in results}
    texts = [writer(results[name]) for name, writer in writers.items() if writer is not None]
    if not texts:
        return None
    write_text(path, "\n".join(texts))
    return path


def _drawings(
    results: Mapping[str, MeasurementSummary], captions: Mapping[str, Caption], clouds: Sequence[Cloud]
) -> Iterator[Drawing]:
    """All figures, one after another; each is to be saved before the next is asked for."""
    for name, measurement in MEASUREMENTS.items():
        if name in results:
            yield from measurement.draw(results[name], captions[name])
    yield from draw_clouds(clouds, next(iter(captions.values())))


def _write_figures(
    drawings: Iterator[Drawing], folder: Path, formats: Sequence[str]
) -> tuple[dict[str, list[Picture]], list[Path]]:
    """The figures of each section as PNG for the page, and the files of all formats."""
    pictures: dict[str, list[Picture]] = defaultdict(list)
    plots: list[Path] = []
    with style():
        for drawing in drawings:
            image = io.BytesIO()
            drawing.figure.savefig(image, format="png")
            pictures[drawing.section].append(Picture(drawing.name, image.getvalue(), drawing.caption, drawing.wide))
            for extension in formats:
                path = folder / f"{drawing.name}.{extension}"
                if extension == "png":
                    write_bytes(path, image.getvalue())
                else:
                    with whole_file(path) as temporary:
                        drawing.figure.savefig(temporary, format=extension)
                plots.append(path)
    return pictures, plots


def _sections(results: Mapping[str, MeasurementSummary], clouds: Sequence[Cloud]) -> list[Section]:
    """The parts of the page, in reading order."""
    parts = [
        part
        for name, measurement in MEASUREMENTS.items()
        if name in results
        for part in measurement.sections(results[name])
    ]
    parts.append(cloud_section(clouds))
    return sorted(parts, key=lambda part: part.last)


def _about(results: Mapping[str, MeasurementSummary]) -> str:
    """A few sentences at the head of the page: what was compared, on how much."""
    providers = next(iter(results.values())).providers
    about = (measurement.about(results[name]) for name, measurement in MEASUREMENTS.items() if name in results)
    return " ".join([f"Compared: {', '.join(providers)}.", *filter(None, about)])
