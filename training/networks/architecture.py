"""The shapes of the networks: the four of the reference thesis (sections 6.3.2, 6.3.3; DESIGN section 5), and ours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["ARCHITECTURES", "COLLECTIONS", "AnyArchitecture", "Architecture", "ParticleNetArchitecture"]

#: The constituent collections in the order in which they are pooled and concatenated, before the jet features.
COLLECTIONS: tuple[str, ...] = ("charged", "neutral", "sv")

Widths = Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]
Blocks = Annotated[tuple[Widths, ...], Field(min_length=1)]


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
    pooling : tuple of "sum" or "pt"
        How a jet's constituents are pooled, one after the other: their plain sum, or their sum weighted with the share
        ``rel_pt`` of the jet's pT (infrared and collinear safe where phi reads angles and kinds alone; the energy
        fractions of the kinds of particles are such sums).
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
    pooling: Annotated[tuple[Literal["sum", "pt"], ...], Field(min_length=1)] = ("sum",)
    bias: bool = False
    momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-3

    @field_validator("pooling")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"each way of pooling can stand once, got {', '.join(value)}")
        return value

    def phi(self, collection: str) -> tuple[int, ...]:
        """Return the hidden widths of one collection's per-constituent network."""
        return self.phi_vertex if collection == "sv" else self.phi_candidate


class ParticleNetArchitecture(BaseModel):
    """Widths and neighbours of a ParticleNet: EdgeConv blocks per collection, then a head.

    Convolutions and shortcuts have no bias beside their batch norm, the head's dense layers do: so the published totals
    were counted.

    Attributes
    ----------
    blocks_candidate : tuple of tuple of int
        EdgeConv blocks of ``charged`` and of ``neutral`` (one stack each): the widths of the layers of each block.
    blocks_vertex : tuple of tuple of int
        The same for ``sv``.
    k_candidate, k_vertex : int
        Nearest neighbours of a candidate and of a vertex.
    head : tuple of int
        Hidden layers after pooling; one linear output follows.
    momentum, epsilon : float
        See `Architecture`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocks_candidate: Blocks
    blocks_vertex: Blocks
    k_candidate: Annotated[int, Field(gt=0)] = 16
    k_vertex: Annotated[int, Field(gt=0)] = 8
    head: Widths
    momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-3

    def blocks(self, collection: str) -> tuple[tuple[int, ...], ...]:
        """Return the widths of one collection's EdgeConv blocks."""
        return self.blocks_vertex if collection == "sv" else self.blocks_candidate

    def k(self, collection: str) -> int:
        """Return the number of nearest neighbours in one collection."""
        return self.k_vertex if collection == "sv" else self.k_candidate


AnyArchitecture = Architecture | ParticleNetArchitecture

#: PFN-r keeps a bias beside batch norm, PFN-r Lite does not: so their published totals were counted.
ARCHITECTURES: dict[str, AnyArchitecture] = {
    "pfn-r-lite": Architecture(),
    "pfn-r": Architecture(
        phi_candidate=(64, 128, 256), phi_vertex=(32, 64, 128), head=(1024, 512, 256, 128, 64), bias=True
    ),
    # Ours: as wide from the first layer on, a shorter head, and the shares of the jet's pT pooled beside the plain sum.
    "pfn-m": Architecture(
        phi_candidate=(64, 64, 64), phi_vertex=(32, 32, 32), head=(128, 64, 32), pooling=("sum", "pt")
    ),
    "particlenet-r-lite": ParticleNetArchitecture(
        blocks_candidate=((16,) * 2, (32,) * 2, (48,) * 2),
        blocks_vertex=((8,) * 2, (16,) * 2, (24,) * 2),
        head=(64, 32, 16, 8),
    ),
    "particlenet-r": ParticleNetArchitecture(
        blocks_candidate=((64,) * 3, (128,) * 3, (256,) * 3),
        blocks_vertex=((32,) * 3, (64,) * 3, (128,) * 3),
        head=(512, 256, 128, 64),
    ),
}
