"""Closure of a derived correction: the median response in bins of |eta_gen| and pt_gen, as numbers and as a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.corrections.payloads import Payload
from coffea_mljec.errors import MLJECError
from training.derive.response import binned_medians
from training.derive.sample import MatchedJets

__all__ = ["closure_table", "plot_closure", "write_closure"]

ETA_EDGES = np.array([0.0, 0.8, 1.3, 2.0, 2.5, 3.0, 4.0, 5.0])
PT_EDGES = np.array([10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 100.0, 170.0, 300.0, 550.0, 1000.0, 1800.0, 3500.0])


def corrected(jets: MatchedJets, payload: Payload) -> NDArray[np.float64]:
    """Return the jets' corrected pT in GeV, 0 where the payload does not reach."""
    columns = {name: jets[name] for name in ("pt_raw", "eta", "area", "rho")}
    factor, valid = payload.evaluate(columns)
    return np.where(valid, jets["pt_raw"] * factor, 0.0)


def closure_table(jets: MatchedJets, weight: NDArray[np.float64], payload: Payload) -> list[dict[str, Any]]:
    """Return one entry a bin of |eta_gen|.

    Each has the bin's edges and, for bins of pt_gen, the mean pt_gen, the median response and its error.
    """
    response = corrected(jets, payload) / jets["pt_gen"]
    away = np.abs(jets["eta_gen"])
    table = []
    for low, high in pairwise(ETA_EDGES):
        rows = (away >= low) & (away < high)
        points = binned_medians(response[rows], jets["pt_gen"][rows], weight[rows], PT_EDGES)
        entry: dict[str, Any] = {"abs_eta": [float(low), float(high)]}
        for name, column in zip(("pt_gen", "median", "error"), points, strict=True):
            entry[name] = [round(float(value), 5) for value in column]
        table.append(entry)
    return table


def worst(table: list[dict[str, Any]], above: float = 30.0) -> float:
    """Return the largest |median - 1| among bins above a pt_gen whose error is below half a per cent."""
    differences = [
        abs(median - 1.0)
        for entry in table
        for pt, median, error in zip(entry["pt_gen"], entry["median"], entry["error"], strict=True)
        if pt > above and error < 0.005
    ]
    return max(differences, default=float("nan"))


def write_closure(path: Path, tables: Mapping[str, list[dict[str, Any]]]) -> None:
    """Write the tables of some samples as JSON."""
    content = {
        name: {"largest_non_closure_above_30_GeV": worst(table), "bins": table} for name, table in tables.items()
    }
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(path)


def plot_closure(path: Path, tables: Mapping[str, list[dict[str, Any]]]) -> None:
    """Draw median response against pt_gen, a panel a sample, a line a bin of |eta_gen|."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MLJECError("the closure plot needs matplotlib: pip install 'coffea-mljec[plot]'") from None

    figure = Figure(figsize=(6.0 * len(tables), 4.5), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(tables), sharey=True))
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        axis.axhspan(0.99, 1.01, color="0.9")
        for number, entry in enumerate(table):
            low, high = entry["abs_eta"]
            axis.errorbar(
                entry["pt_gen"], entry["median"], entry["error"], marker="o", markersize=3, linewidth=1,
                color=f"C{number}", label=rf"{low:g} < |$\eta$| < {high:g}",
            )  # fmt: skip
        axis.set(xscale="log", ylim=(0.93, 1.07), xlabel=r"$p_T^{gen}$ [GeV]", ylabel="median of corrected response")
        axis.set_title(name)
        axis.legend(fontsize=7, ncols=2)
    temporary = path.with_name("." + path.name)
    figure.savefig(temporary, dpi=120)
    temporary.replace(path)
