"""The way of jets through a correction: fallback, further levels, smearing, variations, record; in all modes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults
from coffea_mljec.corrections.correction import Correction, Factors
from coffea_mljec.corrections.extra_levels import ExtraLevels
from coffea_mljec.corrections.mass_columns import (
    MassColumns,
    mass_columns,
    with_mass_meta,
    with_mass_variations,
)
from coffea_mljec.corrections.record import corrected_jets_meta, correction_columns, set_before
from coffea_mljec.corrections.variation_record import (
    stale_fields,
    varied_columns,
    varied_meta,
    with_variations,
    without_fields,
)
from coffea_mljec.nano import Branch, JetChunk, Layout, detect
from coffea_mljec.nano.dask_events import on_partitions
from coffea_mljec.nano.detection import is_dask, is_jagged
from coffea_mljec.nano.jagged import with_columns
from coffea_mljec.nano.requirements import jet_branches
from coffea_mljec.payloads.suitability import check_unchanged
from coffea_mljec.status import STATUS_TYPE, Status, StatusArray, carries, mark
from coffea_mljec.systematics.shifts import Systematics

__all__ = ["Corrected", "Pipeline"]


@dataclass(frozen=True)
class Corrected:
    """The jets of a chunk, corrected once: everything that any variation needs.

    Attributes
    ----------
    factor : ndarray of float64, shape (n_jets,)
        corrected / raw.
    kept : ndarray of bool, shape (n_jets,)
        Jets that keep the pT that the file had.
    status : ndarray of `coffea_mljec.status.STATUS_TYPE`, shape (n_jets,)
    extras : dict of str to ndarray of float64, shape (n_jets,)
        Further fields (`Correction.extra_fields`); NaN where nothing gives them.
    """

    factor: npt.NDArray[np.float64]
    kept: npt.NDArray[np.bool_]
    status: StatusArray
    extras: dict[str, npt.NDArray[np.float64]]


@final
@dataclass(frozen=True)
class Pipeline:
    """A correction and all that is around it.

    Attributes
    ----------
    name : str
        What tables and plots call it.
    correction : Correction
    levels : ExtraLevels
        Closure and residual.
    systematics : Systematics
        Uncertainties and smearing.
    fallback : Pipeline or None
        Corrects the jets that the correction cannot treat; its own fallback those that it cannot treat either.
    """

    name: str
    correction: Correction
    levels: ExtraLevels
    systematics: Systematics
    fallback: Pipeline | None = None

    def chunk(self, events: Any, collection: str) -> JetChunk:
        """Find the layout of the jets, and whether this correction is for them at all."""
        return self.checked(JetChunk.of(events, collection))

    def checked(self, chunk: JetChunk) -> JetChunk:
        """The same chunk, asked by this correction; raises or warns where the jets are not what it is for."""
        check_unchanged(chunk.layout)
        for one in self._in_turn():
            one.correction.check(chunk.layout)
        return chunk.asked_by(self.correction.asker)

    def apply(self, events: Any, collection: str) -> Any:
        """See `Provider.apply`."""
        if is_dask(events):
            return self._in_dask(events, collection, "apply")
        chunk = self.chunk(events, collection)
        return self._meta(chunk) if ak.backend(events) == "typetracer" else self.jets(chunk)

    def variations(self, events: Any, collection: str) -> Iterator[tuple[str, Any]]:
        """See `Provider.variations`."""
        if is_dask(events) or ak.backend(events) == "typetracer":
            corrected = self.apply(events, collection)
            yield "nominal", corrected
            for name in self._names(detect(events, collection)):
                for direction in ("up", "down"):
                    yield f"{name}_{direction}", corrected[name][direction]
            return
        chunk = self.chunk(events, collection)
        masses = self._columns(chunk)
        shifted = self.systematics.of(chunk, masses.columns)
        jets, nominal = chunk.collection, masses.columns
        for name, varied in varied_columns(masses.columns, shifted, self.systematics.names(chunk.layout)):
            nominal = varied if name == "nominal" else nominal
            yield name, with_columns(jets, varied, without=stale_fields(jets))
        for name, pair in masses.varied(nominal):
            for direction, columns in zip(("up", "down"), pair, strict=True):
                yield f"{name}_{direction}", with_columns(jets, nominal | columns, without=stale_fields(jets))

    def factors(self, events: Any, collection: str) -> Any:
        """See `Provider.correction`."""
        if is_dask(events):
            return self._in_dask(events, collection, "factors")
        chunk = self.chunk(events, collection)
        if ak.backend(events) == "typetracer":
            return self._meta(chunk)["jet_energy_correction"]
        columns = self._columns(chunk).columns
        return with_columns(chunk.collection, columns)["jet_energy_correction"]

    def jets(self, chunk: JetChunk) -> ak.Array:
        """The corrected collection of a concrete chunk."""
        masses = self._columns(chunk)
        jets, names = chunk.collection, self.systematics.names(chunk.layout)
        if not self.systematics.payloads:
            corrected = with_columns(jets, masses.columns, without=stale_fields(jets))
        else:
            shifted = self.systematics.of(chunk, masses.columns)
            corrected = with_variations(jets, masses.columns, shifted, names)
        return with_mass_variations(corrected, masses, without=names)

    def correct(self, chunk: JetChunk) -> Corrected:
        """Correct the jets of a concrete chunk; each fallback takes those that are left.

        Jets without a direction, or whose smearing cannot be known, are not corrected at all.
        """
        factor, status, extras = self._own(chunk)
        bad = chunk.bad(("eta", "phi")) | self.systematics.bad(chunk)
        if bad.any():
            status[bad] &= ~STATUS_TYPE(Status.APPLIED)
            mark(status, bad, Status.BAD_INPUT)
        applied = carries(status, Status.APPLIED)
        nothing = np.full(len(chunk), np.nan)
        extras = {field: np.where(applied, value, np.nan) for field, value in extras.items()}
        for fallback in self._in_turn()[1:]:
            extras |= {f: nothing for f in fallback.correction.extra_fields(chunk.layout) if f not in extras}
            if np.all(applied):
                continue
            second = fallback._own(chunk)
            rescued = ~applied & ~bad & carries(second.status, Status.APPLIED)
            factor = np.where(rescued, second.factor, factor)
            extras |= {field: np.where(rescued, value, extras[field]) for field, value in second.extras.items()}
            mark(status, rescued, Status.FALLBACK)
            applied = applied | rescued
        kept = ~applied
        if np.any(kept):
            factor = factor.copy()
            with np.errstate(invalid="ignore", divide="ignore"):
                stored = chunk.jet("pt_stored")[kept].astype(np.float32)
                ratio = stored / chunk.jet("pt_raw")[kept].astype(np.float64)
            factor[kept] = np.where(np.isfinite(ratio), ratio, 1.0)
        return Corrected(factor, kept, status, extras)

    def decided(self, layout: Layout) -> Pipeline:
        """The same with what its corrections choose for these jets (`Correction.decided`)."""
        fallback = None if self.fallback is None else self.fallback.decided(layout)
        return replace(self, correction=self.correction.decided(layout), fallback=fallback)

    def branches(self, layout: Layout) -> set[Branch]:
        """Everything that is read; raises MissingBranchError if the file lacks some of it."""
        asker, jets = self.correction.asker, layout.collection
        # All of a jet's momentum: coffea builds no jet that lacks a coordinate, and jets are what comes back.
        momenta = ("pt_raw", "mass_raw", "pt_stored", "mass_stored", "eta", "phi")
        return {
            *(branch for one in self._in_turn() for branch in one._own_branches(layout)),
            *(self.systematics.branches(layout, asker) if self.systematics.payloads else ()),
            *(branch for one in self.systematics.masses for branch in one.branches(layout, asker)),
            *jet_branches(layout, momenta, asker),
            *(Branch(jets, f"{name}_orig") for name in set_before(layout.fields[jets])),
        }

    def required_branches(self, events: Any, collection: str) -> tuple[str, ...]:
        """See `Provider.required_branches`."""
        branches = self.branches(self.chunk(events, collection).layout)
        jagged = {branch.table for branch in branches if branch.table and is_jagged(events, branch.table)}
        return tuple(sorted({branch.name for branch in branches} | {f"n{table}" for table in jagged}))

    def _own(self, chunk: JetChunk) -> Factors:
        """The correction with the levels that follow it."""
        mine = chunk.asked_by(self.correction.asker)
        alone = self.correction.factor(mine)
        factor, status = self.levels.multiply(mine, alone.factor, alone.status)
        extras = dict(alone.extras)
        low, high = defaults.FACTORS
        beyond = ~((factor >= low) & (factor <= high))
        with np.errstate(invalid="ignore"):
            for name in extras:
                if name == "mass" or f"{name}_orig" in extras:
                    beyond |= extras[name] < 0
            if "mass" in extras:
                # A level scales the jet, so its mass too.
                extras["mass"] = extras["mass"] * (factor / alone.factor)
        beyond &= carries(status, Status.APPLIED)
        if beyond.any():
            status[beyond] &= ~STATUS_TYPE(Status.APPLIED)
            mark(status, beyond, Status.IMPLAUSIBLE)
        return Factors(factor, status, extras)

    def extra_fields(self, layout: Layout) -> tuple[str, ...]:
        """Fields beside those of every correction, of this one and its fallbacks."""
        fields = [field for one in self._in_turn() for field in one.correction.extra_fields(layout)]
        fields += [name for one in self.systematics.masses for name in (one.field, f"{one.field}_orig")]
        return tuple(field for field in dict.fromkeys(fields) if field not in ("mass", "mass_orig"))

    def _own_branches(self, layout: Layout) -> Iterator[Branch]:
        yield from self.correction.branches(layout)
        yield from self.levels.branches(layout, self.correction.asker)

    def _in_turn(self) -> tuple[Pipeline, ...]:
        """This correction, its fallback, and so on."""
        return (self,) if self.fallback is None else (self, *self.fallback._in_turn())

    def _columns(self, chunk: JetChunk) -> MassColumns:
        """Columns of the corrected collection, its pT not smeared."""
        done = self.correct(chunk)
        columns = correction_columns(chunk, done.factor, done.kept, done.status, done.extras)
        return mass_columns(self.systematics.masses, chunk, columns)

    def _names(self, layout: Layout) -> tuple[str, ...]:
        """Names of all variations."""
        return self.systematics.names(layout) + self.systematics.mass_names(layout)

    def _meta(self, chunk: JetChunk) -> ak.Array:
        """The type of what `apply` returns. A network never runs on a tracer: dask-awkward is told which columns will
        be read."""
        for branch in self.branches(chunk.layout):
            ak.typetracer.touch_data(branch.of(chunk.events))
        jets = chunk.collection
        corrected = corrected_jets_meta(without_fields(jets, stale_fields(jets)), self.extra_fields(chunk.layout))
        names = self.systematics.names(chunk.layout)
        if self.systematics.payloads:
            corrected = varied_meta(corrected, self.systematics, chunk.layout, names)
        return with_mass_meta(corrected, self.systematics.mass_names(chunk.layout), without=names)

    def _in_dask(self, events: Any, collection: str, method: str) -> Any:
        # Errors that need no data come now, at the user's line, not later on a worker; and so does any choice.
        layout = self.chunk(events, collection).layout
        decided = self.decided(layout)
        decided.branches(layout)
        return on_partitions(decided, method, events, collection)
