"""Terms of the loss that data without truth can have: the balance of two jets, and what holds the scale meanwhile.

The width of the asymmetry A = (pt_ref - pt_probe) / pt_avg of two jets holds their resolution
(`coffea_mljec.validation.dijet.processor`). Minimised alone it is useless: a network that gives every jet the same pT
has no asymmetry. So the scale is held where the network had it at the start: the median response of simulated jets in
cells of generator pT and |eta|, and the mean correction of the data's jets in those of pt_avg.

A is antisymmetric under the exchange of the two jets, and which of them is the reference is drawn at random: its mean
is 0 by construction. The mean of A^2 is then its variance, without bias in batches of any size. Changes of the scale
are squared as the product of two halves of a batch. Formulas: ``docs/explanation/physics.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from coffea_mljec.support.digest import digest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "SCALE_CELLS",
    "InSituSettings",
    "asymmetry_term",
    "changes_of_scale",
    "described",
    "pairwise_likelihood",
    "scale_cell_named",
    "scale_cells",
    "scale_penalty",
    "softened",
]

SCALE_PT = (8.0, 15.0, 30.0, 60.0, 100.0, 160.0, 250.0, 400.0, 1000.0)
"""Edges in generator pT (GeV) of the cells in which the simulation's median response is held; the last is open."""

SCALE_ETA = (0.0, 1.3, 2.5, 3.0)
"""The same in |eta|; the last is open."""

SCALE_CELLS = len(SCALE_PT) * len(SCALE_ETA)

Positive = Annotated[float, Field(gt=0.0)]


class InSituSettings(BaseModel):
    """The term in a recipe.

    Attributes
    ----------
    factor : float
        f: the loss is that of the simulation plus this times the term. 0: no term, and nothing is held.
    data : tuple of Path
        Files or folders with the events of the data; their truth, if they have any, is not read.
    way : "asymmetry" or "pairs"
        The variance of the asymmetry, or the likelihood of the balance given both jets' widths.
    scale_weight : float
        How strongly the scale is held; 0 leaves it free, which shows why it must be held.
    tau : float
        Width of the smooth sign, in ln(pT).
    largest_shift : float
        In ln(pT): a cell whose scale has moved further means that the training diverges, and ends it.
    batch_size : int
        Events of the data a batch.
    further_jets : bool
        Whether the balance that an event's further jets ask for is taken off before it is squared: much of what is the
        event's own, and no jet's, then leaves the term.
    tails : float
        Asymmetries beyond so many of their cell's standard deviations count by their logarithm; 0: by their square, as
        the likelihood has them in any case.
    pt_edges, eta_edges : tuple of float
        Bins of pt_avg (GeV) and |eta| in which the asymmetry is measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: Annotated[float, Field(ge=0.0)] = 0.0
    data: tuple[Path, ...] = ()
    way: Literal["asymmetry", "pairs"] = "asymmetry"
    scale_weight: Annotated[float, Field(ge=0.0)] = 30.0
    tau: Positive = 0.05
    largest_shift: Positive = 0.1
    batch_size: Annotated[int, Field(gt=3)] = 512
    further_jets: bool = True
    tails: Annotated[float, Field(ge=0.0)] = 2.0
    pt_edges: Annotated[tuple[Positive, ...], Field(min_length=2)] = (60.0, 100.0, 160.0, 250.0, 400.0, 1000.0)
    eta_edges: Annotated[tuple[float, ...], Field(min_length=2)] = (0.0, 1.3, 2.5)

    @model_validator(mode="after")
    def _data_and_rising_edges(self) -> InSituSettings:
        if self.factor > 0 and not self.data:
            raise ValueError("in_situ.factor is above 0 and there are no data: name files or folders in in_situ.data")
        for name in ("pt_edges", "eta_edges"):
            edges = getattr(self, name)
            if (np.diff(edges) <= 0).any():
                raise ValueError(f"in_situ.{name} must rise, got {edges}")
        return self


def described(record: Mapping[str, Any]) -> str:
    """Return what a training did with data, in a line for the model's card.

    Parameters
    ----------
    record : mapping
        ``in_situ`` of a run's record.
    """
    of_files = digest(" ".join(sorted(record["data"].values())).encode())
    ended = f"; diverged at {record['diverged']}" if record["diverged"] else ""
    return (
        f"{record['events']['training']} dijets of {len(record['data'])} files (digest {of_files[:16]}), way "
        f"{record['way']}, f {record['factor']:g}, weights of the {record['kept']}{ended}"
    )


def scale_cells(pt_gen: NDArray[np.floating], eta_gen: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the cell of each simulated jet in which the scale is held, -1 below the first edge; arrays [n]."""
    interval = np.digitize(pt_gen, SCALE_PT) - 1
    region = np.digitize(np.abs(eta_gen), SCALE_ETA) - 1
    return np.where(interval >= 0, region * len(SCALE_PT) + interval, -1).astype(np.int64)


def scale_cell_named(cell: int) -> str:
    """Return what a cell of `scale_cells` holds, in words."""
    (low, high), (inner, outer) = (
        (edges[at], edges[at + 1] if at + 1 < len(edges) else None)
        for edges, at in zip((SCALE_PT, SCALE_ETA), divmod(cell, len(SCALE_PT))[::-1], strict=True)
    )
    pt = f"{low:g} to {high:g} GeV" if high is not None else f"{low:g} GeV and more"
    eta = f"{inner:g} to {outer:g}" if outer is not None else f"{inner:g} and more"
    return f"jets of {pt} at |eta| of {eta}"


