"""Table and figure of `training.applications.unfolding_study`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from coffea_mljec.support.atomic import whole_file
from coffea_mljec.validation.common.style import colour, head, legend, marker, new_figure, style
from training.applications.numbers import written

__all__ = ["draw", "report"]

_LABELS = {"pt": "Jet $p_T$ (GeV)", "mass": "Jet mass (GeV)", "multiplicity": "Particles"}


def report(found: Mapping[str, Any]) -> str:
    """Return the table as Markdown."""
    events = found["events"]
    lines = [
        "# Unfolding", "",
        f"{events['simulation']} simulated events, {events['data']} of data, {found['bins']} bins of equal content, "
        f"{found['replicas']} replicas. The last four columns are differences of means, in %.", "",
        "| variable | correction | stays in its bin, % | gain, points | condition number | over the standard's | "
        "before unfolding | unfolded | closure | scale + 2 % |",
        "|---|---|" + "---:|" * 8,
    ]  # fmt: skip
    for name, content in found["variables"].items():
        for correction, own in content["corrections"].items():
            cells = [
                _percent(own["stays"], 1), _percent(own["gain"], 2), written(own["condition"], 1),
                written(own["ratio"], 3), _percent(content["before"], 2), *(
                    _percent(own[what], 2) for what in ("unfolded", "closure", "scale")
                ),
            ]  # fmt: skip
            lines.append(f"| {name} | {correction} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _percent(value: tuple[float, float], digits: int) -> str:
    return written((100.0 * value[0], 100.0 * value[1]), digits)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw, a column a variable: the share of events that stay in each bin; unfolded spectra over the data's truth."""
    with style():
        figure, panels = new_figure(
            2, len(_LABELS), (15.5, 9.0), (1.0, 0.2, 0.85, 0.45), squeeze=False, wspace=0.22, hspace=0.1, sharex="col"
        )
        for column, (name, content) in enumerate(found["variables"].items()):
            stays, ratio = panels[:, column]
            bins = np.arange(len(content["truth"]))
            truth = np.array(content["truth"])
            ratio.axhline(1.0, color="0.6", linewidth=1.0, zorder=0)
            ratio.plot(
                bins, np.array(content["simulation"]) / truth, "--", color="0.4", label="simulation, not unfolded"
            )
            for index, (correction, own) in enumerate(content["corrections"].items()):
                x = bins + 0.16 * (index - 0.5)
                look: dict[str, Any] = {"linestyle": "none", "marker": marker(index + 1), "color": colour(index + 1)}
                stays.errorbar(x, *(100.0 * np.array(own["diagonal"])), label=correction, **look)
                errors = np.sqrt(np.diag(own["covariance"])) / truth
                ratio.errorbar(x, np.array(own["spectrum"]) / truth, errors, label=f"unfolded, {correction}", **look)
            edges = content["edges"]
            names = [f"< {edges[1]:.0f}", *(f"{a:.0f}-{b:.0f}" for a, b in pairwise(edges[1:-1]))]
            ratio.set_xticks(list(bins), [*names, f"> {edges[-2]:.0f}"], fontsize=11, rotation=40)
            for axes in (stays, ratio):
                axes.tick_params(axis="x", which="minor", bottom=False, top=False)
            stays.set_ylim(0.0, 119.0)
            ratio.set_ylim(0.7, 1.45)
            ratio.set_xlabel(_LABELS[name])
        panels[0, 0].set_ylabel("Events that stay in their bin (%)")
        panels[1, 0].set_ylabel("Spectrum over truth of the data")
        legend(panels[0, 0], fontsize=12)
        legend(panels[1, 0], fontsize=12)
        head(panels[0, 0], "coffea-mljec simulation")
        with whole_file(path, ".part.png") as temporary:
            figure.savefig(temporary, format="png", dpi=80)
