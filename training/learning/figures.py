"""The figures of a run: what the sampling does, and the losses over the epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.support.atomic import whole_file
from training.learning.history import read_history
from training.learning.sampling import FLAVOUR_GROUPS, JetWeights, SamplingSettings
from training.learning.target_density import cell_edges, target_in_cells

__all__ = ["plot_losses", "plot_sampling"]

_DPI = 110


def plot_sampling(
    path: Path,
    pt_gen: NDArray[np.floating],
    eta_gen: NDArray[np.floating],
    flavour: NDArray[np.integer],
    weights: JetWeights,
    settings: SamplingSettings,
) -> None:
    """Draw what the sampling does: available, reached and target density in pt_gen and |eta_gen|, per flavour group."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6))
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(FLAVOUR_GROUPS), squeeze=False)
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.09, top=0.95, hspace=0.3, wspace=0.25)
    pt, eta = np.asarray(pt_gen, np.float64), np.abs(np.asarray(eta_gen, np.float64))
    edges = cell_edges(pt, eta, settings.pt_bins, settings.eta_bins)
    target = target_in_cells(edges, settings.p_ref, settings.pt_power).reshape(len(edges[0]) - 1, -1)
    reached = weights.acceptance.astype(np.float64) * weights.loss_weight
    for column, (group, codes) in enumerate(FLAVOUR_GROUPS.items()):
        mine = np.isin(flavour, codes)
        views = ((np.exp(edges[0]), pt, target.sum(axis=1)), (edges[1], eta, target.sum(axis=0)))
        for row, (edge, values, wanted) in enumerate(views):
            axis = axes[row, column]
            for name, weight in (("available", None), ("reached", reached[mine])):
                counts, _ = np.histogram(values[mine], edge, weights=weight)
                axis.stairs(counts / max(counts.sum(), 1e-9), edge, label=name)
            axis.stairs(wanted / wanted.sum(), edge, label="target", color="black", linestyle=":")
            axis.set_yscale("log")
            axis.set_ylim(1e-5, 1.0)
            if row == 0:
                axis.set_xscale("log")
                axis.set_title(f"{group}: {int(mine.sum()):,} jets")
            axis.set_xlabel(r"$p_T^{gen}$ / GeV" if row == 0 else r"$|\eta^{gen}|$")
    axes[0, 0].legend()
    axes[0, 0].set_ylabel("share of jets in the bin")
    axes[1, 0].set_ylabel("share of jets in the bin")
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def plot_losses(folder: Path) -> None:
    """Draw the losses of ``metrics.csv`` over the epochs into ``loss.png``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = read_history(folder / "metrics.csv")
    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for name in ("train_loss", "val_loss"):
        axis.plot(
            [int(line["epoch"]) for line in lines], [float(line[name]) for line in lines], label=name.replace("_", " ")
        )
    axis.set_xlabel("epoch")
    axis.set_ylabel(r"mean $|y - \hat y|$")
    axis.legend()
    with whole_file(folder / "loss.png") as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
