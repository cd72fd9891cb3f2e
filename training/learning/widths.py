"""Widths that hold what they say: the outer quantiles, settled on jets that the training did not see.

A network learns the widths of its training jets, which it also fits: elsewhere its intervals are a little narrow.
Before a run is written, both are therefore stretched until the validation jets lie below and above them as often as
they should.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.learning.batches import JetBatches
from training.learning.losses import QUANTILES, Loss
from training.networks.network import Network

__all__ = ["settle_widths", "stretch"]


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
    """Stretch a network's outer quantiles so that some jets' shares are right; return the factors by output.

    Parameters
    ----------
    network : Network
        In evaluation mode, where the batches are; its biases change.
    batches : JetBatches
    rows : int64 array
        Of the validation jets.
    loss : Loss
        Without outer quantiles nothing is done. Where jets contradict an interval altogether, it stays as it is.
    """
    names = [output.name for output in loss.outputs[1:3] if output.quantity.startswith("quantile:")]
    if len(names) < 2 or not len(rows):
        return {}
    parts: list[Any] = []
    with torch.no_grad():
        for batch in batches.in_order(rows):
            predicted = network(batch)[:, :3]
            parts.append(torch.column_stack([predicted, batch["target"], batch["weight"]]).cpu().double())
        together = torch.cat(parts).numpy()
        factors = stretch(together[:, :3], together[:, 3], together[:, 4])
        if min(factors) <= 0.0:
            return {}
        for column, factor in enumerate(factors, start=1):
            network.output.bias[column] += float(np.log(factor))
    return dict(zip(names, factors, strict=True))
