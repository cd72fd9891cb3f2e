"""Widths that hold what they say: the outer quantiles, settled on jets that the training did not see.

A network learns the widths of its training jets, which it also fits: elsewhere its intervals are a little narrow, and
more so for rare kinds of jets. Before a run is written, the part of its last layer that makes the widths is therefore
fitted to the validation jets, every bin of generator pT and abs(eta) alike. At last both widths are stretched until, on
average over the bins, as many validation jets lie below and above them as should.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coffea_mljec.validation.width.processor import ETA_EDGES, PT_EDGES
from training.learning.batches import JetBatches
from training.learning.losses import QUANTILES, Loss
from training.networks.network import Network

__all__ = ["alike", "refit", "settle_widths", "stretch"]

#: Jets from which on a bin counts in full; fewer count in proportion.
_ENOUGH = 200.0

#: How strongly the fit is held to what the training found, per squared change of ln(width).
_HELD = 1.0e-3

#: How many jets' worth a change of the last layer has to be, per squared change in units of its inputs' spread: of few
#: jets nothing is learnt that would run away on jets unlike them.
_PRIOR = 100.0


def alike(pt_gen: NDArray[np.floating], abs_eta_gen: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return weights with which all bins of generator pT (GeV) and abs(eta) count the same, but for those of few jets:
    float64 array [n], of sum 1."""
    row, column = np.digitize(pt_gen, PT_EDGES), np.digitize(abs_eta_gen, ETA_EDGES)
    cell = row * (len(ETA_EDGES) + 1) + column
    share = 1.0 / np.maximum(np.bincount(cell), _ENOUGH)[cell]
    whole: NDArray[np.float64] = share / share.sum()
    return whole


def refit(
    hidden: NDArray[np.float32],
    off: NDArray[np.float64],
    log_width: NDArray[np.float64],
    weight: NDArray[np.float64],
    level: float,
) -> NDArray[np.float64]:
    """Return the change of a last layer's row and bias, [h + 1], that makes the width of one side right everywhere.

    The pinball loss of the width, in units of the width as it was, is made least.

    Parameters
    ----------
    hidden : float32 array [n, h]
        What the last layer reads.
    off : float64 array [n]
        How far the target is off the median, on this side positive.
    log_width : float64 array [n]
        As the network has it.
    weight : float64 array [n]
        Their sum is 1.
    level : float
        Share of jets whose ``off`` is below the width.
    """
    centre, scale = hidden.mean(axis=0, dtype=np.float64), hidden.std(axis=0, dtype=np.float64)
    scale[scale < 1.0e-6] = np.inf
    inputs = torch.from_numpy(((hidden - centre) / scale).astype(np.float32))
    relative, share = (torch.from_numpy(each.astype(np.float32)) for each in (off / np.exp(log_width), weight))
    change = torch.zeros(hidden.shape[1] + 1, requires_grad=True)
    optimiser = torch.optim.LBFGS([change], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        step = inputs @ change[:-1] + change[-1]
        beyond = relative - step.clamp(-2.0, 2.0).exp()
        value = (share * torch.where(beyond > 0, level * beyond, (level - 1.0) * beyond)).sum()
        value = value + _HELD * (share * step**2).sum() + _PRIOR / len(off) * (change[:-1] ** 2).sum()
        value.backward()
        return value

    optimiser.step(loss)
    found = change.detach().numpy().astype(np.float64)
    row = found[:-1] / scale
    return np.append(row, found[-1] - row @ centre)


def stretch(
    outputs: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, float]:
    """Return by which factors the lower and the upper width must grow.

    Parameters
    ----------
    outputs : float64 array [n, 3]
        Median, and the logarithms of its distances from the quantiles .16 and .84.
    target, weight : float64 array [n]
    """
    off = target - outputs[:, 0]
    return (
        _quantile(-off / np.exp(outputs[:, 1]), weight, 1.0 - QUANTILES[0]),
        _quantile(off / np.exp(outputs[:, 2]), weight, QUANTILES[2]),
    )


def _quantile(values: NDArray[np.float64], weight: NDArray[np.float64], level: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, level * total[-1])])


def settle_widths(network: Network, batches: JetBatches, rows: NDArray[np.int64], loss: Loss) -> dict[str, float]:
    """Fit a network's outer quantiles to some jets; return by which factors they grew as a whole, by output.

    Parameters
    ----------
    network : Network
        In evaluation mode, where the batches are; the rows of its last layer that make the widths change.
    batches : JetBatches
    rows : int64 array
        Of all validation jets: bins of few jets need them.
    loss : Loss
        Without outer quantiles nothing is done. Where jets contradict an interval altogether, it stays as it is.
    """
    names = [output.name for output in loss.outputs[1:3] if output.quantity.startswith("quantile:")]
    if len(names) < 2 or not len(rows):
        return {}
    hidden, together = _said(network, batches, rows)
    outputs, target = together[:, :3], together[:, 3]
    columns = batches.jets.columns
    share = alike(columns["pt_gen"][rows], np.abs(columns["eta_gen"][rows]))
    if min(before := stretch(outputs, target, share)) <= 0.0:
        return {}
    level = 1.0 - QUANTILES[0], QUANTILES[2]
    for column, (side, factor) in enumerate(zip((-1.0, 1.0), before, strict=True), start=1):
        outputs[:, column] += np.log(factor)
        off = side * (target - outputs[:, 0])
        change = refit(hidden, off, outputs[:, column], share, level[column - 1])
        outputs[:, column] += hidden @ change[:-1] + change[-1]
        change[-1] += np.log(factor)
        _change(network, column, change)
    after = stretch(outputs, target, share)
    for column, factor in enumerate(after, start=1):
        _change(network, column, np.append(np.zeros(hidden.shape[1]), np.log(factor)))
    return {name: first * last for name, first, last in zip(names, before, after, strict=True)}


def _said(network: Network, batches: JetBatches, rows: NDArray[np.int64]) -> tuple[Any, NDArray[np.float64]]:
    """Return what the last layer reads of some jets, [n, h], and three outputs and the target, [n, 4]."""
    read: list[Tensor] = []
    parts = []
    handle = network.output.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].cpu()))
    try:
        with torch.no_grad():
            for batch in batches.in_order(rows):
                predicted = network(batch)[:, :3]
                parts.append(torch.column_stack([predicted, batch["target"]]).cpu().double())
    finally:
        handle.remove()
    return torch.cat(read).numpy(), torch.cat(parts).numpy()


def _change(network: Network, column: int, change: NDArray[np.float64]) -> None:
    """Add to a row of the last layer and its bias."""
    with torch.no_grad():
        layer = network.output
        layer.weight[column] += torch.from_numpy(change[:-1]).to(layer.weight)
        layer.bias[column] += float(change[-1])
