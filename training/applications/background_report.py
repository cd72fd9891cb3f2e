"""Table and figure of `training.applications.heavy_background`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coffea_mljec.support.atomic import whole_file
from coffea_mljec.validation.common.style import colour, head, legend, line, marker, new_figure, style
from training.applications.numbers import written

__all__ = ["draw", "report"]

_NAMES = {
    "area": "area-based", "multiplicity": "multiplicity", "trees": "trees, jet level",
    "network": "network, jet level", "pfn": "PFN, constituents",
}  # fmt: skip
_POINTS = ("20", "50", "100")


def report(found: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    settings = found["settings"]
    lines = [
        "# Jet pT under a large background",
        "",
        f"{settings['density']:g} charged particles a unit of pseudorapidity, {found['scatters']} hard scatters. "
        "δpT = pT,rec - pT,true in GeV; width: half of the central 68 %; gain: width of the area method over this one.",
        "",
        "| R | method | " + " | ".join(f"mean at {p} | width at {p}" for p in _POINTS) + " | gain, 15-120 GeV |"
        " gluon - quark | softened |",
        "|---|---|" + "---:|---:|" * len(_POINTS) + "---:|---:|---:|",
    ]
    for radius, content in found["radii"].items():
        for method, name in _NAMES.items():
            points = content["points"]
            cells = [written(points[p][method][what]) for p in _POINTS for what in ("mean", "width")]
            cells.append(written(points["all"][method]["gain"], 2))
            cells += [written(content["bias"][method][what]) for what in ("gluon - quark", "softened")]
            lines.append(f"| {radius} | {name} | " + " | ".join(cells) + " |")
    jets = ", ".join(
        f"R = {radius}: {content['trained_on']}, {content['points']['all']['area']['jets']}"
        for radius, content in found["radii"].items()
    )
    lines += ["", f"Jets trained on, and tested between 15 and 120 GeV: {jets}.", ""]
    return "\n".join(lines)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw width and shift of delta pT against true pT, one column a radius."""
    with style():
        columns = len(found["radii"])
        figure, panels = new_figure(
            2, columns, (5.2 * columns, 8.2), (1.0, 0.2, 0.8, 0.45), squeeze=False, sharex=True, wspace=0.24,
            hspace=0.08,
        )  # fmt: skip
        for column, (radius, content) in enumerate(found["radii"].items()):
            for index, (method, name) in enumerate(_NAMES.items()):
                x = [float(p) * (1.0 + 0.025 * (index - 2)) for p in _POINTS]
                for row, what in enumerate(("width", "mean")):
                    values, errors = zip(*(content["points"][p][method][what] for p in _POINTS), strict=True)
                    panels[row, column].errorbar(
                        x, values, errors, color=colour(index), marker=marker(index), linestyle=line(index),
                        markersize=6, linewidth=1.4, label=name,
                    )  # fmt: skip
            panels[0, column].set_ylim(0.0, 1.6 * panels[0, column].get_ylim()[1])
            panels[0, column].text(0.05, 0.93, f"$R = {radius}$", transform=panels[0, column].transAxes, va="top")
            panels[1, column].axhline(0.0, color="0.6", linewidth=1.0, zorder=0)
            panels[1, column].set_xscale("log")
            panels[1, column].set_xticks([float(p) for p in _POINTS], list(_POINTS))
            panels[1, column].tick_params(axis="x", which="minor", labelbottom=False)
            panels[1, column].set_xlabel("True $p_T$ (GeV)")
        panels[0, 0].set_ylabel(r"Width of $\delta p_T$ (GeV)")
        panels[1, 0].set_ylabel(r"Mean of $\delta p_T$ (GeV)")
        legend(panels[0, -1], most=5, fontsize=12)
        head(panels[0, 0], "coffea-mljec simulation")
        with whole_file(path, ".part.png") as temporary:
            figure.savefig(temporary, format="png", dpi=80)
