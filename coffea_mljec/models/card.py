"""The model card: everything that must be known to apply a network, as a contract."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from coffea_mljec import defaults
from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.features import FeatureSet
from coffea_mljec.models.engines import ENGINES
from coffea_mljec.support.suggestions import did_you_mean

__all__ = ["SCHEMA_VERSION", "Cloud", "Domain", "Features", "ModelCard", "Training"]

SCHEMA_VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Features(_Strict):
    """Ordered input features per collection, names of `coffea_mljec.features.CATALOGUE`."""

    jet: tuple[str, ...]
    charged: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    sv: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _known(self) -> Features:
        try:
            self.schema_()
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    def schema_(self) -> FeatureSet:
        """The validated feature set."""
        return FeatureSet(jet=self.jet, charged=self.charged, neutral=self.neutral, sv=self.sv)


class Domain(_Strict):
    """Where the model may be applied: raw pT in GeV and |eta| of the training jets, ``(lowest, highest)``."""

    pt_raw: tuple[float, float]
    abs_eta: tuple[float, float]
    rho: tuple[float, float] | None = None
    n_pv: tuple[float, float] | None = None

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Domain:
        for name, value in self:
            if value is not None and not value[0] < value[1]:
                raise ValueError(f"{name} must be (lowest, highest); got {value}")
        return self


class Training(_Strict):
    """What the model was trained on."""

    sample: str
    seed: int
    n_jets: int
    fast_simulation: bool = Field(
        description="True if trained on parametrised simulation: applying it to anything else warns."
    )


class Cloud(_Strict):
    """One collection's part of a ParticleNet: nearest neighbours of a constituent, and the layers of each block."""

    k: int = Field(ge=1)
    blocks: tuple[Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)], ...] = Field(min_length=1)


class ModelCard(_Strict):
    """The content of ``card.json``.

    Attributes
    ----------
    engine : str
        How the graph is run, a name of `coffea_mljec.models.engines.ENGINES`: by onnxruntime, or by this package's
        kernels, which are faster: a ParticleNet on flat edges, a particle flow network (or the mean of several) on
        flat rows.
    clouds : dict of str to Cloud
        ``charged``, ``neutral``, ``sv`` -> neighbours and layers of a ParticleNet; for the engine ``edgeconv``.
    batch_size : int
        Jets a batch. Features and activations of one batch should stay in the cache; memory does not grow with the
        chunk.
    target, inverse : str
        What was regressed and how the output becomes a correction.
    output : {"log_correction"}
        The graph's output: ln(corrected / raw pT), float32 [n_jets].
    algorithm : str
        Jet algorithm and pileup scheme that it was trained for, such as ``AK4PFchs``.
    collections : tuple of str
        NanoAOD jet collections that it may be applied to.
    sha256 : str
        Digest of ``model.onnx``.
    """

    schema_version: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str
    licence: str
    engine: str
    clouds: dict[str, Cloud] = {}
    batch_size: int = Field(default=defaults.BATCH, ge=1)
    features: Features
    dtype: Literal["float32"]
    target: Literal["log(pt_gen / pt_raw)"]
    inverse: Literal["exp"]
    output: Literal["log_correction"]
    domain: Domain
    algorithm: str
    collections: tuple[str, ...] = Field(min_length=1)
    training: Training
    parameters: int
    metrics: dict[str, float]
    opset: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @pydantic.field_validator("engine")
    @classmethod
    def _known(cls, engine: str) -> str:
        if engine not in ENGINES:
            close = did_you_mean(engine, ENGINES)
            raise ValueError(f"unknown engine {engine!r}: {close}there are {', '.join(ENGINES)}")
        return engine

    @pydantic.model_validator(mode="after")
    def _suits_its_engine(self) -> ModelCard:
        if problem := ENGINES[self.engine].problem(self):
            raise ValueError(problem)
        return self

    @property
    def feature_set(self) -> FeatureSet:
        """The inputs as a validated schema."""
        return self.features.schema_()

    @classmethod
    def parse(cls, text: str | bytes, where: str) -> ModelCard:
        """Read a card.

        Raises
        ------
        ModelError
            Naming every key that is missing, unknown or has an impossible value.
        """
        try:
            return cls.model_validate_json(text)
        except pydantic.ValidationError as error:
            problems = "; ".join(_problem(item) for item in error.errors())
            raise ModelError(f"{where} is not a model card of schema version {SCHEMA_VERSION}: {problems}.") from None


def _problem(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"]) or "the file"
    if item["type"] == "extra_forbidden":
        return f"unknown key {place!r}, which nothing reads"
    if item["type"] == "missing":
        return f"missing key {place!r}"
    return f"{place}: {item['msg']}"
