"""The shapes of the particle flow networks (DESIGN section 5; reference thesis, section 6.3.2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ARCHITECTURES", "COLLECTIONS", "Architecture"]

#: The constituent collections in the order in which they are pooled and concatenated, before the jet features.
COLLECTIONS: tuple[str, ...] = ("charged", "neutral", "sv")

Widths = Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]


class Architecture(BaseModel):
    """Widths of the hidden layers of a particle flow network.

    Attributes
    ----------
    phi_candidate : tuple of int
        Hidden layers of the per-constituent network of ``charged`` and of ``neutral`` (one network each).
    phi_vertex : tuple of int
        The same for ``sv``.
    head : tuple of int
        Hidden layers after pooling; one linear output follows.
    bias : bool
        Whether hidden dense layers have a bias beside their batch norm. The output layer always has one.
    momentum : float
        Share of the newest batch in batch norm's running statistics. The reference has 0.01; an epoch of a small sample
        has too few batches for that.
    epsilon : float
        Added to batch norm's variance.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    phi_candidate: Widths = (16, 32, 64)
    phi_vertex: Widths = (8, 16, 32)
    head: Widths = (128, 64, 32, 16, 8)
    bias: bool = False
    momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-3

    def phi(self, collection: str) -> tuple[int, ...]:
        """Return the hidden widths of one collection's per-constituent network."""
        return self.phi_vertex if collection == "sv" else self.phi_candidate


#: PFN-r keeps a bias beside batch norm, PFN-r Lite does not: so their published totals were counted.
ARCHITECTURES: dict[str, Architecture] = {
    "pfn-r-lite": Architecture(),
    "pfn-r": Architecture(
        phi_candidate=(64, 128, 256), phi_vertex=(32, 64, 128), head=(1024, 512, 256, 128, 64), bias=True
    ),
}
