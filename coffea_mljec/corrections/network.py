"""A network as a correction: a model folder applied to the jets of a chunk."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from coffea_mljec import models
from coffea_mljec.corrections.correction import Correction, Factors
from coffea_mljec.corrections.evaluation import Evaluated, Evaluation
from coffea_mljec.errors import MissingBranchError, ModelError
from coffea_mljec.models.backends import LOCAL, Backend
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.payloads.suitability import Made
from coffea_mljec.status import STATUS_TYPE, Status, mark

__all__ = ["MissingBranchWarning", "NetworkCorrection"]

_LOW, _HIGH = 0.16, 0.84
"""Quantiles whose distance is twice the resolution."""

_warned: set[str] = set()


class MissingBranchWarning(UserWarning):
    """A file lacks a branch that a network reads, so that a lesser network or a fallback takes every jet."""


class NetworkCorrection(Correction):
    """See `coffea_mljec.MLJEC`.

    Parameters
    ----------
    model : ModelFolder
    threads : int
        Batches that run side by side.
    backend : Backend
        Where its graph is evaluated.
    dispensable : bool
        Whether files that cannot feed the network at all are left to a fallback, instead of being an error.

    Raises
    ------
    ModelError
        If no output of the model is the pT or the mass of a jet.
    """

    def __init__(
        self, model: models.ModelFolder, threads: int = 1, backend: Backend = LOCAL, *, dispensable: bool = False
    ) -> None:
        self.network = Evaluation(model, threads, backend)
        self.card = model.card
        self.dispensable = dispensable
        self._outputs = {output.quantity: output for output in self.card.outputs}
        self._set: dict[str, str] = {
            output.field: output.name for output in self.card.outputs if output.field is not None
        }
        if not self.card.corrects:
            raise ModelError(
                f"model {self.card.name!r} gives {', '.join(output.quantity for output in self.card.outputs)}: neither "
                "pt nor mass, so it corrects no jets. Read its outputs by coffea_mljec.Network(model).outputs(events)."
            )

    @property
    def summary(self) -> str:
        """Model, where it runs, and jets."""
        card, backend = self.card, self.network.backend
        return f"model {card.name}, {f'engine {card.engine}' if backend == LOCAL else backend}, {card.algorithm}"

    @property
    def asker(self) -> str:
        """What messages call it."""
        return self.network.asker

    @property
    def algorithm(self) -> str:
        """The jets that the model was trained for."""
        return self.card.algorithm

    @property
    def payloads(self) -> tuple[Made, ...]:
        """None."""
        return ()

    def measured_on_own_jets(self, made: Made) -> bool:
        """Whether a payload carries the model's name."""
        card = self.card
        if _letters(made.algorithm) == _letters(card.algorithm + card.name):
            return True
        # As ``python -m training derive --provider`` names them: MLJECSim-pfn-r-lite_V1_MC, AK4PFchs.
        campaign, _, model = made.tag.partition("_")[0].partition("-")
        return bool(campaign) and made.algorithm == card.algorithm and _letters(model) == _letters(card.name)

    def check(self, layout: Layout) -> None:
        """Refuse collections that the model was not trained for."""
        self.network.check(layout)

    def branches(self, layout: Layout) -> Iterable[Branch]:
        """What the features need, and the fields that masses replace; nothing where the fallback takes every jet."""
        try:
            return self._needed(layout)
        except MissingBranchError:
            if not self.dispensable:
                raise
            return ()

    def _needed(self, layout: Layout) -> list[Branch]:
        """What it reads; raises MissingBranchError."""
        return [*self.network.branches(layout), *self._replaced(layout)]

    def decided(self, layout: Layout) -> NetworkCorrection:
        """Itself."""
        del layout
        return self

    def extra_fields(self, layout: Layout) -> tuple[str, ...]:
        """``mass``, ``pt_resolution`` and ``mljec_<class>``, as far as the model gives them."""
        fields = ["mass"] if "mass" in self._outputs else []
        for name in [name for name in self._set if name in layout.fields[layout.collection]]:
            fields += [name, f"{name}_orig"]
        if "resolution" in self._outputs or self._quantiles is not None:
            fields.append("pt_resolution")
        return (*fields, *(f"mljec_{output.jet_class}" for output in self.card.outputs if output.jet_class))

    def _replaced(self, layout: Layout) -> list[Branch]:
        """The fields that its masses take the place of; raises MissingBranchError."""
        collection = layout.collection
        for name in self._set:
            if name not in layout.fields[collection]:
                raise MissingBranchError(
                    f"{self.asker} sets {name} of {collection}, and the file lacks {collection}_{name}. "
                    "coffea_mljec.Network(model).outputs(events) gives it beside the jets."
                )
        return [Branch(collection, name) for name in self._set]

    def factor(self, chunk: JetChunk) -> Factors:
        """Corrected / raw pT, and whether the jet is one that the network can treat."""
        try:
            # Before anything is read: dask mode brings the columns of those who take the jets, and no others.
            self._needed(chunk.layout)
            found = self.network.evaluate(chunk)
        except MissingBranchError as error:
            if not self.dispensable:
                raise
            return self._none(chunk, error)
        status, applied = found.status.copy(), found.treated
        mark(status, applied, Status.APPLIED)
        if "pt" in self._outputs:
            factor = found.values[self._outputs["pt"].name]
        else:  # a regression of the mass leaves the pT of the file
            with np.errstate(invalid="ignore", divide="ignore"):
                factor = chunk.jet("pt_stored").astype(np.float64) / chunk.jet("pt_raw")
        extras = {name: np.where(applied, value, np.nan) for name, value in self._extras(found, chunk.layout).items()}
        return Factors(np.where(applied, factor, 1.0), status, extras)

    def _none(self, chunk: JetChunk, error: MissingBranchError) -> Factors:
        """No jet of a file that cannot feed the network."""
        kinds = self.card.feature_set.constituents
        if any(chunk.layout.table(kind) is None for kind in kinds):
            why = Status.NO_CONSTITUENTS
        else:
            why = Status.MISSING_BRANCH
            _warn_of(error)
        nothing = dict.fromkeys(self.extra_fields(chunk.layout), np.full(len(chunk), np.nan))
        return Factors(np.ones(len(chunk)), np.full(len(chunk), why, STATUS_TYPE), nothing)

    def _extras(self, found: Evaluated, layout: Layout) -> dict[str, npt.NDArray[np.float64]]:
        extras: dict[str, npt.NDArray[np.float64]] = {}
        for field in self.extra_fields(layout):
            if field in self._set:
                extras[field] = found.values[self._set[field]]
                extras[f"{field}_orig"] = np.full(len(found.status), np.nan)  # the record has it from the file
            elif field == "mass":
                extras[field] = found.values[self._outputs["mass"].name]
            elif field == "pt_resolution":
                extras[field] = self._resolution(found)
        for output in self.card.outputs:
            if output.jet_class:
                extras[f"mljec_{output.jet_class}"] = found.values[output.name]
        return extras

    def _resolution(self, found: Evaluated) -> npt.NDArray[np.float64]:
        """The relative width of the corrected pT: as the network gives it, or half of what lies between quantiles."""
        if "resolution" in self._outputs:
            return found.values[self._outputs["resolution"].name]
        assert self._quantiles is not None
        low, high = (found.values[name] for name in self._quantiles)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(0.5 * np.log(high / low))

    @property
    def _quantiles(self) -> tuple[str, str] | None:
        """Names of the outputs that are the quantiles .16 and .84 of generator over raw pT."""
        names = {output.level: output.name for output in self.card.outputs if output.level is not None}
        return (names[_LOW], names[_HIGH]) if {_LOW, _HIGH} <= set(names) else None


def _warn_of(error: MissingBranchError) -> None:
    """Say once which branch keeps the network from running, since the fallback takes every jet."""
    if str(error) not in _warned:
        _warned.add(str(error))
        warnings.warn(f"the fallback takes every jet: {error}", MissingBranchWarning, stacklevel=2)


def _letters(name: str) -> str:
    """Letters and digits alone: algorithms in names of payloads hold nothing else."""
    return "".join(filter(str.isalnum, name)).lower()