def softened(square: Any, tail: Any) -> Any:
    """Return a square that grows like a logarithm beyond ``tail``: tail ln(1 + square / tail); array or Tensor.

    Both are squared asymmetries. Few events in the tails would decide otherwise; ``tail`` infinite leaves the square.
    """
    if isinstance(square, np.ndarray):
        with np.errstate(invalid="ignore"):
            return np.where(np.isinf(tail), square, tail * np.log1p(square / tail))
    import torch

    finite = torch.isfinite(tail)
    tail = torch.where(finite, tail, torch.ones_like(tail))
    return torch.where(finite, tail * torch.log1p(square / tail), square)


def asymmetry_term(
    log_correction: Tensor, pt_raw: Tensor, expected: Tensor, weight: Tensor, cell: Tensor, cells: Mapping[str, Tensor]
) -> Tensor:
    """Return the squared resolution that the asymmetry holds, over that of the start: the mean over events.

    Parameters
    ----------
    log_correction, pt_raw : Tensor [2 n]
        Of reference and probe of one event after the other; pT in GeV.
    expected : Tensor [n]
        The asymmetry that the further jets ask for.
    weight, cell : Tensor [n]
        Of the events; int64 cells.
    cells : mapping of str to Tensor [cells]
        ``tail``, from which `softened` softens; ``generator``, what is left of the generator jets' squared asymmetry;
        ``start``, what is left of the start's less the generator's, above 0.

    Returns
    -------
    Tensor []
        1 for the start itself, on average; unbiased.
    """
    pt = (pt_raw * log_correction.exp()).reshape(-1, 2)
    asymmetry = 2.0 * (pt[:, 0] - pt[:, 1]) / (pt[:, 0] + pt[:, 1]) - expected
    relative = (softened(asymmetry**2, cells["tail"][cell]) - cells["generator"][cell]) / cells["start"][cell]
    return (weight * relative).sum() / weight.sum()


def pairwise_likelihood(
    log_correction: Tensor, log_width: Tensor, pt_raw: Tensor, expected: Tensor, weight: Tensor, cell: Tensor,
    cells: Mapping[str, Tensor],
) -> Tensor:  # fmt: skip
    """Return -ln of the likelihood of the balance ln(pt_ref / pt_probe), given both jets' widths: mean over events.

    Source: R. Gambhir, B. Nachman, arXiv:2402.14067, without its correlations: each jet's own width, and the generator
    jets' balance as a Gaussian.

    Parameters
    ----------
    log_correction, log_width, pt_raw : Tensor [2 n]
        Of reference and probe of one event after the other; the width is that of ln(pT).
    expected : Tensor [n]
        The balance that the further jets ask for.
    weight, cell : Tensor [n]
        Of the events; int64 cells.
    cells : mapping of str to Tensor [cells]
        ``generator``, the variance that is left of the generator jets' balance.
    """
    log_pt = (pt_raw.log() + log_correction).reshape(-1, 2)
    variance = (2.0 * log_width).exp().reshape(-1, 2).sum(dim=1) + cells["generator"][cell]
    each = 0.5 * (log_pt[:, 0] - log_pt[:, 1] - expected) ** 2 / variance + 0.5 * variance.log()
    return (weight * each).sum() / weight.sum()


def changes_of_scale(change: Tensor, weight: Tensor, cell: Tensor, half: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Return the mean change in each cell and half, and the weights that it is made of: Tensors [2, cells].

    Parameters
    ----------
    change : Tensor [n]
        Of each jet since the start.
    weight, cell, half : Tensor [n]
        Cells below 0 do not count; halves are 0 and 1.
    """
    import torch

    place = torch.where(cell >= 0, half * cells + cell, 2 * cells)
    sums = change.new_zeros(2 * cells + 1).index_add(0, place, weight * change)[:-1]
    weights = change.new_zeros(2 * cells + 1).index_add(0, place, weight)[:-1]
    mean = sums / weights.clamp_min(torch.finfo(weights.dtype).tiny)
    return mean.reshape(2, cells), weights.reshape(2, cells)


def scale_penalty(mean: Tensor, weights: Tensor, multiplier: Tensor, strength: float) -> Tensor:
    """Return the augmented Lagrangian of the changes of scale: sum of share x (lambda m + strength / 2 m_1 m_2).

    Source: M. R. Hestenes, J. Optim. Theory Appl. 4 (1969) 303. The square is the product of both halves' means.

    Parameters
    ----------
    mean, weights : Tensor [2, cells]
        Of `changes_of_scale`.
    multiplier : Tensor [cells]
    strength : float
    """
    import torch

    total = weights.sum(dim=0)
    share = total / total.sum().clamp_min(torch.finfo(total.dtype).tiny)
    whole = (mean * weights).sum(dim=0) / total.clamp_min(torch.finfo(total.dtype).tiny)
    both = (weights > 0).all(dim=0)
    square = torch.where(both, mean[0] * mean[1], torch.zeros_like(whole))
    return (share * (multiplier * whole + 0.5 * strength * square)).sum()
