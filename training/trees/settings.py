"""How boosted trees are grown."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Trees"]

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]


class Trees(BaseModel):
    """Number, size and learning rate of the trees.

    The loss is the networks': the mean of |y - y_hat| over jets with |y| < ``loss_range``, y and y_hat as in
    ``docs/explanation/physics.md``.

    Attributes
    ----------
    loss_range : float
        Jets with a target beyond this size do not enter.
    rounds : int
        Trees at most.
    stop_rounds : int
        Growing stops after so many trees without a gain in validation loss; the best number is kept.
    learning_rate : float
        What a tree contributes.
    leaves : int
        Leaves a tree at most.
    min_jets_in_leaf : int
        Jets a leaf at least.
    bins : int
        Histogram bins of a feature.
    feature_share, jet_share : float
        Share of the features, and of the jets, that a tree is grown on.
    l2 : float
        Penalty on the square of the leaves' values.
    threads : int
        CPU threads of lightgbm; with the seed, the number does not change the trees.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    loss_range: Annotated[float, Field(gt=0.0)] = 1.0
    rounds: Positive = 1000
    stop_rounds: Positive = 50
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    leaves: Annotated[int, Field(ge=2)] = 63
    min_jets_in_leaf: Positive = 200
    bins: Annotated[int, Field(ge=2, le=65_535)] = 255
    feature_share: Share = 1.0
    jet_share: Share = 1.0
    l2: Annotated[float, Field(ge=0.0)] = 0.0
    threads: Positive = 2
