"""The raw response after the offset, beside 1 / L2Relative of CMS, at equal offset-corrected pT.

L2Relative is given at reconstructed pT. Binning jets in that would let the falling spectrum and the resolution decide
(jets migrate upwards), so the response is measured at fixed pt_gen, where spectra do not matter, and moved: with the
median m of (raw pT - offset) / pt_gen in a bin of pt_gen, the jets' median offset-corrected pT is p = m pt_gen, and
1 / L2Relative(p) is to be m. That is how CMS's correction is made too (`training.derive.response.invert`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.style import COLOURS
from training.realism.drawing import TARGET, head, panels, pt_axis, text_inside
from training.realism.jets import SimulatedJets
from training.realism.row import Part, Row
from training.realism.spread import Spread, fill, measure
from training.realism.targets import targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["at_offset_corrected", "raw_response"]

PT_EDGES = np.geomspace(10.0, 3500.0, 27)
_CENTRAL_LIMIT, _OUTER_LIMIT = 0.03, 0.06
_TRACKER = 2.5


def at_offset_corrected(
    pt: float, pt_gen: NDArray[np.float64], response: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the response at an offset-corrected pT, and its error, from medians in bins of pt_gen.

    Linear in ln(p) with p = response x pt_gen between the two points around; NaN outside the points.
    """
    moved = np.log(response * pt_gen)
    order = np.argsort(moved)
    moved, response, error = moved[order], response[order], error[order]
    x = np.log(pt)
    if len(moved) < 2 or not moved[0] <= x <= moved[-1]:
        return float("nan"), float("nan")
    right = int(np.clip(np.searchsorted(moved, x), 1, len(moved) - 1))
    share = (x - moved[right - 1]) / (moved[right] - moved[right - 1])
    value = (1 - share) * response[right - 1] + share * response[right]
    return float(value), float(np.hypot((1 - share) * error[right - 1], share * error[right]))


def _medians(jets: SimulatedJets, low: float, high: float) -> tuple[NDArray[np.float64], Spread]:
    """Return mean pt_gen and the spread of (raw pT - offset) / pt_gen in bins of pt_gen, |eta| in [low, high)."""
    away = np.abs(jets["eta"])
    n = len(PT_EDGES) - 1
    cell = np.where((away >= low) & (away < high), np.digitize(jets["pt_gen"], PT_EDGES) - 1, -1)
    cell[cell >= n] = -1
    weight = jets["mix"]
    spread = measure(fill(jets["l1_response"], weight, cell, n))
    kept = cell >= 0
    sums = np.bincount(cell[kept], weight[kept], n)
    logs = np.bincount(cell[kept], weight[kept] * np.log(jets["pt_gen"][kept]), n)
    return np.exp(np.divide(logs, sums, out=np.full(n, np.nan), where=sums > 0)), spread


def raw_response(jets: SimulatedJets) -> Part:
    """Compare the median response after the offset with 1 / L2Relative at the listed points."""
    found = targets()["raw_response"]
    part = Part(
        "Raw response",
        f"Median of (raw pT - offset of our L1FastJet) / pt_gen against {found['source']}, at equal offset-corrected "
        "pT. The median m is taken at fixed pt_gen and moved to p = m pt_gen, then read at the target's p: binning "
        "jets in p itself would add what the falling spectrum does to it.",
    )
    curves = []
    for point in found["points"]:
        pt_gen, spread = _medians(jets, *point["bin"])
        known = np.isfinite(spread.median) & (spread.median_error < 0.02)
        curve = (pt_gen[known], spread.median[known], spread.median_error[known])
        curves.append(curve)
        limit = _CENTRAL_LIMIT if point["abs_eta"] < _TRACKER else _OUTER_LIMIT
        for pt, value in zip(point["pt"], point["value"], strict=True):
            measured, error = at_offset_corrected(pt, *curve)
            part.rows.append(Row.within(
                "raw response", f"\\|eta\\| {point['bin'][0]:g}-{point['bin'][1]:g} (target {point['abs_eta']:g}), "
                f"pT - offset = {pt:g} GeV", measured, error, value, limit, source="1/L2Relative, Summer19UL18_V5",
            ))  # fmt: skip
    part.figures.append((
        "raw_response", "Response after the offset; points and bands are CMS's with the limits.", lambda: _draw(curves),
    ))  # fmt: skip
    return part


def _draw(curves: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]) -> Figure:
    points = targets()["raw_response"]["points"]
    figure, grid = panels(1, len(points), (17.0, 4.8), sharey=True)
    for axes, point, (pt_gen, median, error) in zip(grid[0], points, curves, strict=True):
        limit = _CENTRAL_LIMIT if point["abs_eta"] < _TRACKER else _OUTER_LIMIT
        axes.errorbar(median * pt_gen, median, error, fmt="o", color=COLOURS[1], markersize=5, label="this sample")
        axes.errorbar(
            point["pt"], point["value"], limit, fmt="D", color=TARGET, capsize=5, markersize=7, label="CMS, limits",
        )  # fmt: skip
        axes.set_ylim(0.4, 1.1)
        pt_axis(axes, 8.0, 3000.0, r"$p_{\mathrm{T}}^{\mathrm{raw}}$ - offset (GeV)", (10, 30, 100, 300, 1000))
        text_inside(axes, rf"{point['bin'][0]:g} < |$\eta$| < {point['bin'][1]:g}")
    grid[0, 0].set_ylabel("Median response")
    grid[0, 0].legend(loc="lower right")
    head(grid[0, 0])
    return figure
