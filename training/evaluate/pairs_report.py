"""The report on the mass of two jets: a table, the numbers, a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from coffea_mljec.support.atomic import make_folder, whole_file, write_text
from coffea_mljec.validation.common.style import colour
from training.evaluate.pairs import GROUPS, PERFECT, Pairs, PeakOfPairs

__all__ = ["write_pairs"]

_BINS = np.arange(40.0, 202.0, 4.0)


def write_pairs(folder: Path, pairs: Mapping[str, Pairs], peaks: Mapping[str, Mapping[str, PeakOfPairs]]) -> None:
    """Write ``pairs.md``, ``pairs.json`` and ``pairs.png``.

    Parameters
    ----------
    folder : Path
        Made if absent.
    pairs : mapping
        Sample -> its pairs.
    peaks : mapping
        Sample -> provider -> what was found.
    """
    make_folder(folder)
    plain = {sample: {one: asdict(peak) for one, peak in found.items()} for sample, found in peaks.items()}
    counts = {sample: len(one) for sample, one in pairs.items()}
    write_text(folder / "pairs.json", json.dumps({"pairs": counts, "peaks": plain}, indent=1) + "\n")
    write_text(folder / "pairs.md", _table(counts, peaks))
    _draw(folder / "pairs.png", pairs, peaks)


def _table(counts: Mapping[str, int], peaks: Mapping[str, Mapping[str, PeakOfPairs]]) -> str:
    heads = [
        "sample",
        "pairs",
        "provider",
        "peak/GeV",
        "width/%",
        "narrower by/%",
        f"width in {GROUPS} groups/%",
        "narrower by/%",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---|---:|---|---:|---:|---:|---:|---:|"]
    for sample, found in peaks.items():
        for number, (name, peak) in enumerate(found.items()):
            cells = [
                *((sample, f"{counts[sample]:,}") if number == 0 else ("", "")),
                name,
                f"{peak.peak[0]:.1f} ± {peak.peak[1]:.1f}",
                _percent(peak.width),
                "" if number == 0 else _percent(peak.gain),
                "" if peak.grouped is None else _percent(peak.grouped),
                "" if peak.grouped_gain is None else _percent(peak.grouped_gain),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _percent(value: tuple[float, float]) -> str:
    return f"{100.0 * value[0]:.1f} ± {100.0 * value[1]:.1f}"


def _draw(path: Path, pairs: Mapping[str, Pairs], peaks: Mapping[str, Mapping[str, PeakOfPairs]]) -> None:
    """Draw the mass of the pairs as measured, a panel a sample."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(pairs), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axis, (sample, one) in zip(grid, pairs.items(), strict=True):
        for number, (name, mass) in enumerate((n, m) for n, m in one.mass.items() if n not in PERFECT):
            peak = peaks[sample][name]
            label = f"{name}: {peak.peak[0]:.0f} GeV, {100.0 * peak.width[0]:.1f} %"
            axis.hist(mass, _BINS, histtype="step", linewidth=1.6, color=colour(number), label=label)
        axis.axvline(125.0, color="0.6", linewidth=0.8, linestyle="--")
        axis.set_xlim(_BINS[0], _BINS[-1])
        axis.set_xlabel(r"$m_{\mathrm{jj}}$ (GeV)")
        axis.set_title(sample, fontsize=10)
        axis.set_ylim(0.0, 1.45 * axis.get_ylim()[1])
        axis.legend(frameon=False, fontsize=8, loc="upper left", title="peak and relative width", title_fontsize=8)
    grid[0].set_ylabel("Pairs / 4 GeV")
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
