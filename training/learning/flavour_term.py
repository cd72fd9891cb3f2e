"""A term of the loss that makes the response of all flavours alike.

In cells of generator pT and |eta|, each flavour has a mean of the smooth sign of its errors, tanh((y_hat - y) / tau).
It is zero where the flavour's median closes. The term is the spread of these means over the flavours. The square of a
noisy mean is biased upwards, by more for rare flavours. The product of the means of two halves of a batch is not.
Formula: ``docs/explanation/physics.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FLAVOURS", "LEAST_BATCH", "FlavourSettings", "flavour_groups", "flavour_term"]

FLAVOURS = (1, 2, 3, 4, 5, 21)
"""|parton flavour| of generator jets: d u s c b g."""

PT_EDGES = (15.0, 30.0, 50.0, 100.0, 300.0, 1000.0)
"""GeV; jets below the first are in no cell, those above the last share one."""

FORWARD = 2.5
"""|eta| of the generator jet that parts central from forward cells."""

LEAST_BATCH = 4096
"""Jets of a batch: with fewer, most cells have no jets of some flavour in one of the halves."""

N_GROUPS = 2 * len(PT_EDGES) * len(FLAVOURS)


class FlavourSettings(BaseModel):
    """The term in a recipe.

    Attributes
    ----------
    weight : float
        Lambda: the loss is that of the jets plus this times the term. 0: no term.
    forward : float
        Factor on forward cells, whose jets have no tracks to tell flavours by: there neutrality costs most.
    tau : float
        Width of the smooth sign, in ln(pT).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: Annotated[float, Field(ge=0.0)] = 0.0
    forward: Annotated[float, Field(ge=0.0)] = 1.0
    tau: Annotated[float, Field(gt=0.0)] = 0.05


def flavour_groups(
    pt_gen: NDArray[np.floating], eta_gen: NDArray[np.floating], flavour: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return the group of each jet, cell times flavours plus flavour; -1 where it is in none.

    Parameters
    ----------
    pt_gen : array [n]
        GeV.
    eta_gen : array [n]
    flavour : integer array [n]
        Signed parton flavour.
    """
    interval = np.digitize(pt_gen, PT_EDGES) - 1
    cell = interval + len(PT_EDGES) * (np.abs(eta_gen) >= FORWARD)
    size = np.abs(flavour)
    which = np.searchsorted(FLAVOURS, size)
    known = (interval >= 0) & np.isin(size, FLAVOURS)
    return np.where(known, cell * len(FLAVOURS) + np.minimum(which, len(FLAVOURS) - 1), -1).astype(np.int64)


def flavour_term(
    predicted: Tensor, target: Tensor, weight: Tensor, group: Tensor, tau: float, forward: float = 1.0
) -> Tensor:
    """Return the sum over cells of share x mean over flavours of (m_f - mean of m_f) in one half times the other's.

    Parameters
    ----------
    predicted, target, weight : Tensor [n]
        y_hat, y and weights of the jets of a batch, in random order.
    group : Tensor, int64 [n]
        Of `flavour_groups`.
    tau : float
    forward : float
        Factor on the share of forward cells.

    Returns
    -------
    Tensor []
        Unbiased: it may be negative. A cell counts with the flavours that both halves have.
    """
    import torch

    n = len(target)
    inside = group >= 0
    half = torch.arange(n, device=group.device) % 2
    place = torch.where(inside, half * N_GROUPS + group, 2 * N_GROUPS)
    sign = torch.tanh((predicted - target) / tau)
    sums = predicted.new_zeros(2 * N_GROUPS + 1).index_add(0, place, weight * sign)[:-1]
    weights = predicted.new_zeros(2 * N_GROUPS + 1).index_add(0, place, weight)[:-1]
    shape = (2, N_GROUPS // len(FLAVOURS), len(FLAVOURS))
    sums, weights = sums.reshape(shape), weights.reshape(shape)
    both = (weights > 0).all(dim=0)
    mean = sums / weights.clamp_min(torch.finfo(weights.dtype).tiny)
    count = both.sum(dim=1)
    centre = (mean * both).sum(dim=2, keepdim=True) / count.clamp_min(1)[:, None]
    off = (mean - centre) * both
    spread = (off[0] * off[1]).sum(dim=1) / count.clamp_min(1)
    cells = weights.sum(dim=(0, 2))
    share = cells / cells.sum().clamp_min(torch.finfo(cells.dtype).tiny)
    share[len(PT_EDGES) :] *= forward
    return (share * torch.where(count > 1, spread, torch.zeros_like(spread))).sum()
