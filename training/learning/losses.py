"""The loss functions, by the names that a recipe gives them (``learning.loss``).

A loss is a mean over the jets of a batch, weighted: losses of batches, weighted by the sums of their jets' weights, add
up to the loss of all jets. Formulas: ``docs/explanation/physics.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LOSSES", "mean_absolute_error"]


def mean_absolute_error(predicted: Tensor, target: Tensor, weight: Tensor, loss_range: float = 1.0) -> Tensor:
    """Return the mean of w |y - y_hat| over the jets with |y| < range.

    Targets beyond the range contribute 0 and stay in the denominator, which is the sum of the weights. Source:
    reference thesis, equation 6.8.

    Parameters
    ----------
    predicted, target : Tensor [n]
        y_hat and y = ln(pt_gen / pt_raw), the logarithm of the correction.
    weight : Tensor [n]
        Of the jets; all 1 for the plain mean.
    loss_range : float
    """
    inside = (target.abs() < loss_range).to(predicted.dtype)
    return (weight * inside * (target - predicted).abs()).sum() / weight.sum()


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, float], Tensor]] = {"mae": mean_absolute_error}
"""Name -> (predicted, target, weight, loss_range) -> loss."""
