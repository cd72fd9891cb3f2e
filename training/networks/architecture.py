"""The shapes of the networks: the four of the reference thesis (sections 6.3.2, 6.3.3), and ours."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "ARCHITECTURES",
    "COLLECTIONS",
    "AnyArchitecture",
    "Architecture",
    "ContextArchitecture",
    "ParticleNetArchitecture",
]

#: The constituent collections in the order in which they are pooled and concatenated, before the jet features.
COLLECTIONS: tuple[str, ...] = ("charged", "neutral", "sv")

Widths = Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]
Blocks = Annotated[tuple[Widths, ...], Field(min_length=1)]


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) != len(value):
        raise ValueError(f"each way of pooling can stand once, got {', '.join(value)}")
    return value


Pooling = Annotated[tuple[Literal["sum", "pt"], ...], Field(min_length=1), AfterValidator(_each_once)]


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
    dropout : float
        Share of what the head's hidden layers give that is set to 0 while training, drawn anew in each batch.
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
    pooling: Pooling = ("sum",)
    bias: bool = False
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-3

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


class ContextArchitecture(BaseModel):
    """Widths of a particle flow network with context: rounds of per-constituent networks, told of their jet in between.

    Attributes
    ----------
    blocks_candidate : tuple of tuple of int
        Hidden layers of the per-constituent network of ``charged`` and of ``neutral`` (one each) in each round: the
        first round's read the features, the later ones' what the round before gave, and the jet's context.
    blocks_vertex : tuple of tuple of int
        The same for ``sv``, in as many rounds.
    context : tuple of int
        Hidden layers from the pooled constituents to the context, after every round but the last.
    head : tuple of int
        Hidden layers after the last pooling; one linear output follows.
    pooling, bias, momentum, epsilon
        See `Architecture`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocks_candidate: Annotated[Blocks, Field(min_length=2)]
    blocks_vertex: Annotated[Blocks, Field(min_length=2)]
    context: Widths
    head: Widths
    pooling: Pooling = ("sum", "pt")
    bias: bool = False
    momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-3

    @model_validator(mode="after")
    def _same_rounds(self) -> ContextArchitecture:
        if len(self.blocks_candidate) != len(self.blocks_vertex):
            raise ValueError(
                f"candidates and vertices hear of their jet together, but blocks_candidate has "
                f"{len(self.blocks_candidate)} rounds and blocks_vertex {len(self.blocks_vertex)}: give both as many"
            )
        return self

    def blocks(self, collection: str) -> tuple[tuple[int, ...], ...]:
        """Return the widths of one collection's per-constituent networks, round by round."""
        return self.blocks_vertex if collection == "sv" else self.blocks_candidate


AnyArchitecture = Architecture | ParticleNetArchitecture | ContextArchitecture

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
    # Ours: constituents that hear of their jet. In onnxruntime 1.9 times PFN-r Lite's cost, and a third of PFN-r's.
    "pfn-c-lite": ContextArchitecture(
        blocks_candidate=((32, 32), (32, 48)), blocks_vertex=((16, 16), (16, 24)), context=(64, 32), head=(128, 64, 32)
    ),
    "pfn-c": ContextArchitecture(
        blocks_candidate=((48, 48), (64, 80)),
        blocks_vertex=((24, 24), (32, 40)),
        context=(128, 64),
        head=(256, 128, 64),
    ),
}
