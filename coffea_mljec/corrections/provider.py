"""What every correction has in common: `Provider`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.assignment import allow_dask_assignment
from coffea_mljec.corrections.record import corrected_jets, corrected_jets_meta, stored
from coffea_mljec.errors import InputError
from coffea_mljec.layouts import Layout, detect, raw_jets
from coffea_mljec.layouts.layout import is_dask
from coffea_mljec.status import Status, mark

__all__ = ["Provider"]

Path = tuple[str, ...]
Factors = tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]


class Provider(ABC):
    """A jet energy correction: an object with `apply`.

    Subclasses say which quantities they read and give a factor and a status per jet; reading raw jets, the fallback,
    the record and the modes (eager, virtual, dask) are done here. Providers are picklable, callable and keep no state
    of the events.

    Parameters
    ----------
    name : str
        What tables and plots call it.
    fallback : Provider, optional
        Corrects the jets that this provider cannot treat. Without one they keep the pT that the file had; their status
        says so.
    """

    def __init__(self, name: str, fallback: Provider | None = None) -> None:
        if fallback is not None and not isinstance(fallback, Provider):
            raise InputError(
                "fallback must be a provider, such as FactorizedJEC.from_txt([...]) for the standard path, or None; "
                f"got {fallback!r}."
            )
        self.name = name
        self.fallback = fallback

    @abstractmethod
    def _paths(self, layout: Layout) -> Iterable[Path]:
        """Where in the events the quantities are that `_factor` reads; raises MissingBranchError if the file lacks
        one."""

    @abstractmethod
    def _factor(self, events: Any, layout: Layout) -> Factors:
        """Factor (corrected/raw) and `Status` bits of all jets of a concrete chunk, flat; a factor counts where
        APPLIED is set."""

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return the corrected jet collection.

        Parameters
        ----------
        events : NanoEvents
            Eager, virtual or dask; not changed.
        collection : str
            The jet collection, whole: correct before cutting or sorting.

        Returns
        -------
        ak.Array or dask_awkward.Array
            Same shape, record name, behaviours, fields and cross references, plus: ``pt``, ``mass`` corrected (GeV);
            ``pt_raw``, ``mass_raw``; ``pt_orig``, ``mass_orig`` (what the file had); ``jet_energy_correction``
            (corrected/raw); ``rawFactor`` refreshed; ``mljec_status`` (`coffea_mljec.Status`). Correcting corrected
            jets starts from ``pt_raw`` again.

        Raises
        ------
        InputError
            If these are not NanoEvents, have no such collection, or the provider is not for this collection.
        MissingBranchError
            If the file lacks something that the provider reads (and there is no fallback).
        JetsChangedError
            If the jets were cut or sorted before the correction.
        """
        if is_dask(events):
            return self._in_dask(events, collection, "apply")
        layout = detect(events, collection)
        if ak.backend(events) == "typetracer":
            self._touch(events, layout)
            return corrected_jets_meta(events[collection])
        columns, factor, kept, status = self._resolve(events, layout)
        return corrected_jets(events[collection], columns["pt_raw"], columns["mass_raw"], factor, kept, status)

    __call__ = apply

    def correction(self, events: Any, collection: str = "Jet") -> Any:
        """Return only the factor, corrected/raw, float32, in the shape of the collection (n_events, variable).

        Jets that keep the pT of the file have that pT over raw pT. Parameters and errors are those of `apply`.
        """
        if is_dask(events):
            return self._in_dask(events, collection, "correction")
        return self.apply(events, collection)["jet_energy_correction"]

    def required_branches(self, events: Any, collection: str = "Jet") -> tuple[str, ...]:
        """List the branches of this file that `apply` reads, counters included, sorted.

        Raises
        ------
        MissingBranchError
            If the file lacks one.
        """
        layout = detect(events, collection)
        branches = set()
        for path in self._all_paths(layout):
            branches.add("_".join(path))
            if len(path) == 2 and _is_jagged(events, path[0]):
                branches.add(f"n{path[0]}")
        return tuple(sorted(branches))

    def _all_paths(self, layout: Layout) -> set[Path]:
        collection = layout.collection
        paths: set[Path] = set(self._own_or_fallback_paths(layout))
        jet_fields = layout.fields[collection]
        for name in ("pt", "mass"):
            if f"{name}_raw" in jet_fields:
                paths |= {(collection, f"{name}_raw"), (collection, f"{name}_orig")}
            else:
                paths |= {layout.require("jet", quantity, self.name) for quantity in (name, "raw_factor")}
        return paths

    def _own_or_fallback_paths(self, layout: Layout) -> Iterable[Path]:
        paths = list(self._paths(layout))
        return paths if self.fallback is None else [*paths, *self.fallback._paths(layout)]

    def _resolve(self, events: Any, layout: Layout) -> tuple[dict[str, Any], npt.NDArray[np.float64], Any, Any]:
        """Raw jets, factor, which jets keep the file's pT, and status, after the fallback."""
        columns, _ = raw_jets(events, layout, ("pt_raw", "mass_raw"), self.name)
        factor, status = self._factor(events, layout)
        applied = (status & np.uint8(Status.APPLIED)) != 0
        if self.fallback is not None and not np.all(applied):
            second, second_status = self.fallback._factor(events, layout)
            rescued = ~applied & ((second_status & np.uint8(Status.APPLIED)) != 0)
            factor = np.where(rescued, second, factor)
            mark(status, rescued, Status.FALLBACK)
            applied = applied | rescued
        kept = ~applied
        if np.any(kept):
            factor = factor.copy()
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = stored(events[layout.collection], "pt")[kept] / columns["pt_raw"][kept].astype(np.float64)
            factor[kept] = np.where(np.isfinite(ratio), ratio, 1.0)
        return columns, factor, kept, status

    def _touch(self, events: Any, layout: Layout) -> None:
        """Tell dask-awkward which columns `apply` will read; a network never runs on a tracer."""
        for path in self._all_paths(layout):
            column = events
            for name in path:
                column = column[name]
            ak.typetracer.touch_data(column)

    def _in_dask(self, events: Any, collection: str, method: str) -> Any:
        import dask_awkward

        allow_dask_assignment()
        # Errors that need no data come now, at the user's line, not later on a worker.
        layout = detect(events, collection)
        self._all_paths(layout)
        return dask_awkward.map_partitions(_OnPartition(self, collection, method), events, label=f"mljec-{method}")


class _OnPartition:
    """One provider's method as a picklable function of the events of a partition."""

    def __init__(self, provider: Provider, collection: str, method: str) -> None:
        self.provider = provider
        self.collection = collection
        self.method = method

    def __call__(self, events: Any) -> Any:
        return getattr(self.provider, self.method)(events, self.collection)


def _is_jagged(events: Any, collection: str) -> bool:
    return bool(events[collection].ndim > 1)
