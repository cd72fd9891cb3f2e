"""A network on the jets of a chunk: what it reads, what it gives, and which jets it can treat."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec import models
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.features import compute, select
from coffea_mljec.models import node_names
from coffea_mljec.models.backends import LOCAL, Backend
from coffea_mljec.models.outputs import Values, named_outputs
from coffea_mljec.nano import Branch, FlatJets, JetChunk, Layout
from coffea_mljec.nano.dropped_vertices import read_from_links
from coffea_mljec.nano.requirements import lacking, required_branches
from coffea_mljec.payloads.suitability import check_algorithm
from coffea_mljec.status import STATUS_TYPE, Status, StatusArray, carries, mark

__all__ = ["UNTREATABLE", "Evaluated", "Evaluation", "FastSimulationWarning"]

UNTREATABLE = (
    Status.OUT_OF_DOMAIN
    | Status.NO_CONSTITUENTS
    | Status.INCOMPLETE_CONSTITUENTS
    | Status.NON_FINITE
    | Status.BAD_INPUT
)
"""Bits of jets of which a network says nothing."""

_warned: set[str] = set()


class FastSimulationWarning(UserWarning):
    """A model that was trained on parametrised simulation is applied to something else."""


@dataclass(frozen=True)
class Evaluated:
    """What a network says of the jets of a chunk.

    Attributes
    ----------
    values : dict of str to ndarray of float64, shape (n_jets,)
        Its outputs by name.
    status : ndarray of `coffea_mljec.status.STATUS_TYPE`, shape (n_jets,)
        Why a jet could not be treated (`UNTREATABLE`), and what to know; without APPLIED.
    """

    values: Values
    status: StatusArray

    @property
    def treated(self) -> npt.NDArray[np.bool_]:
        """The jets of which the values count."""
        return ~carries(self.status, UNTREATABLE)


class Evaluation:
    """A model as something that is asked of jets.

    Parameters
    ----------
    model : ModelFolder
    threads : int
        Batches that run side by side.
    backend : Backend
        Where the graph is evaluated.
    """

    def __init__(self, model: models.ModelFolder, threads: int = 1, backend: Backend = LOCAL) -> None:
        if threads < 1:
            raise InputError(f"threads must be at least 1; got {threads}.")
        self.model = model
        self.card = model.card
        self.threads = threads
        self.backend = backend

    @property
    def asker(self) -> str:
        """What messages call it."""
        return f"model {self.card.name!r}"

    def check(self, layout: Layout) -> None:
        """Refuse collections that the model was not trained for; warn of jets with another pileup scheme."""
        card = self.card
        if layout.collection not in card.collections:
            raise InputError(
                f"model {card.name!r} is for {card.algorithm} jets, collection {' or '.join(card.collections)}; "
                f"got {layout.collection!r}. Use a model that was trained for these jets (mljec models lists the "
                "bundled ones)."
            )
        try:
            self.branches(layout)
        except MissingBranchError:  # it will not run on these jets; whoever asks for its branches is told
            return
        check_algorithm(card.algorithm, layout, self.asker)

    def branches(self, layout: Layout) -> tuple[Branch, ...]:
        """What the network reads; raises MissingBranchError."""
        features, constituents = self.card.feature_set, self._constituent_quantities(layout)
        layout = self._read_as(layout)
        jet = (*self._jet_quantities, *(("mass_raw",) if layout.direction else ()))
        return required_branches(layout, jet, constituents, self.asker, features.feature_of)

    def lacking(self, layout: Layout) -> tuple[str, ...]:
        """All that a file lacks of what the network reads, for messages."""
        return lacking(self._read_as(layout), self._jet_quantities, self._constituent_quantities(layout))

    def flat(self, chunk: JetChunk) -> FlatJets:
        """What the features are made from: the constituents that the card selects, in its order."""
        mine = chunk.asked_by(self.asker, self._read_as(chunk.layout))
        try:
            flat = mine.flat(self._jet_quantities, self._constituent_quantities(chunk.layout))
        except MissingBranchError:
            self.branches(chunk.layout)  # says which feature needs it
            raise
        if not self.card.selection:
            return flat
        weighted = chunk.layout.puppi_weighting == "weight"
        collections = dict(flat.collections)
        for kind, rule in self.card.selection.items():
            minimum = rule.minimum_puppi_weight if weighted else None
            collections[kind] = select(collections[kind], rule.order_by, minimum, rule.at_most)
        return replace(flat, collections=collections)

    def features(self, chunk: JetChunk) -> dict[str, npt.NDArray[Any]]:
        """The flat arrays that enter the network."""
        return compute(self.flat(chunk), self.card.feature_set)

    def evaluate(self, chunk: JetChunk) -> Evaluated:
        """Ask the network of all jets of a concrete chunk."""
        flat = self.flat(chunk)
        status = self._before(flat)
        if self.card.training.fast_simulation and not chunk.layout.simulation:
            self._warn_once()
            status |= STATUS_TYPE(Status.FOREIGN_SAMPLE)
        bad = np.zeros(len(flat), np.bool_)
        values, replaced = self._infer(flat, chunk, bad)
        mark(status, bad, Status.BAD_INPUT)
        mark(status, replaced, Status.REPLACED_INPUT)
        for value in values.values():
            mark(status, ~np.isfinite(value), Status.NON_FINITE)
        return Evaluated(values, status)

    def treatable(self, chunk: JetChunk) -> npt.NDArray[np.bool_]:
        """The jets of which it will say something, as far as can be told before it is asked; shape (n_jets,)."""
        return ~carries(self._before(self.flat(chunk)), UNTREATABLE)

    def _before(self, flat: FlatJets) -> StatusArray:
        """What is known of the jets before the network is asked."""
        status = flat.flags.copy()
        self._flag_domain(flat, status)
        return status

    def _infer(
        self, flat: FlatJets, chunk: JetChunk, bad: npt.NDArray[np.bool_]
    ) -> tuple[Values, npt.NDArray[np.bool_]]:
        """The outputs of all jets, in fixed batches; and which jets had inputs that were replaced. ``bad``: of
        `compute`."""
        card, n_jets = self.card, len(flat)
        values = {output.name: np.empty(n_jets, np.float64) for output in card.outputs}
        replaced = np.zeros(n_jets, np.bool_)
        raw = {name: _RAW[name][1](chunk) for name in {o.raw for o in card.outputs if o.raw}}

        def batch(start: int) -> None:
            stop = min(start + card.batch_size, n_jets)
            given = models.run(self.model, compute(flat, card.feature_set, start, stop, bad), self.backend)
            for name, value in named_outputs(card.outputs, given, lambda name: raw[name][start:stop]).items():
                values[name][start:stop] = value
            if node_names.REPLACED in given:
                replaced[start:stop] = given[node_names.REPLACED] > 0

        starts = range(0, n_jets, card.batch_size)
        if self.threads == 1:
            for start in starts:
                batch(start)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(batch, starts))
        return values, replaced

    def _read_as(self, layout: Layout) -> Layout:
        """The layout with all vertices that its links describe, if the network reads those."""
        rule = self.card.selection.get("sv")
        if rule is None or not rule.unlisted:
            return layout
        return read_from_links(layout, self._constituent_quantities(layout)["sv"])

    @property
    def _jet_quantities(self) -> tuple[str, ...]:
        domain = [name for name in ("rho", "n_pv") if getattr(self.card.domain, name) is not None]
        raw = [_RAW[output.raw][0] for output in self.card.outputs if output.raw]
        return tuple(dict.fromkeys((*self.card.feature_set.jet_quantities, *domain, *raw)))

    def _constituent_quantities(self, layout: Layout) -> Mapping[str, Iterable[str]]:
        """Collection -> quantities that features and selection read."""
        quantities = {kind: list(names) for kind, names in self.card.feature_set.constituent_quantities.items()}
        for kind, rule in self.card.selection.items():
            quantities[kind].append(rule.order_by)
            if rule.minimum_puppi_weight is not None and layout.puppi_weighting == "weight":
                quantities[kind].append("puppi_weight")
        return {kind: tuple(dict.fromkeys(names)) for kind, names in quantities.items()}

    def _flag_domain(self, flat: FlatJets, status: StatusArray) -> None:
        for name, limits in self.card.domain:
            if limits is not None:
                values = np.abs(flat.jet["eta"]) if name == "abs_eta" else flat.jet[name]
                mark(status, ~((values >= limits[0]) & (values <= limits[1])), Status.OUT_OF_DOMAIN)

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


def _raw_energy(chunk: JetChunk) -> npt.NDArray[np.float64]:
    pt, eta, mass = (chunk.jet(name).astype(np.float64) for name in ("pt_raw", "eta", "mass_raw"))
    return np.asarray(np.hypot(pt * np.cosh(eta), mass))


def _raw_mass(chunk: JetChunk) -> npt.NDArray[np.float64]:
    return chunk.jet("mass_raw").astype(np.float64)


def _raw_groomed(chunk: JetChunk) -> npt.NDArray[np.float64]:
    return chunk.jet("soft_drop_mass").astype(np.float64)


_RAW = {
    "mass": ("mass_raw", _raw_mass),
    "energy": ("mass_raw", _raw_energy),
    "soft_drop_mass": ("soft_drop_mass", _raw_groomed),
}
"""Raw quantity -> what it takes beyond raw pT and eta, and how it is made."""
