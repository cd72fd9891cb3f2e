"""Median response of the standard correction by flavour, beside the reference thesis."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.binning import FINE_EDGES, INTERVALS, PT_EDGES, REGIONS, SIX_FLAVOURS, pt_slice
from coffea_mljec.validation.common.style import COLOURS, MARKERS
from training.realism.drawing import centres, head, panels, pt_axis
from training.realism.jets import SimulatedJets
from training.realism.row import Part, Row
from training.realism.spread import Binned, Spread, fill, measure
from training.realism.targets import targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CODES", "flavour_medians", "gap"]

CODES = {"u": 2, "d": 1, "s": 3, "c": 4, "b": 5, "g": 21}
GAP = (0.015, 0.04)
_SOURCE = "thesis, standard correction"
_LIGHT = ("u", "d", "s")


def binned(jets: SimulatedJets) -> Binned:
    """Bin the responses in cells (region, flavour of `SIX_FLAVOURS`, bin of validation's `PT_EDGES`, overflow last)."""
    n_pt = len(PT_EDGES)
    flavour = np.full(22, -1)
    for number, name in enumerate(SIX_FLAVOURS):
        flavour[CODES[name]] = number
    which = flavour[np.clip(jets.flavour, 0, 21)]
    pt_bin = np.digitize(jets["pt_gen"], PT_EDGES) - 1
    region = (np.abs(jets["eta_gen"]) >= 2.5).astype(np.int64)
    cell = (region * len(SIX_FLAVOURS) + which) * n_pt + pt_bin
    shape = (len(REGIONS), len(SIX_FLAVOURS), n_pt, -1)
    n = int(np.prod(shape[:3]))
    content = fill(jets["response"], jets["target"], np.where((which >= 0) & (pt_bin >= 0), cell, -1), n)
    return Binned(content.weights.reshape(shape), content.squares.reshape(shape))


def gap(spread: Spread) -> tuple[float, float]:
    """Return mean median of u, d and s minus the gluons', and its error; cells follow `SIX_FLAVOURS`."""
    light = [SIX_FLAVOURS.index(name) for name in _LIGHT]
    gluon = SIX_FLAVOURS.index("g")
    value = spread.median[light].mean() - spread.median[gluon]
    error = np.hypot(np.sqrt(np.sum(spread.median_error[light] ** 2)) / len(light), spread.median_error[gluon])
    return float(value), float(error)


def flavour_medians(jets: SimulatedJets) -> Part:
    """Compare medians by flavour, their order and the gap between light quarks and gluons with the thesis."""
    content = binned(jets)
    found = targets()["thesis"]["flavour_medians"]
    part = Part(
        "Flavour dependence of the standard correction",
        "Medians of pT(corrected) / pt_gen by flavour, with jets weighted to the thesis's density in pt_gen and "
        "eta_gen, the same for every flavour. The gap is the unweighted mean of the medians of u, d and s minus that "
        "of g, on both sides; asked are uds above c and b, g lowest, and a gap of 1.5 to 4 % above 30 GeV, |eta| < "
        "2.5. The thesis's medians hold a common offset of their own correction: only differences are judged.",
    )
    lines = []
    for region_number, region in enumerate(REGIONS):
        for interval, limits in INTERVALS.items():
            inside = (region_number, slice(None), pt_slice(*limits))
            spread = measure(Binned(content.weights[inside].sum(axis=1), content.squares[inside].sum(axis=1)))
            thesis = found[region][interval]
            if thesis["u"] is None or not np.isfinite(spread.median).all():
                continue
            value, error = gap(spread)
            wanted = float(np.mean([thesis[name] for name in _LIGHT]) - thesis["g"])
            judged = region == "central" and interval == ">30"
            text = f"{region}, pt_gen {interval} GeV"
            part.rows.append(Row(
                "uds - g gap of medians", text, value, error, wanted,
                low=GAP[0] if judged else None, high=GAP[1] if judged else None, source=_SOURCE, digits=4,
            ))  # fmt: skip
            if judged:
                part.rows += _order(spread, thesis, text)
            lines += [
                [
                    text, name, f"{spread.median[number]:.4f} +- {spread.median_error[number]:.4f}",
                    f"{thesis[name]:.4f}", f"{spread.median[number] - thesis[name]:+.4f}",
                ]
                for number, name in enumerate(SIX_FLAVOURS)
            ]  # fmt: skip
    part.tables.append(("Medians by flavour", ["jets", "flavour", "median", "thesis", "difference"], lines))
    part.figures.append((
        "flavours", "Medians by flavour (filled) and the thesis's in its intervals (open).", lambda: _draw(content),
    ))  # fmt: skip
    return part


def _order(spread: Spread, thesis: dict[str, float], text: str) -> list[Row]:
    """The order of the medians, as differences that are to be positive: uds over c and b, both over g."""
    rows = []
    groups = {"uds": _LIGHT, "c": ("c",), "b": ("b",), "g": ("g",)}
    for upper, lower in (("uds", "c"), ("uds", "b"), ("c", "g"), ("b", "g")):
        value, wanted, square = 0.0, 0.0, 0.0
        for sign, group in ((1.0, groups[upper]), (-1.0, groups[lower])):
            numbers = [SIX_FLAVOURS.index(name) for name in group]
            value += sign * float(spread.median[numbers].mean())
            wanted += sign * float(np.mean([thesis[name] for name in group]))
            square += float(np.sum(spread.median_error[numbers] ** 2)) / len(group) ** 2
        rows.append(Row(
            f"order of medians: {upper} - {lower}", text, value, float(np.sqrt(square)), wanted, low=0.0,
            source=_SOURCE, digits=4,
        ))  # fmt: skip
    return rows


def _rebinned(content: Binned, edges: NDArray[np.float64]) -> Binned:
    """Sum the bins of pt_gen between coarser edges, all of them among `PT_EDGES`."""
    slices = [pt_slice(low, high) for low, high in pairwise(edges)]
    return Binned(*(
        np.stack([part[:, :, one].sum(axis=2) for one in slices], axis=2) for part in (content.weights, content.squares)
    ))  # fmt: skip


def _draw(content: Binned) -> Figure:
    figure, grid = panels(1, 2, (14.0, 5.6), sharey=True)
    edges = FINE_EDGES[::2]
    coarse = _rebinned(content, edges)
    found = targets()["thesis"]["flavour_medians"]
    middle = centres(edges)
    places = {"30-50": 39.0, "50-100": 71.0, "100-300": 173.0, "300-1000": 548.0, ">1000": 1400.0}
    for region_number, region in enumerate(REGIONS):
        axes = grid[0, region_number]
        axes.axhline(1.0, color="0.6", linewidth=1, linestyle="--")
        for number, name in enumerate(SIX_FLAVOURS):
            cells = Binned(coarse.weights[region_number, number], coarse.squares[region_number, number])
            spread = measure(cells)
            known = spread.median_error < 0.015
            axes.errorbar(
                middle[known], spread.median[known], spread.median_error[known], fmt=MARKERS[number + 1] + "-",
                color=COLOURS[number + 1], markersize=6, linewidth=1, label=name,
            )  # fmt: skip
            wanted = [found[region][interval][name] for interval in places]
            axes.plot(
                [place * (1.0 + 0.02 * number) for place in places.values()],
                np.array(wanted, np.float64), MARKERS[number + 1], color=COLOURS[number + 1], fillstyle="none",
                markersize=9,
            )  # fmt: skip
        axes.set_ylim(0.94, 1.09)
        pt_axis(axes, 20.0, 3000.0)
        head(axes, r"|$\eta_{\mathrm{gen}}$| < 2.5" if region == "central" else r"2.5 < |$\eta_{\mathrm{gen}}$| < 5")
    grid[0, 0].set_ylabel("Median response")
    grid[0, 1].legend(ncols=3)
    return figure
