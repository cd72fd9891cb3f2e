"""What carries a jet's energy, and how many constituents it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.style import COLOURS, MARKERS
from training.realism.drawing import centres, head, panels, pt_axis
from training.realism.jets import FRACTIONS, SimulatedJets
from training.realism.row import Part, Row
from training.realism.targets import targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["composition", "weighted_means"]

LIMIT = 0.05
_PT_EDGES = np.geomspace(20.0, 2000.0, 13)
_INTERVALS = ((30.0, 50.0), (50.0, 100.0), (100.0, 300.0), (300.0, 1000.0))
_REGIONS = ((0.0, 1.3), (1.3, 2.5), (2.5, 3.0), (3.0, 5.0))
_JUDGED = 2
_NAMES = {
    "chHEF": "charged hadrons", "neEmEF": "photons, em HF", "neHEF": "neutral hadrons, had HF",
    "chEmEF": "electrons", "muEF": "muons",
}  # fmt: skip
_TARGET_OF = {"chHEF": "charged", "neEmEF": "photons", "neHEF": "neutral"}


def weighted_means(
    values: NDArray[np.float64], weight: NDArray[np.float64], cell: NDArray[np.int64], n_cells: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weighted mean and its statistical error in each cell; NaN in empty ones, cell -1 is left out."""
    kept = (cell >= 0) & (cell < n_cells) & (weight > 0)
    values, weight, cell = values[kept], weight[kept], cell[kept]

    def sums(terms: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(cell, terms, n_cells).astype(np.float64)

    total = sums(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums(weight * values) / total
        error = np.sqrt(sums(weight**2 * (values - mean[cell]) ** 2)) / total
    return mean, error


def composition(jets: SimulatedJets) -> Part:
    """Compare the mean energy fractions with 65 / 25 / 10 %, and show the constituents a jet."""
    found = targets()["composition"]
    part = Part(
        "Jet energy composition and constituents",
        "Mean fraction of the raw jet energy in charged hadrons, photons and neutral hadrons (CMS: about 65 / 25 / "
        "10 %), in bins of pt_gen with inclusive QCD's flavour mix; judged within the tracker. Pileup under the jet is "
        "part of the raw energy. Beyond |eta| 3 the two kinds of forward candidates stand for hadronic and "
        "electromagnetic energy.",
    )
    away, pt = np.abs(jets["eta"]), jets["pt_gen"]
    for number, (low, high) in enumerate(_REGIONS):
        cell = np.where((away >= low) & (away < high), _interval(pt), -1)
        for name, target in _TARGET_OF.items():
            mean, error = weighted_means(jets[name], jets["mix"], cell, len(_INTERVALS))
            for index, (first, last) in enumerate(_INTERVALS):
                if not np.isfinite(mean[index]):
                    continue
                where = f"\\|eta\\| {low:g}-{high:g}, pt_gen {first:g}-{last:g} GeV"
                what, value = f"energy fraction, {_NAMES[name]}", (float(mean[index]), float(error[index]))
                if number < _JUDGED:
                    part.rows.append(Row.within(what, where, *value, found[target], LIMIT, source=found["source"]))
                else:
                    part.details.append(Row(what, where, *value))
    quark = np.isin(jets.flavour, (1, 2, 3))
    gluon = jets.flavour == 21
    for low, high in ((0.0, 2.5), (2.5, 5.0)):
        for kind, chosen in (("light quarks", quark), ("gluons", gluon)):
            cell = np.where((away >= low) & (away < high) & chosen, _interval(pt), -1)
            mean, error = weighted_means(jets["n_constituents"], jets["target"], cell, len(_INTERVALS))
            part.details += [
                Row(
                    f"constituents a jet, {kind}", f"\\|eta\\| {low:g}-{high:g}, pt_gen {first:g}-{last:g} GeV",
                    float(mean[index]), float(error[index]), digits=1,
                )
                for index, (first, last) in enumerate(_INTERVALS)
                if np.isfinite(mean[index])
            ]  # fmt: skip
    part.figures += [
        ("composition", "Mean energy fractions; lines at 65, 25 and 10 %.", lambda: _draw_fractions(jets)),
        ("constituents", "Constituents a jet of light quarks and gluons.", lambda: _draw_constituents(jets)),
    ]
    return part


def _interval(pt: NDArray[np.float64]) -> NDArray[np.int64]:
    edges = np.array([_INTERVALS[0][0], *(high for _, high in _INTERVALS)])
    number = np.digitize(pt, edges) - 1
    return np.where(number < len(_INTERVALS), number, -1)


def _fine(jets: SimulatedJets, low: float, high: float) -> NDArray[np.int64]:
    away = np.abs(jets["eta"])
    number = np.digitize(jets["pt_gen"], _PT_EDGES) - 1
    return np.where((away >= low) & (away < high) & (number < len(_PT_EDGES) - 1), number, -1)


def _draw_fractions(jets: SimulatedJets) -> Figure:
    figure, grid = panels(1, len(_REGIONS), (17.0, 5.0), sharey=True)
    colours = {name: COLOURS[number + 1] for number, name in enumerate(("chHEF", "neEmEF", "neHEF", "chEmEF", "muEF"))}
    for number, (axes, (low, high)) in enumerate(zip(grid[0], _REGIONS, strict=True)):
        cell = _fine(jets, low, high)
        bottom = np.zeros(len(_PT_EDGES) - 1)
        for name in ("chHEF", "neEmEF", "neHEF", "chEmEF", "muEF"):
            mean, _ = weighted_means(jets[name], jets["mix"], cell, len(bottom))
            top = bottom + np.nan_to_num(mean)
            axes.stairs(top, _PT_EDGES, baseline=bottom, fill=True, color=colours[name], label=_NAMES[name], alpha=0.8)
            bottom = top
        if number < _JUDGED:
            for level in (0.65, 0.90):
                axes.axhline(level, color="black", linewidth=1.5, linestyle="--")
        axes.set_ylim(0.0, 1.0)
        pt_axis(axes, 20.0, 2000.0)
        axes.set_title(rf"{low:g} < |$\eta$| < {high:g}", loc="right", fontsize=13)
    grid[0, 0].set_ylabel("Share of the raw energy")
    head(grid[0, 0], rf"|$\eta$| < {_REGIONS[0][1]:g}")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(FRACTIONS))
    return figure


def _draw_constituents(jets: SimulatedJets) -> Figure:
    figure, grid = panels(1, 2, (12.0, 5.0), sharey=True)
    for axes, (low, high) in zip(grid[0], ((0.0, 2.5), (2.5, 5.0)), strict=True):
        inside = _fine(jets, low, high)
        kinds = {"light quarks": np.isin(jets.flavour, (1, 2, 3)), "gluons": jets.flavour == 21}
        for number, (name, chosen) in enumerate(kinds.items()):
            mean, error = weighted_means(
                jets["n_constituents"], jets["target"], np.where(chosen, inside, -1), len(_PT_EDGES) - 1
            )
            known = error < 0.1 * mean
            axes.errorbar(
                centres(_PT_EDGES)[known], mean[known], error[known], fmt=MARKERS[number] + "-",
                color=COLOURS[number + 1], label=name,
            )  # fmt: skip
        axes.set_ylim(0.0, None)
        pt_axis(axes, 20.0, 2000.0)
        head(axes, rf"{low:g} < |$\eta$| < {high:g}")
    grid[0, 0].set_ylabel("Mean number of constituents")
    grid[0, 0].legend(loc="upper left")
    return figure
