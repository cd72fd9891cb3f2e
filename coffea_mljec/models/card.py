"""The model card: everything that must be known to apply a network, as a contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from coffea_mljec import defaults
from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.features import FeatureSet
from coffea_mljec.models.engines import ENGINES
from coffea_mljec.models.outputs import Output, output_problem
from coffea_mljec.models.tensors import Tensor
from coffea_mljec.nano.quantities import OWN_FIELD, QUANTITIES
from coffea_mljec.support.suggestions import did_you_mean
from coffea_mljec.support.validation import problems

__all__ = ["SCHEMA_VERSION", "Cloud", "Domain", "Features", "ModelCard", "Selection", "Training"]

SCHEMA_VERSION = 2


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Features(_Strict):
    """Ordered input features per collection, names of `coffea_mljec.features.CATALOGUE`."""

    jet: tuple[str, ...] = ()
    charged: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
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
        return FeatureSet(**{name: tuple(value) for name, value in self})


class Domain(_Strict):
    """Where the model may be applied, ``(lowest, highest)``, both included; None where nothing is said.

    Raw pT in GeV, |eta|, rho in GeV and number of primary vertices of the training jets.
    """

    pt_raw: tuple[float, float] | None = None
    abs_eta: tuple[float, float] | None = None
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
    seed: int | None = None
    n_jets: int | None = None
    fast_simulation: bool = Field(
        description="True if trained on parametrised simulation: applying it to anything else warns."
    )
    started_from: str | None = Field(
        default=None, description="Name and digest of the network whose weights the training started from."
    )
    in_situ: str | None = Field(default=None, description="Data that the training saw, without their truth, and how.")


class Cloud(_Strict):
    """One collection's part of a ParticleNet: nearest neighbours of a constituent, and the layers of each block."""

    k: int = Field(ge=1)
    blocks: tuple[Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)], ...] = Field(min_length=1)


class Selection(_Strict):
    """Which constituents of one collection a network reads, and in which order.

    Attributes
    ----------
    order_by : str
        A quantity of the constituents (`coffea_mljec.nano.quantities`); those of greatest size come first, equal ones
        in the order of the file.
    minimum_puppi_weight : float, optional
        Candidates below it are left out, where the file has weights.
    at_most : int, optional
        Constituents beyond this number are left out.
    unlisted : bool
        Whether vertices count that the file's table dropped and its links describe
        (`coffea_mljec.nano.dropped_vertices`).
    """

    order_by: str
    minimum_puppi_weight: float | None = Field(default=None, ge=0)
    at_most: int | None = Field(default=None, ge=1)
    unlisted: bool = False

    def problem(self, collection: str) -> str | None:
        """Say what is wrong with the rule for a collection, for a message; None if nothing is."""
        known = QUANTITIES[collection]
        if self.order_by not in known and not self.order_by.startswith(OWN_FIELD):
            return (
                f"selection of {collection!r}: unknown quantity {self.order_by!r}. {did_you_mean(self.order_by, known)}"
                f"There are {', '.join(known)}"
            )
        if self.minimum_puppi_weight is not None and "puppi_weight" not in known:
            return f"selection of {collection!r}: only candidates have PUPPI weights"
        if self.unlisted and collection != "sv":
            return f"selection of {collection!r}: only vertices may be unlisted"
        return None


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
    outputs : tuple of Output
        What the network gives, in order.
    selection : dict of str to Selection
        Collection -> which constituents, in which order; all, in the order of the file, where it says nothing.
    tensors : tuple of Tensor
        The inputs of a graph that takes padded tensors; for the engine ``padded``.
    members : tuple of str
        Digests of the graphs ``member-2.onnx``, ... beside ``model.onnx``: the outputs are the mean over all.
    algorithm : str
        Jet algorithm and pileup scheme that it was trained for, such as ``AK4PFchs``.
    collections : tuple of str
        NanoAOD jet collections that it may be applied to.
    neutrinos : bool
        Whether its pT includes the neutrinos of the jet; MET must not be corrected with such jets.
    sha256 : str
        Digest of ``model.onnx``.

    Notes
    -----
    Cards of version 1 have ``target``, ``inverse`` and ``output`` instead of `outputs`: one output, ln(corrected pT /
    raw pT). They are read as such.
    """

    schema_version: Literal[2]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str
    licence: str
    engine: str
    clouds: dict[str, Cloud] = {}
    batch_size: int = Field(default=defaults.BATCH, ge=1)
    features: Features
    selection: dict[str, Selection] = {}
    tensors: tuple[Tensor, ...] = ()
    dtype: Literal["float32"] = "float32"
    outputs: tuple[Output, ...] = Field(min_length=1)
    domain: Domain
    algorithm: str
    collections: tuple[str, ...] = Field(min_length=1)
    neutrinos: bool = False
    training: Training
    parameters: int | None = None
    metrics: dict[str, float] = {}
    opset: int | None = None
    sha256: Digest
    members: tuple[Digest, ...] = ()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_version_1(cls, content: Any) -> Any:
        if not isinstance(content, Mapping) or content.get("schema_version") != 1:
            return content
        changed = dict(content)
        for key, only in _VERSION_1.items():
            if key not in changed:
                raise ValueError(f"missing key {key!r} of a card of version 1")
            if (value := changed.pop(key)) != only:
                raise ValueError(f"{key} of a card of version 1 must be {only!r}; got {value!r}")
        return changed | {
            "schema_version": SCHEMA_VERSION,
            "outputs": [{"name": _VERSION_1["output"], "quantity": "pt", "transform": "exp"}],
        }

    @pydantic.field_validator("outputs")
    @classmethod
    def _fit_each_other(cls, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        if problem := output_problem(outputs):
            raise ValueError(problem)
        return outputs

    @pydantic.model_validator(mode="after")
    def _selects_what_it_reads(self) -> ModelCard:
        for collection, rule in self.selection.items():
            if collection not in self.feature_set.constituents:
                raise ValueError(
                    f"selection of {collection!r}: the network reads no features of it, only of "
                    f"{', '.join(self.feature_set.constituents) or 'jets'}"
                )
            if problem := rule.problem(collection):
                raise ValueError(problem)
        return self

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
    def corrects(self) -> bool:
        """Whether it gives the pT or a mass of a jet."""
        return bool({"pt", "mass"} & {output.kind for output in self.outputs})

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
            raise ModelError(
                f"{where} is not a model card of schema version {SCHEMA_VERSION}: {problems(error)}."
            ) from None


_VERSION_1: Mapping[str, str] = {"target": "log(pt_gen / pt_raw)", "inverse": "exp", "output": "log_correction"}
"""Keys that only cards of version 1 have, and the one value of each."""
