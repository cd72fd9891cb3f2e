"""What a training achieved: losses of the kept weights, the record for export, the plot of the losses."""

from __future__ import annotations

import csv
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.learning.material import Material
from training.learning.recipe import AnyRecipe
from training.learning.sampling import effective_size

if TYPE_CHECKING:
    from training.learning.loop import JetBatches
    from training.networks.network import Network

__all__ = ["losses", "plot_losses", "record", "speed"]


def losses(network: Network, batches: JetBatches, rows: dict[str, NDArray[np.int64]]) -> dict[str, float]:
    """Return the loss of a network on validation and test jets in the target density, and that of no correction.

    The network is in evaluation mode, where the batches are.

    Keys: ``val_loss``, ``val_loss_uncorrected``, ``test_loss``, ``test_loss_uncorrected`` (test where it has jets).
    """
    import torch

    from training.learning.loop import regression_loss

    metrics = {}
    for name in ("val", "test"):
        if not len(rows[name]):
            continue
        parts = []
        with torch.no_grad():
            for batch in batches.in_order(rows[name]):
                parts.append(torch.stack([network(batch), batch["target"], batch["weight"]]).cpu())
        predicted, target, weight = torch.cat(parts, dim=1)
        for label, values in (("loss", predicted), ("loss_uncorrected", torch.zeros_like(target))):
            metrics[f"{name}_{label}"] = float(regression_loss(values, target, weight, batches.learning.loss_range))
    return metrics


def record(
    recipe: AnyRecipe, material: Material, parameters: int, metrics: dict[str, float], packages: tuple[str, ...]
) -> dict[str, Any]:
    """Return what a run keeps: recipe, sample, sizes, metrics, domain of the training jets, versions."""
    columns, rows, expected = material.jets.columns, material.rows, material.expected()
    used = rows["train"][material.sampled.acceptance[rows["train"]] > 0]
    domain = {
        name: [float(values.min()), float(values.max())]
        for name, values in (
            ("pt_raw", columns["pt_raw"][used]),
            ("abs_eta", np.abs(columns["eta"][used])),
            ("rho", columns["rho"][used]),
            ("n_pv", columns["n_pv"][used]),
        )
    }
    # |eta| has an edge above only: a jet at exactly 0 is no stranger.
    domain["abs_eta"][0] = 0.0
    return {
        "recipe": recipe.model_dump(mode="json"),
        "prepared": material.jets.description,
        "jets": {name: len(chosen) for name, chosen in rows.items()},
        "effective_size": {name: effective_size(expected[part]) for name, part in rows.items()},
        "sampling": material.sampled.report,
        "parameters": parameters,
        "metrics": metrics,
        "domain": domain,
        "versions": {name: metadata.version(name) for name in (*packages, "numpy", "coffea")},
    }


def speed(folder: Path) -> dict[str, float]:
    """Return jets a second that reached the network and the share of that time spent waiting, over all epochs."""
    with (folder / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    seconds = sum(float(line["seconds"]) for line in lines)
    return {
        "jets_per_second": sum(float(line["jets"]) for line in lines) / max(seconds, 1e-9),
        "waiting": sum(float(line["waiting"]) * float(line["seconds"]) for line in lines) / max(seconds, 1e-9),
        "seconds": seconds,
    }


def plot_losses(folder: Path) -> None:
    """Draw the losses of ``metrics.csv`` over the epochs into ``loss.png``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with (folder / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
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
    temporary = folder / "loss.png.part"
    figure.savefig(temporary, format="png", dpi=110)
    temporary.rename(folder / "loss.png")
