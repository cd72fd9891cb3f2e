"""What every correction has in common: `Provider`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Unpack

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.levels_on_top import OnTop
from coffea_mljec.corrections.record import corrected_jets_meta, correction_columns, stored
from coffea_mljec.corrections.variation_record import (
    stale_fields,
    varied_columns,
    varied_meta,
    with_variations,
    without_fields,
)
from coffea_mljec.errors import InputError
from coffea_mljec.nano import Layout, detect, raw_jets
from coffea_mljec.nano.assignment import allow_dask_assignment
from coffea_mljec.nano.jagged import with_columns
from coffea_mljec.nano.layout import is_dask
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.suitability import (
    Made,
    check_algorithm,
    check_same_era,
    check_unchanged,
    warn_standard_jets,
)
from coffea_mljec.status import Status, StatusArray, carries, mark
from coffea_mljec.systematics.shifts import SystematicOptions, Systematics

__all__ = ["Provider"]

Path = tuple[str, ...]
Factors = tuple[npt.NDArray[np.float64], StatusArray]


@dataclass(frozen=True)
class _Resolved:
    """The jets of a chunk, corrected once: everything that any variation needs."""

    raw: dict[str, Any]
    factor: npt.NDArray[np.float64]
    kept: npt.NDArray[np.bool_]
    status: StatusArray

    def columns(self, jets: ak.Array) -> dict[str, npt.NDArray[Any]]:
        """Columns of the corrected collection, not smeared."""
        return correction_columns(jets, self.raw["pt_raw"], self.raw["mass_raw"], self.factor, self.kept, self.status)


class Provider(ABC):
    """A jet energy correction: an object with `apply`.

    Subclasses say which quantities they read and give a factor and a status per jet; reading raw jets, levels on top,
    the fallback, variations, the record and the modes (eager, virtual, dask) are done here. Providers are picklable,
    callable and keep no state of the events.

    Parameters
    ----------
    name : str
        What tables and plots call it.
    fallback : Provider, optional
        Corrects the jets that this provider cannot treat. Without one they keep the pT that the file had; their status
        says so.
    closure : Payload, optional
        One level as a function of eta and this provider's corrected pT, multiplied on top: what is left of the bias of
        the response in simulation (``python -m training derive`` makes it).
    residual : Payload, optional
        The residual level, multiplied on top for data only. Those of public payloads were measured on standard jets.
    **systematics
        Uncertainties and smearing, see `SystematicOptions`.
    """

    def __init__(
        self,
        name: str,
        fallback: Provider | None = None,
        *,
        closure: Payload | None = None,
        residual: Payload | None = None,
        **systematics: Unpack[SystematicOptions],
    ) -> None:
        if fallback is not None and not isinstance(fallback, Provider):
            raise InputError(
                "fallback must be a provider, such as FactorizedJEC.from_txt([...]) for the standard path, or None; "
                f"got {fallback!r}."
            )
        self.name = name
        self.fallback = fallback
        self.on_top = OnTop(closure, residual)
        self.systematics = Systematics(**systematics)
        self._check_jets_of_payloads()

    @abstractmethod
    def _paths(self, layout: Layout) -> Iterable[Path]:
        """Where in the events the quantities are that `_factor` reads; raises MissingBranchError if the file lacks
        one."""

    @abstractmethod
    def _factor(self, events: Any, layout: Layout) -> Factors:
        """Factor (corrected/raw) and `Status` bits of all jets of a concrete chunk, flat; a factor counts where
        APPLIED is set."""

    @property
    @abstractmethod
    def algorithm(self) -> str | None:
        """The jets that it is for, such as ``AK4PFPuppi``; None where the file decides."""

    @abstractmethod
    def _measured_on_own_jets(self, made: Made) -> bool:
        """Whether this payload was measured on jets corrected by this provider."""

    @property
    def _user(self) -> str:
        """What messages call it."""
        return f"the correction {self.name!r}"

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return the corrected jet collection.

        Parameters
        ----------
        events : NanoEvents
            Eager, virtual or dask; not changed.
        collection : str
            The jet collection. Correct before cutting or sorting: jets that were cut, sorted or repeated before are
            looked up in the file, by eta and phi, where constituents are read (in dask mode they are refused).

        Returns
        -------
        ak.Array or dask_awkward.Array
            Same shape, record name, behaviours, fields and cross references, plus: ``pt``, ``mass`` corrected (GeV);
            ``pt_raw``, ``mass_raw``; ``pt_orig``, ``mass_orig`` (what the file had); ``jet_energy_correction``
            (corrected/raw); ``rawFactor`` refreshed; ``mljec_status`` (`coffea_mljec.Status`). Correcting corrected
            jets starts from ``pt_raw`` again.

            With uncertainties or a resolution also coffea's ``pt_jec``, ``pt_jer``, ``jet_energy_resolution``, ... and
            records of varied jets, ``JES_<source>.up``, ``JER.down``, whose ``pt``, ``mass`` and ``rawFactor`` are
            evaluated when they are read; the correction itself is evaluated once. ``pt`` is then the smeared one and
            ``jet_energy_correction`` is ``pt_jec`` over raw.

        Raises
        ------
        InputError
            If these are not NanoEvents, have no such collection, or the provider is not for this collection.
        MissingBranchError
            If the file lacks something that the provider reads (and there is no fallback).
        JetsChangedError
            If the jets were cut or sorted before the correction and cannot be found again, or were corrected by
            something else.
        """
        if is_dask(events):
            return self._in_dask(events, collection, "apply")
        layout = self._detect(events, collection)
        if ak.backend(events) == "typetracer":
            return self._meta(events, layout)
        jets = events[collection]
        columns = self._resolve(events, layout).columns(jets)
        if not self.systematics.payloads:
            return with_columns(jets, columns, without=stale_fields(jets))
        shifted = self.systematics.at(events, layout, columns["pt"], self._user)
        return with_variations(jets, columns, shifted, self.systematics.names(layout))

    __call__ = apply

    def variations(self, events: Any, collection: str = "Jet") -> Iterator[tuple[str, Any]]:
        """Yield ``("nominal", jets)``, then ``("JER_up", jets)``, ``("JES_<source>_down", jets)``, ... one at a time.

        The correction is evaluated once, each variation when it is asked for, and only one is in memory. The jets are
        those of `apply` without the records of varied jets. Parameters and errors are those of `apply`.
        """
        if is_dask(events):
            corrected = self.apply(events, collection)
            yield "nominal", corrected
            for name in self.systematics.names(detect(events, collection)):
                for direction in ("up", "down"):
                    yield f"{name}_{direction}", corrected[name][direction]
            return
        layout = self._detect(events, collection)
        jets = events[collection]
        columns = self._resolve(events, layout).columns(jets)
        shifted = self.systematics.at(events, layout, columns["pt"], self._user)
        for name, varied in varied_columns(columns, shifted, self.systematics.names(layout)):
            yield name, with_columns(jets, varied, without=stale_fields(jets))

    def correction(self, events: Any, collection: str = "Jet") -> Any:
        """Return only the factor, corrected/raw, float32, in the shape of the collection (n_events, variable).

        Jets that keep the pT of the file have that pT over raw pT. Parameters and errors are those of `apply`.
        """
        if is_dask(events):
            return self._in_dask(events, collection, "correction")
        layout = self._detect(events, collection)
        if ak.backend(events) == "typetracer":
            return self._meta(events, layout)["jet_energy_correction"]
        jets = events[collection]
        return with_columns(jets, self._resolve(events, layout).columns(jets))["jet_energy_correction"]

    def required_branches(self, events: Any, collection: str = "Jet") -> tuple[str, ...]:
        """List the branches of this file that `apply` reads, counters included, sorted.

        Jets that were cut and events that were selected before it: also ``run``, ``luminosityBlock`` and ``event``.

        Raises
        ------
        MissingBranchError
            If the file lacks one.
        """
        layout = self._detect(events, collection)
        branches = set()
        for path in self._all_paths(layout):
            branches.add("_".join(path))
            if len(path) == 2 and _is_jagged(events, path[0]):
                branches.add(f"n{path[0]}")
        return tuple(sorted(branches))

    def _all_paths(self, layout: Layout) -> set[Path]:
        collection = layout.collection
        paths: set[Path] = {
            *self._own_or_fallback_paths(layout),
            *self.on_top.paths(layout, self._user),
            *(self.systematics.paths(layout, self._user) if self.systematics.payloads else ()),
        }
        jet_fields = layout.fields[collection]
        for name in ("pt", "mass"):
            if f"{name}_raw" in jet_fields:
                paths |= {(collection, f"{name}_raw"), (collection, f"{name}_orig")}
            else:
                paths |= {layout.require("jet", quantity, self.name) for quantity in (name, "raw_factor")}
        return paths

    def _own_or_fallback_paths(self, layout: Layout) -> Iterable[Path]:
        paths = list(self._paths(layout))
        return paths if self.fallback is None else [*paths, *self.fallback._own_or_fallback_paths(layout)]

    def _detect(self, events: Any, collection: str) -> Layout:
        """The layout, and whether this provider is for these jets at all."""
        layout = detect(events, collection)
        check_unchanged(layout)
        self._check_collection(layout)
        if self.fallback is not None:
            self.fallback._check_collection(layout)
        return layout

    def _check_collection(self, layout: Layout) -> None:
        """Refuse or warn of jets that this provider is not for."""
        if self.algorithm is not None:
            check_algorithm(self.algorithm, layout, self._user)

    def _own_payloads(self) -> tuple[Made, ...]:
        """Payloads that the provider itself consists of."""
        return ()

    def _check_jets_of_payloads(self) -> None:
        """What was measured on standard jets needs permission; a resolution must be this provider's own."""
        given = self.systematics.payloads | self.on_top.measured
        if everything := [*self._own_payloads(), *given.values()]:
            check_same_era(everything[0], everything[1:])
        for name, made in given.items():
            if self._measured_on_own_jets(made):
                continue
            if name == "resolution":
                raise InputError(
                    f"the resolution {made.tag} {made.algorithm} is not that of the jets of {self._user}: smearing "
                    "needs the resolution of the jets that it smears. Derive one on this provider's response and name "
                    "it after its jets."
                )
            warn_standard_jets(name, made, self.systematics.standard_jets, self._user)

    def _corrected(self, events: Any, layout: Layout) -> Factors:
        """The provider's own factor with the levels on top."""
        factor, status = self._factor(events, layout)
        return self.on_top.multiply(events, layout, factor, status, self._user)

    def _resolve(self, events: Any, layout: Layout) -> _Resolved:
        """Correct the jets, after the fallback."""
        columns, _ = raw_jets(events, layout, ("pt_raw", "mass_raw"), self.name)
        factor, status = self._corrected(events, layout)
        applied = carries(status, Status.APPLIED)
        if self.fallback is not None and not np.all(applied):
            second, second_status = self.fallback._corrected(events, layout)
            rescued = ~applied & (carries(second_status, Status.APPLIED))
            factor = np.where(rescued, second, factor)
            mark(status, rescued, Status.FALLBACK)
            applied = applied | rescued
        kept = ~applied
        if np.any(kept):
            factor = factor.copy()
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = stored(events[layout.collection], "pt")[kept] / columns["pt_raw"][kept].astype(np.float64)
            factor[kept] = np.where(np.isfinite(ratio), ratio, 1.0)
        return _Resolved(columns, factor, kept, status)

    def _meta(self, events: Any, layout: Layout) -> ak.Array:
        """The type of what `apply` returns. A network never runs on a tracer: dask-awkward is told which columns will
        be read."""
        for path in self._all_paths(layout):
            column = events
            for name in path:
                column = column[name]
            ak.typetracer.touch_data(column)
        jets = events[layout.collection]
        corrected = corrected_jets_meta(without_fields(jets, stale_fields(jets)))
        if not self.systematics.payloads:
            return corrected
        return varied_meta(corrected, self.systematics, layout, self.systematics.names(layout))

    def _in_dask(self, events: Any, collection: str, method: str) -> Any:
        import dask_awkward
        from dask.base import tokenize
        from dask.delayed import delayed

        allow_dask_assignment()
        # Errors that need no data come now, at the user's line, not later on a worker.
        self._all_paths(self._detect(events, collection))
        # A task of its own, on which the partitions depend: model and payloads travel once a worker, not once a chunk.
        provider = delayed(self, name=f"mljec-provider-{tokenize(self)}", traverse=False)
        function = _OnPartition(collection, method)
        return dask_awkward.map_partitions(
            function, events, provider, label=f"mljec-{method}", meta=function(events._meta, self)
        )


class _OnPartition:
    """A provider's method as a picklable function of the events of a partition."""

    def __init__(self, collection: str, method: str) -> None:
        self.collection = collection
        self.method = method

    def __call__(self, events: Any, provider: Provider) -> Any:
        return getattr(provider, self.method)(events, self.collection)


def _is_jagged(events: Any, collection: str) -> bool:
    return bool(events[collection].ndim > 1)
