"""Multiplicity, ptD and axis2 of quark and gluon jets beside each other, and how well each tells them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.style import COLOURS
from training.realism.drawing import head, panels, text_inside
from training.realism.jets import SHAPES, SimulatedJets
from training.realism.row import Part, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["roc_area", "substructure"]

_WINDOWS = ((30.0, 50.0), (80.0, 120.0), (300.0, 500.0))
_ETA = 1.3
_RANGES = {"ptD": (0.0, 1.0), "axis2": (0.0, 0.16)}
_LARGEST_MULTIPLICITY = (39.5, 59.5, 89.5)
_LABELS = {"multiplicity": r"Multiplicity ($p_{\mathrm{T}} > 1$ GeV)", "ptD": r"$p_{\mathrm{T}}D$", "axis2": "axis2"}
#: +1: larger for gluons.
_SIGNS = {"multiplicity": 1.0, "ptD": -1.0, "axis2": 1.0}


def roc_area(
    quark: NDArray[np.float64],
    quark_weight: NDArray[np.float64],
    gluon: NDArray[np.float64],
    gluon_weight: NDArray[np.float64],
) -> tuple[float, float]:
    """Return the probability that a gluon jet has the larger value (ties count half), and its error.

    The error is Hanley and McNeil's (Radiology 143 (1982) 29), with effective numbers of jets. NaN without jets.
    """
    if len(quark) == 0 or len(gluon) == 0:
        return float("nan"), float("nan")
    _, place = np.unique(np.concatenate([quark, gluon]), return_inverse=True)
    n = int(place.max()) + 1
    counts = [
        np.bincount(part, weight, n) / weight.sum()
        for part, weight in ((place[: len(quark)], quark_weight), (place[len(quark) :], gluon_weight))
    ]
    below = np.cumsum(counts[0]) - 0.5 * counts[0]
    area = float(np.sum(counts[1] * below))
    n_quark, n_gluon = (weight.sum() ** 2 / np.sum(weight**2) for weight in (quark_weight, gluon_weight))
    first, second = area / (2.0 - area), 2.0 * area**2 / (1.0 + area)
    variance = area * (1 - area) + (n_gluon - 1) * (first - area**2) + (n_quark - 1) * (second - area**2)
    return area, float(np.sqrt(max(variance, 0.0) / (n_quark * n_gluon)))


def _jets(
    sample: SimulatedJets, name: str, low: float, high: float
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Values and weights of quark and of gluon jets."""
    pt, weight = sample["pt_gen"], sample["target"]
    inside = (pt >= low) & (pt < high) & (np.abs(sample["eta_gen"]) < _ETA) & (weight > 0)
    values = sample[name]
    return [
        (values[inside & chosen], weight[inside & chosen])
        for chosen in (np.isin(sample.flavour, (1, 2, 3)), sample.flavour == 21)
    ]


def substructure(jets: SimulatedJets) -> Part:
    """Compare quark (u, d, s) and gluon jets in three windows of pt_gen."""
    part = Part(
        "Quark and gluon jets",
        f"Light-quark and gluon jets, |eta_gen| < {_ETA:g}, with equal spectra. The separation is the ROC area: the "
        "probability that a gluon jet has the larger multiplicity or axis2, or the smaller ptD; 0.5 is none. Gluons "
        "must have more constituents, spread wider and share their energy more evenly (CMS-PAS-JME-13-002; no "
        "areas are published there, so no number is asked beyond the direction).",
    )
    for low, high in _WINDOWS:
        where = f"\\|eta\\| < {_ETA:g}, pt_gen {low:g}-{high:g} GeV"
        for name in SHAPES:
            (quark, quark_weight), (gluon, gluon_weight) = _jets(jets, name, low, high)
            sign = _SIGNS[name]
            area, error = roc_area(sign * quark, quark_weight, sign * gluon, gluon_weight)
            part.rows.append(Row(
                f"ROC area of {name}", where, area, error, low=0.5, source="CMS-PAS-JME-13-002, direction",
            ))  # fmt: skip
            for kind, values, weight in (("quark", quark, quark_weight), ("gluon", gluon, gluon_weight)):
                if len(values):
                    mean = float(np.average(values, weights=weight))
                    spread = np.sqrt(np.sum(weight**2 * (values - mean) ** 2)) / weight.sum()
                    part.details.append(Row(f"mean {name}, {kind} jets", where, mean, float(spread), digits=4))
    part.figures.append(("quark_gluon", "Light-quark and gluon jets.", lambda: _draw(jets)))
    return part


def _draw(jets: SimulatedJets) -> Figure:
    figure, grid = panels(len(_WINDOWS), len(SHAPES), (14.0, 10.5))
    for row, (low, high) in enumerate(_WINDOWS):
        for column, name in enumerate(SHAPES):
            axes = grid[row, column]
            edges = np.arange(-0.5, _LARGEST_MULTIPLICITY[row] + 1.0, 2.0)
            if name in _RANGES:
                edges = np.linspace(*_RANGES[name], 41)
            both = _jets(jets, name, low, high)
            for (values, weight), kind, colour in zip(both, ("light quarks", "gluons"), COLOURS[1:3], strict=True):
                if len(values) == 0:
                    continue
                content, _ = np.histogram(values, edges, weights=weight)
                axes.stairs(content / weight.sum() / np.diff(edges), edges, color=colour, linewidth=1.8, label=kind)
            sign = _SIGNS[name]
            area, error = roc_area(sign * both[0][0], both[0][1], sign * both[1][0], both[1][1])
            axes.set_ylim(0.0, 1.3 * axes.get_ylim()[1])
            axes.set_xlim(edges[0], edges[-1])
            text_inside(axes, f"{low:g} to {high:g} GeV\narea {area:.3f}({1000 * error:.0f})", x=0.95)
            if row == len(_WINDOWS) - 1:
                axes.set_xlabel(_LABELS[name])
    for axes in grid[:, 0]:
        axes.set_ylabel("Probability density")
    grid[0, 0].legend(loc="center right")
    head(grid[0, 0])
    return figure
