"""Figures of an evaluation; also again from its ``evaluation.json``, long after the jets are gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import whole_file
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.style import LABEL, style
from coffea_mljec.validation.response.curves import Curve
from coffea_mljec.validation.response.distributions import Distribution
from coffea_mljec.validation.response.figures import draw
from coffea_mljec.validation.response.summary import Summary
from coffea_mljec.validation.width.figures import draw_widths
from coffea_mljec.validation.width.summary import WidthSummary
from training.evaluate.widths import read_widths

__all__ = ["DRAWN", "draw_figures", "redraw"]

#: The summary that is drawn.
DRAWN = "after"
#: Points an inch: a report is kept in the repository.
_DPI = 80


def draw_figures(summary: Summary, folder: Path, widths: WidthSummary | None = None) -> list[Path]:
    """Draw the figures of the response, and of widths where models give them, as PNG; return the files."""
    written = []
    caption = Caption(LABEL, "AK4", None, summary.counts.get("events"))
    with style():
        of_widths = () if widths is None else draw_widths(widths, caption)
        for drawing in (*draw(summary, caption), *of_widths):
            written.append(folder / f"{drawing.name}.png")
            with whole_file(written[-1]) as temporary:
                drawing.figure.savefig(temporary, format="png", dpi=_DPI)
    return written


def redraw(folder: Path) -> list[Path]:
    """Draw the figures of an evaluation again, from the numbers in its ``evaluation.json``.

    Parameters
    ----------
    folder : Path
        Output of `training.evaluate.workflow.evaluate`.

    Returns
    -------
    list of Path
        The figures. Without distributions in the file, those of the response are not among them.

    Raises
    ------
    InputError
        If the folder holds no evaluation.
    """
    path = folder / "evaluation.json"
    if not path.is_file():
        raise InputError(
            f"{path} does not exist: give a folder that `python -m training evaluate` wrote, or evaluate first."
        )
    content = json.loads(path.read_text())
    widths = read_widths(content["widths"]) if content.get("widths") else None
    return draw_figures(_summary(content["summaries"][DRAWN]), folder, widths)


def _summary(data: Mapping[str, Any]) -> Summary:
    """A summary of what figures show: curves and distributions, no tables."""
    return Summary(
        providers=data["providers"],
        datasets=data["datasets"],
        replicas=data["replicas"],
        counts=data["counts"],
        sample={},
        standard=data["standard"],
        status=data["status"],
        non_finite=data["non_finite"],
        fine_edges=data["fine_edges"],
        cells=[],
        dependence=[],
        curves=[_curve(part, data["fine_edges"]) for part in data["curves"]],
        coarse=[_curve(part, part["edges"]) for part in data.get("coarse", ())],
        trends=[],
        closures=[],
        distributions=[Distribution(**part) for part in data.get("distributions", ())],
    )


def _curve(data: Mapping[str, Any], edges: list[float]) -> Curve:
    numbers = {name: [_measured(value) for value in data[name]] for name in ("median", "resolution", "ratio")}
    return Curve(data["provider"], data["region"], data["flavour"], edges, data["jets"], **numbers)


def _measured(value: Any) -> Measured:
    """A number as the file holds it: value and error, or the note that says why there is none."""
    return Measured(None, None, value) if isinstance(value, str) else Measured(*value)
