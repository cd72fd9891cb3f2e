"""A network as a correction: a model folder applied to the jets of a chunk."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from coffea_mljec import models
from coffea_mljec.corrections.correction import Correction, Factors
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.features import compute
from coffea_mljec.nano import Branch, FlatJets, JetChunk, Layout
from coffea_mljec.nano.requirements import required_branches
from coffea_mljec.payloads.suitability import Made, check_algorithm
from coffea_mljec.status import STATUS_TYPE, Status, StatusArray, carries, mark

__all__ = ["FastSimulationWarning", "MissingBranchWarning", "NetworkCorrection"]

_UNTREATABLE = (
    Status.OUT_OF_DOMAIN
    | Status.NO_CONSTITUENTS
    | Status.INCOMPLETE_CONSTITUENTS
    | Status.NON_FINITE
    | Status.BAD_INPUT
)
_warned: set[str] = set()


class FastSimulationWarning(UserWarning):
    """A model that was trained on parametrised simulation is applied to something else."""


class MissingBranchWarning(UserWarning):
    """A file lacks a branch that a network reads, so that its fallback takes every jet."""


class NetworkCorrection(Correction):
    """See `coffea_mljec.MLJEC`.

    Parameters
    ----------
    model : ModelFolder
    threads : int
        Batches that run side by side.
    dispensable : bool
        Whether files that cannot feed the network at all are left to a fallback, instead of being an error.
    """

    def __init__(self, model: models.ModelFolder, threads: int = 1, *, dispensable: bool = False) -> None:
        if threads < 1:
            raise InputError(f"threads must be at least 1; got {threads}.")
        self.model = model
        self.card = model.card
        self.threads = threads
        self.dispensable = dispensable

    @property
    def summary(self) -> str:
        """Model, engine and jets."""
        card = self.card
        return f"model {card.name}, engine {card.engine}, {card.algorithm}"

    @property
    def asker(self) -> str:
        """What messages call it."""
        return f"model {self.card.name!r}"

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
        card = self.card
        if layout.collection not in card.collections:
            raise InputError(
                f"model {card.name!r} is for {card.algorithm} jets, collection {' or '.join(card.collections)}; "
                f"got {layout.collection!r}. Use a model that was trained for these jets (mljec models lists the "
                "bundled ones)."
            )
        try:
            self._required(layout)
        except MissingBranchError:  # it will not run on these jets; `branches` says so, or the fallback takes them
            return
        check_algorithm(card.algorithm, layout, self.asker)

    def branches(self, layout: Layout) -> Iterable[Branch]:
        """What the features need; nothing where the fallback takes every jet."""
        try:
            return self._required(layout)
        except MissingBranchError:
            if not self.dispensable:
                raise
            return ()

    def factor(self, chunk: JetChunk) -> Factors:
        """exp(log_correction), and whether the jet is one that the network can treat."""
        try:
            flat = self.flat(chunk)
        except MissingBranchError as error:
            if not self.dispensable:
                raise
            kinds = self.card.feature_set.constituents
            if any(chunk.layout.table(kind) is None for kind in kinds):
                why = Status.NO_CONSTITUENTS
            else:
                why = Status.MISSING_BRANCH
                self._warn_of(error)
            return np.ones(len(chunk)), np.full(len(chunk), why, STATUS_TYPE)
        status = flat.flags.copy()
        self._flag_domain(flat, status)
        if self.card.training.fast_simulation and not chunk.layout.simulation:
            self._warn_once()
            status |= STATUS_TYPE(Status.FOREIGN_SAMPLE)
        factor = self.infer(flat)
        mark(status, ~np.isfinite(factor), Status.NON_FINITE)
        applied = ~carries(status, _UNTREATABLE)
        mark(status, applied, Status.APPLIED)
        return np.where(applied, factor, 1.0), status

    def flat(self, chunk: JetChunk) -> FlatJets:
        """What the features are made from."""
        mine = chunk.asked_by(self.asker)
        try:
            return mine.flat(self._jet_quantities, self.card.feature_set.constituent_quantities)
        except MissingBranchError:
            self._required(chunk.layout)  # says which feature needs it
            raise

    def infer(self, flat: FlatJets) -> npt.NDArray[np.float64]:
        """exp(log_correction) of all jets, in fixed batches."""
        out = np.empty(len(flat), np.float64)
        size = self.card.batch_size

        def batch(start: int) -> None:
            stop = min(start + size, len(flat))
            out[start:stop] = models.run(self.model, compute(flat, self.card.feature_set, start, stop))

        starts = range(0, len(flat), size)
        if self.threads == 1:
            for start in starts:
                batch(start)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(batch, starts))
        with np.errstate(over="ignore"):
            return np.exp(out)

    def _required(self, layout: Layout) -> tuple[Branch, ...]:
        needed = self.card.feature_set
        jet, constituents = self._jet_quantities, needed.constituent_quantities
        return required_branches(layout, jet, constituents, self.asker, needed.feature_of)

    @property
    def _jet_quantities(self) -> tuple[str, ...]:
        domain = [name for name in ("rho", "n_pv") if getattr(self.card.domain, name) is not None]
        return tuple(dict.fromkeys((*self.card.feature_set.jet_quantities, *domain)))

    def _flag_domain(self, flat: FlatJets, status: StatusArray) -> None:
        domain = self.card.domain
        for name, values in (("pt_raw", flat.jet["pt_raw"]), ("abs_eta", np.abs(flat.jet["eta"]))):
            low, high = getattr(domain, name)
            mark(status, ~((values >= low) & (values <= high)), Status.OUT_OF_DOMAIN)
        for name in ("rho", "n_pv"):
            limits = getattr(domain, name)
            if limits is not None:
                values = flat.jet[name]
                mark(status, ~((values >= limits[0]) & (values <= limits[1])), Status.OUT_OF_DOMAIN)

    def _warn_of(self, error: MissingBranchError) -> None:
        """Say once which branch keeps the network from running, since the fallback takes every jet."""
        if str(error) not in _warned:
            _warned.add(str(error))
            warnings.warn(f"the fallback takes every jet: {error}", MissingBranchWarning, stacklevel=2)

    def _warn_once(self) -> None:
        if self.card.name not in _warned:
            _warned.add(self.card.name)
            warnings.warn(
                f"model {self.card.name!r} was trained on parametrised simulation ({self.card.training.sample}) and "
                "these events are "
                "not from it: use its output to study the method, not for a measurement. Each jet's mljec_status has "
                "the bit "
                "FOREIGN_SAMPLE.",
                FastSimulationWarning,
                stacklevel=2,
            )


def _letters(name: str) -> str:
    """Letters and digits alone: algorithms in names of payloads hold nothing else."""
    return "".join(filter(str.isalnum, name)).lower()
