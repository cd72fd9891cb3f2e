"""What every processor of the validation asks of a chunk: identity, weights, replicas, and corrected jets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano.algorithm import radius, scheme_of
from coffea_mljec.nano.jagged import flat_column, offsets_of
from coffea_mljec.nano.table_names import SIMULATION_MARK
from coffea_mljec.numerics.matching import match_flat
from coffea_mljec.validation.common.replicas import poisson_weights, seed_of

__all__ = [
    "Chunk",
    "CorrectedPt",
    "FlatDirections",
    "JetCorrector",
    "check_events",
    "check_providers",
    "checked_edges",
    "collections_like",
    "corrected_pt",
    "generator_pt",
    "generator_rows",
    "open_chunk",
    "sample_of",
]

_IDENTITY = ("run", "luminosityBlock", "event")
_TELLING = ("Rho", SIMULATION_MARK[0])


class JetCorrector(Protocol):
    """What is asked of a provider here: corrected jets with fields ``pt`` (GeV) and ``mljec_status``."""

    def apply(self, events: ak.Array, collection: str = ...) -> ak.Array:
        """Return the collection, same shape, corrected."""
        ...


@dataclass(frozen=True)
class Chunk:
    """The events of one chunk, before any jet is looked at.

    Attributes
    ----------
    dataset : str
    identity : tuple of ndarray, shape (n_events,)
        run, luminosityBlock, event.
    weights : ndarray, shape (n_events,)
        int64 ones, or float64 of the weight's branch.
    replica_weights : ndarray of uint8, shape (n_events, replicas)
    """

    dataset: str
    identity: tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
    weights: npt.NDArray[Any]
    replica_weights: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.weights)


@dataclass(frozen=True)
class CorrectedPt:
    """One provider's flat pT (GeV, float64) and ``mljec_status`` of all jets of a chunk."""

    pt: npt.NDArray[np.float64]
    status: npt.NDArray[np.integer]

    def counted(self, rows: npt.NDArray[Any]) -> dict[int, int]:
        """Return how often each status occurs among these jets."""
        return dict(Counter(self.status[rows].tolist()))


@dataclass(frozen=True)
class FlatDirections:
    """Where the jets of a chunk are: offsets int64 [n_events + 1], eta and phi float64 [n_jets]."""

    offsets: npt.NDArray[np.int64]
    eta: npt.NDArray[np.float64]
    phi: npt.NDArray[np.float64]

    @classmethod
    def of(cls, events: ak.Array, collection: str) -> FlatDirections:
        """Read the collection's directions."""
        jets = events[collection]
        eta, phi = (flat_column(jets[name], f"{collection}.{name}").astype(np.float64) for name in ("eta", "phi"))
        return cls(offsets_of(jets, collection), eta, phi)


def check_providers(providers: Mapping[str, JetCorrector], replicas: int) -> None:
    """Refuse an empty mapping, objects without ``apply``, and a negative number of replicas.

    Raises
    ------
    InputError
    """
    if not providers:
        raise InputError("providers is empty: give at least one, such as {'standard': FactorizedJEC.from_txt([...])}.")
    without = [name for name, provider in providers.items() if not hasattr(provider, "apply")]
    if without:
        raise InputError(
            f"providers {without} have no apply(events, collection); give MLJEC, FactorizedJEC or the like."
        )
    if replicas < 0:
        raise InputError(f"replicas must be 0 or more, got {replicas}.")


def check_events(events: Any, collection: str, weight: str | None) -> None:
    """Refuse what is no array of events, or lacks the collection, the events' identity or the weight.

    Raises
    ------
    InputError, MissingBranchError
    """
    if not isinstance(events, ak.Array):
        raise InputError(
            f"events must be NanoEvents in eager or virtual mode, got {type(events).__name__}; open the file with "
            "NanoEventsFactory.from_root(..., mode='virtual') or run the processor with coffea.processor.Runner."
        )
    fields = ak.fields(events)
    if collection not in fields:
        raise InputError(f"the events have no collection {collection!r}; they have {collections_like(fields)}.")
    missing = [name for name in _IDENTITY if name not in fields]
    if missing:
        raise MissingBranchError(f"the bootstrap needs the event's identity, and the branches {missing} are missing.")
    if weight is not None and weight not in fields:
        raise MissingBranchError(f"the weight branch {weight!r} is missing; give another one or weight=None.")


def open_chunk(events: ak.Array, weight: str | None, replicas: int) -> Chunk:
    """Return identity, weights and replicas of checked events.

    Raises
    ------
    InputError
        If the weights are not finite.
    """
    dataset = str((getattr(events, "metadata", None) or {}).get("dataset", "events"))
    run, block, event = (np.asarray(events[name]) for name in _IDENTITY)
    weights: npt.NDArray[Any] = np.ones(len(events), np.int64)
    if weight is not None:
        weights = np.asarray(events[weight], dtype=np.float64)
        if not np.all(np.isfinite(weights)):
            raise InputError(f"{weight} is not finite in {np.count_nonzero(~np.isfinite(weights))} events; mask them.")
    drawn = poisson_weights(run, block, event, replicas=replicas, seed=seed_of(dataset))
    return Chunk(dataset, (run, block, event), weights, drawn)


