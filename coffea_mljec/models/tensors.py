"""The padded inputs of a graph, as weaver's ``preprocess.json`` describes them: a part of the model card."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Tensor", "Variable"]


class Variable(BaseModel):
    """One row of a tensor: ``clip((x - median) * norm_factor, lower_bound, upper_bound)``.

    Attributes
    ----------
    feature : str
        Of the tensor's collection, a name on the card's ``features``.
    median, norm_factor : float
    replace_inf_value : float
        Takes the place of x where it is NaN, infinite or beyond 1e32 in size.
    lower_bound, upper_bound : float
    pad : float
        What fills the tensor beyond the constituents of a jet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    feature: str
    median: float = 0.0
    norm_factor: float = 1.0
    replace_inf_value: float = 0.0
    lower_bound: float = -1e32
    upper_bound: float = 1e32
    pad: float = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Variable:
        if not self.lower_bound < self.upper_bound:
            raise ValueError(
                f"{self.feature}: lower_bound must be below upper_bound; got {self.lower_bound}, {self.upper_bound}"
            )
        if math.isclose(self.norm_factor, 0.0, abs_tol=1e-300):
            raise ValueError(f"{self.feature}: norm_factor must not be 0")
        return self


class Tensor(BaseModel):
    """One input of a graph, float32 [n_jets, variables, length]; [n_jets, variables] for jets' own quantities.

    Attributes
    ----------
    name : str
        Of the graph's input.
    collection : str
        ``candidates``, ``charged``, ``neutral``, ``sv`` or ``jet``.
    variables : tuple of Variable
    min_length, max_length : int
        Constituents of a jet: fewer are padded, more are cut. Both 1 for ``jet``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    collection: str
    variables: tuple[Variable, ...] = Field(min_length=1)
    min_length: int = Field(ge=1, le=100_000)
    max_length: int = Field(ge=1, le=100_000)

    @model_validator(mode="after")
    def _ordered(self) -> Tensor:
        if self.min_length > self.max_length:
            raise ValueError(
                f"{self.name}: min_length must not be above max_length; got {self.min_length}, {self.max_length}"
            )
        return self
