"""Table and figure of `training.applications.tagging`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coffea_mljec.support.atomic import whole_file
from coffea_mljec.validation.common.style import colour, head, legend, line, new_figure, style
from training.applications.numbers import written

__all__ = ["PUBLISHED", "draw", "report"]

#: Network -> AUC, accuracy, rejection at 30 and 50 % of top quarks, in the reference set (arXiv:1902.08570, table 2;
#: arXiv:1902.09914, table 1). Another sample than ours.
PUBLISHED: Mapping[str, tuple[str, str, str, str]] = {
    "PFN, published": ("0.9819", "0.932", "888 ± 17", "247 ± 3"),
    "ParticleNet, published": ("0.9858", "0.940", "1615 ± 93", "397 ± 7"),
}


def report(found: Mapping[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Tagging",
        "",
        "| tagger | AUC | accuracy | 1/background at 30 % | 1/background at 50 % | test jets |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for content in found.values():
        for label, numbers in content["rates"].items():
            cells = [written(numbers["auc"], 4), written(numbers["accuracy"], 3)]
            cells += [_rejection(numbers[f"rejection_{e}"], numbers["background"]) for e in (30, 50)]
            lines.append(f"| {label} | {' | '.join(cells)} | {numbers['signal']} + {numbers['background']} |")
    lines += [f"| {name} | {' | '.join(cells)} | |" for name, cells in PUBLISHED.items()]
    trained = "; ".join(f"{task}: {content['jets']['train']}" for task, content in found.items())
    lines += ["", f"Jets trained on: {trained}. Top jets of {found['top']['sample']}.", ""]
    for what, values in found["quark-gluon"]["correlation"].items():
        words = ", ".join(f"{written(value, 3)} ({name})" for name, value in values.items())
        lines += [f"Rank correlation of the gluon score with the response, at equal pT, {what}: {words}.", ""]
    return "\n".join(lines)


def _rejection(value: tuple[float, float], background: int) -> str:
    """Rejections with too little background left are given as a bound."""
    if not math.isfinite(value[0]) or not math.isfinite(value[1]) or value[0] > background / 3:
        return f"> {background / 3:.0f}"
    digits = 0 if value[0] >= 20 else 1
    return written(value, digits)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw background rejection against signal efficiency."""
    with style():
        figure, axes = new_figure(1, 1, (7.5, 6.0), (1.05, 0.25, 0.85, 0.45))
        points = [0.02 + 0.02 * i for i in range(50)]
        curves = {label: curve for content in found.values() for label, curve in content["curves"].items()}
        for index, (label, curve) in enumerate(curves.items()):
            kept = [(x, 1.0 / y) for x, y in zip(points, curve, strict=True) if y > 0.0]
            axes.plot(*zip(*kept, strict=True), color=colour(index), linestyle=line(index), linewidth=2, label=label)
        axes.plot(points, [1.0 / x for x in points], color="0.7", linewidth=1.0, label="by chance")
        axes.set_yscale("log")
        axes.set_xlim(0.0, 1.0)
        axes.set_xlabel("Signal efficiency")
        axes.set_ylabel("1 / background efficiency")
        legend(axes, most=6, fontsize=12)
        head(axes, "coffea-mljec simulation")
        with whole_file(path, ".part.png") as temporary:
            figure.savefig(temporary, format="png", dpi=80)