def sample_of(events: ak.Array, collection: str, gen_collection: str) -> dict[str, dict[str, int]]:
    """What the events are, as far as they tell, in counters that add up: for the labels of figures.

    Parameters
    ----------
    events : NanoEvents
        ``metadata["sqrt_s"]``, if the dataset has it, is the centre-of-mass energy in TeV.
    collection, gen_collection : str
        Of jets and generator jets; events without the latter are taken for data.

    Returns
    -------
    dict
        ``"origin"`` (this project's simulation, or simulation or data of NanoAOD), ``"jets"`` (algorithm and pileup
        scheme) and ``"sqrt_s"``, each with the number of events.
    """
    fields = {
        name: tuple(ak.fields(events[name])) for name in ak.fields(events) if name in _TELLING or name == collection
    }
    table, mark = SIMULATION_MARK
    size = radius(collection)
    scheme = scheme_of(collection, fields)
    kind = "simulation" if gen_collection in ak.fields(events) else "data"
    origin = "coffea-mljec simulation" if mark in fields.get(table, ()) else f"NanoAOD {kind}"
    found = {"origin": {origin: len(events)}}
    if size is not None:
        jets = f"AK{10 * size:g}" + ("" if scheme is None else f" {scheme.upper()}")
        found["jets"] = {jets: len(events)}
    energy = (getattr(events, "metadata", None) or {}).get("sqrt_s")
    if energy is not None:
        found["sqrt_s"] = {f"{float(energy):g} TeV": len(events)}
    return found


def corrected_pt(
    providers: Mapping[str, JetCorrector], events: ak.Array, collection: str, offsets: npt.NDArray[np.int64]
) -> dict[str, CorrectedPt]:
    """Apply every provider to the collection.

    Raises
    ------
    InputError
        If a provider returns another number of jets.
    """
    found = {}
    for name, provider in providers.items():
        corrected = provider.apply(events, collection)
        if not np.array_equal(offsets_of(corrected, f"{name}'s jets"), offsets):
            raise InputError(f"provider {name!r} returned other jets than {collection} holds; it must keep the shape.")
        pt = flat_column(corrected["pt"], f"{name}'s pt").astype(np.float64)
        found[name] = CorrectedPt(pt, flat_column(corrected["mljec_status"], f"{name}'s mljec_status"))
    return found


def generator_rows(
    events: ak.Array, collection: str, gen_collection: str, max_dr: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Match jets to generator jets by direction, one to one, nearest first.

    Returns
    -------
    partner : ndarray of int64, shape (n_jets,)
        Row of the generator jet in the flat collection, -1 for none.
    gen_offsets : ndarray of int64, shape (n_events + 1,)
    """
    jets, gen = events[collection], events[gen_collection]
    offsets, gen_offsets = offsets_of(jets, collection), offsets_of(gen, gen_collection)
    eta, phi, gen_eta, gen_phi = (
        flat_column(array[axis], f"{which}.{axis}")
        for array, which in ((jets, collection), (gen, gen_collection))
        for axis in ("eta", "phi")
    )
    return match_flat(eta, phi, offsets, gen_eta, gen_phi, gen_offsets, max_dr), gen_offsets


def collections_like(fields: list[str], what: str = "Jet") -> list[str]:
    """Return the fields that have `what` in their name, or the first eight: for a message."""
    return [name for name in fields if what in name] or fields[:8]


def generator_pt(events: ak.Array, collection: str, gen_collection: str, max_dr: float) -> npt.NDArray[np.float64]:
    """Return the generator pT in GeV of every jet, flat, 0 for jets without a generator jet within `max_dr`."""
    partner, _ = generator_rows(events, collection, gen_collection, max_dr)
    pt = flat_column(events[gen_collection]["pt"], f"{gen_collection}.pt").astype(np.float64)
    return np.where(partner >= 0, np.append(pt, 0.0)[partner], 0.0)


def checked_edges(name: str, edges: Sequence[float]) -> tuple[float, ...]:
    """Return the edges of bins of pT or |eta| as a tuple.

    Raises
    ------
    InputError
        If there are fewer than two, or they do not increase from 0 up.
    """
    if len(edges) < 2 or not np.all(np.diff(edges) > 0) or edges[0] < 0:
        raise InputError(f"{name} must be at least two increasing numbers from 0 up, got {list(edges)}.")
    return tuple(float(edge) for edge in edges)
