"""The report on trainings that saw data: a table, the numbers, a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from coffea_mljec.support.atomic import make_folder, whole_file, write_text
from coffea_mljec.validation.common.style import colour
from training.evaluate.dijets import NUMBERS, Judged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_report"]

Results = Mapping[str, Mapping[str, Judged]]
"""Sample -> network -> what was found."""


def write_report(folder: Path, results: Results, events: Mapping[str, int]) -> None:
    """Write ``dijets.md``, ``dijets.json`` and ``dijets.png``.

    Parameters
    ----------
    folder : Path
        Made if absent.
    results : mapping
        Sample -> network -> `Judged`.
    events : mapping of str to int
        Sample -> events that were judged.
    """
    make_folder(folder)
    plain = {sample: {name: asdict(one) for name, one in found.items()} for sample, found in results.items()}
    text = json.dumps({"events": dict(events), "results": plain}, indent=1)
    write_text(folder / "dijets.json", text.replace("NaN", "null") + "\n")
    write_text(folder / "dijets.md", _table(results, events))
    _draw(folder / "dijets.png", results)


def _table(results: Results, events: Mapping[str, int]) -> str:
    columns = ["data", "network", *NUMBERS.values(), "gain in true JER/%", "in errors"]
    lines = ["| " + " | ".join(column.replace("|", "\\|") for column in columns) + " |", "|" + "---|" * len(columns)]
    for sample, found in results.items():
        for name, one in found.items():
            digits = {"median": 4}
            numbers = [f"{one.values[n]:.{digits.get(n, 2)}f} ± {one.errors[n]:.{digits.get(n, 2)}f}" for n in NUMBERS]
            gain, error = one.gain["jer"], one.gain_error["jer"]
            first = next(iter(found)) == name
            told = ["", ""] if first else [f"{gain:+.3f} ± {error:.3f}", f"{gain / error:+.1f}" if error > 5e-4 else ""]
            lines.append("| " + " | ".join([f"{sample} ({events[sample]:,} events)", name, *numbers, *told]) + " |")
    return "\n".join(lines) + "\n"


def _draw(path: Path, results: Results) -> None:
    """Draw one sample network by network, or several side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    one = len(results) == 1
    names = len(next(iter(results.values())))
    size = (9.6, 1.6 + 0.33 * names) if one else (max(7.0, 2.0 + 2.4 * len(results)), 4.6)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    if one:
        _draw_numbers(figure, *next(iter(results.items())))
    else:
        _draw_samples(figure.subplots(), results)
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_numbers(figure: Figure, sample: str, found: Mapping[str, Judged]) -> None:
    """Draw what the truth says of every network, what dijets say, and the closure; each against the first network."""
    axes = figure.subplots(1, 3, sharey=True)
    first = next(iter(found))
    of_first = found[first].values
    places = range(len(found))
    for axis, number, title in zip(axes, ("jer", "jer_dijets", "closure"), (
        "JER, by the truth", "JER, as dijets show it", "largest |median response - 1|",
    ), strict=True):  # fmt: skip
        scale = 1.0 if number == "closure" else 100.0 / of_first[number]
        values = [scale * one.values[number] for one in found.values()]
        errors = [scale * one.gain_error[number] for one in found.values()]
        axis.axvline(values[0], color="0.6", linewidth=0.8)
        axis.errorbar(values, places, xerr=errors, fmt="o", color=colour(0), capsize=3)
        axis.set_title(title, fontsize="medium")
        axis.set_xlabel("%" if number == "closure" else f"% of “{first}”")
    axes[0].set_yticks(places, list(found))
    axes[0].invert_yaxis()
    figure.suptitle(f"{sample}: errors are those of the difference from “{first}”", fontsize="medium")


def _draw_samples(axis: Axes, results: Results) -> None:
    """Draw the true JER of every network, relative to the first, sample by sample."""
    names = list(next(iter(results.values())))
    for i, name in enumerate(names):
        places = [s + 0.7 * (i + 0.5) / len(names) - 0.35 for s in range(len(results))]
        of = [(found[next(iter(found))].values["jer"], found[name]) for found in results.values()]
        values = [100.0 * one.values["jer"] / first for first, one in of]
        errors = [100.0 * one.gain_error["jer"] / first for first, one in of]
        axis.errorbar(places, values, yerr=errors, fmt="o", color=colour(i), capsize=3, label=name)
    axis.axhline(100.0, color="0.6", linewidth=0.8)
    axis.set_xticks(range(len(results)), list(results))
    axis.set_xlim(-0.5, len(results) - 0.5)
    axis.set_xlabel("sample that the networks are judged on")
    axis.set_ylabel(f"true JER / that of “{names[0]}” (%)")
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.35 * (high - low))
    axis.legend(ncols=2, frameon=False, loc="upper left")
