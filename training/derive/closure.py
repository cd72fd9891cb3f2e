"""Closure of a derived correction: the median response in bins of |eta_gen| and pt_gen, as numbers and as a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import defaults
from coffea_mljec.errors import MLJECError
from coffea_mljec.support.atomic import whole_file, write_text
from coffea_mljec.validation.common.replicas import poisson_weights
from training.derive.jets import MatchedJets
from training.derive.medians import effective, group_quantiles

__all__ = ["closure_table", "plot_closure", "summary", "write_closure"]

ETA_EDGES = np.array([0.0, 0.8, 1.3, 2.0, 2.5, 3.0, 4.0, 5.0])
PT_EDGES = np.array([10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 100.0, 170.0, 300.0, 550.0, 1000.0, 1800.0, 3500.0])
_REPLICAS = defaults.REPLICAS
_FEWEST = 25.0
_GOAL = 0.01
_FROM_PT = 30.0

Floats = NDArray[np.float64]
Table = list[dict[str, Any]]


def closure_table(jets: MatchedJets, weight: Floats, corrected: Floats) -> Table:
    """Return one entry a bin of |eta_gen|.

    Each has the bin's edges and, for bins of pt_gen with at least 25 jets, effectively: the bin's edges, mean pt_gen,
    number of jets, the median response and its error from 30 bootstrap resamples of events.

    Parameters
    ----------
    jets : MatchedJets
    weight, corrected : float64 arrays [n]
        The corrected pT in GeV.
    """
    n_pt, n_eta = len(PT_EDGES) - 1, len(ETA_EDGES) - 1
    row = np.digitize(np.abs(jets["eta_gen"]), ETA_EDGES) - 1
    column = np.digitize(jets["pt_gen"], PT_EDGES) - 1
    # A payload gives 0 where it does not reach (AK8 jets beyond |eta| 2.5).
    inside = (row >= 0) & (row < n_eta) & (column >= 0) & (column < n_pt) & (corrected > 0.0)
    cell = np.where(inside, row * n_pt + column, -1)
    size = n_eta * n_pt
    response = corrected / jets["pt_gen"]
    order = np.lexsort((response, cell))
    median = group_quantiles(response, weight, cell, size, (0.5,), order)[:, 0]
    event = jets["event"].astype(np.int64)
    times = poisson_weights(np.zeros_like(event), np.zeros_like(event), event, _REPLICAS)
    resampled = [
        group_quantiles(response, weight * times[:, replica], cell, size, (0.5,), order)[:, 0]
        for replica in range(_REPLICAS)
    ]
    enough = effective(weight, cell, size) >= _FEWEST
    table = []
    for eta_bin in range(n_eta):
        cells = eta_bin * n_pt + np.flatnonzero(enough[eta_bin * n_pt : (eta_bin + 1) * n_pt])
        points = [cell == one for one in cells]
        at = cells - eta_bin * n_pt
        table.append({
            "abs_eta": [float(edge) for edge in ETA_EDGES[eta_bin : eta_bin + 2]],
            "pt_edges": [[float(PT_EDGES[i]), float(PT_EDGES[i + 1])] for i in at],
            "pt_gen": [round(float(np.average(jets["pt_gen"][p], weights=weight[p])), 3) for p in points],
            "jets": [int(p.sum()) for p in points],
            "median": [round(float(value), 5) for value in median[cells]],
            "error": [round(float(value), 5) for value in np.std([one[cells] for one in resampled], axis=0, ddof=1)],
        })  # fmt: skip
    return table


def summary(table: Table) -> dict[str, Any]:
    """Return how well a table closes above 30 GeV.

    ``largest`` is the largest |median - 1| of the bins whose error is below half a per cent; ``chi2_per_bin`` compares
    with a perfect closure; ``beyond`` counts the bins more than 1 % off, ``beyond_by_two_errors`` those for which that
    is no fluctuation.
    """
    bins = [
        (median - 1.0, error)
        for entry in table
        for (low, _), median, error in zip(entry["pt_edges"], entry["median"], entry["error"], strict=True)
        if low >= _FROM_PT
    ]
    off, error = np.array(bins).reshape(-1, 2).T
    precise = np.abs(off[error < 0.005])
    return {
        "bins": len(off),
        "largest": float(precise.max()) if len(precise) else float("nan"),
        "chi2_per_bin": round(float(np.mean((off / np.maximum(error, 1e-5)) ** 2)), 3) if len(off) else float("nan"),
        "beyond": int(np.sum(np.abs(off) > _GOAL)),
        "beyond_by_two_errors": int(np.sum(np.abs(off) - 2.0 * error > _GOAL)),
    }


def write_closure(path: Path, tables: Mapping[str, Table]) -> None:
    """Write the tables of some samples as JSON."""
    content = {name: {"above_30_GeV": summary(table), "bins": table} for name, table in tables.items()}
    write_text(path, json.dumps(content, indent=1))


def plot_closure(path: Path, tables: Mapping[str, Table]) -> None:
    """Draw median response against pt_gen, a panel a sample, a line a bin of |eta_gen|."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MLJECError("the closure plot needs matplotlib: pip install 'coffea-mljec[plot]'") from None

    figure = Figure(figsize=(5.0 * len(tables), 4.5), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(tables), sharey=True))
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        axis.axhspan(1.0 - _GOAL, 1.0 + _GOAL, color="0.9")
        for number, entry in enumerate(table):
            low, high = entry["abs_eta"]
            # Side by side within a bin, so that the errors can be told apart.
            aside = 1.0 + 0.02 * (number - len(table) / 2)
            axis.errorbar(
                np.array(entry["pt_gen"]) * aside, entry["median"], entry["error"], marker="o", markersize=3,
                linewidth=1, color=f"C{number}", label=rf"{low:g} < |$\eta$| < {high:g}",
            )  # fmt: skip
        axis.set(xscale="log", ylim=(0.93, 1.07), xlabel=r"$p_T^{gen}$ [GeV]")
        axis.set_title(name, fontsize=9)
    axes[0].set_ylabel("median response")
    axes[-1].legend(fontsize=7, ncols=2)
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
