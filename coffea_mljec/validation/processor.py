"""The coffea processor that judges providers: the same jets, the same generator jets, one histogram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import awkward as ak
import numpy as np
import numpy.typing as npt
from coffea import processor

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.layouts.jagged import flat_column, offsets_of
from coffea_mljec.matching import match_flat
from coffea_mljec.validation.binning import (
    FLAVOURS,
    PT_EDGES,
    REGION_EDGES,
    flavour_index,
    jet_histogram,
    response_histogram,
)
from coffea_mljec.validation.filling import base_cells, fill_jets, fill_responses
from coffea_mljec.validation.replicas import poisson_weights, seed_of

__all__ = ["JetCorrector", "Judged", "ResponseProcessor"]


class JetCorrector(Protocol):
    """What is asked of a provider here: corrected jets with fields ``pt`` (GeV) and ``mljec_status``."""

    def apply(self, events: ak.Array, collection: str = ...) -> ak.Array:
        """Return the collection, same shape, corrected."""
        ...


@dataclass(frozen=True)
class Judged:
    """The matched jets of a chunk that enter the histograms.

    Attributes
    ----------
    rows, event : int64 arrays [n]
        Of the flattened collection, and of the chunk.
    pt_gen, abs_eta_gen : float64 arrays [n]
    flavour : int64 array [n]
        Index into `coffea_mljec.validation.binning.FLAVOURS`.
    """

    rows: npt.NDArray[np.int64]
    event: npt.NDArray[np.int64]
    pt_gen: npt.NDArray[np.float64]
    abs_eta_gen: npt.NDArray[np.float64]
    flavour: npt.NDArray[np.int64]

    def __getitem__(self, keep: npt.NDArray[np.bool_]) -> Judged:
        return Judged(self.rows[keep], self.event[keep], self.pt_gen[keep], self.abs_eta_gen[keep], self.flavour[keep])


class ResponseProcessor(processor.ProcessorABC):
    """Fills histograms of the response of any providers, for simulated events.

    Jets are matched to generator jets once, one to one, nearest first, by direction (no correction changes it), so that
    every provider is judged on the same jets. A jet for which any provider gives a pT that is not finite is left out
    for all of them and counted under ``non_finite``.

    Parameters
    ----------
    providers : mapping of str to provider
        Name -> object with ``apply(events, collection)``; the names are the categories of the ``provider`` axis.
    collection, gen_collection : str
        Jets, and the generator jets that they are matched to.
    weight : str, optional
        Event-level branch to weight with, ``"genWeight"`` for example: histograms then hold float64 sums. Without it
        they hold exact int64 counts.
    replicas : int
        Bootstrap replicas (see `coffea_mljec.validation.replicas`); about 1 MB of histogram per replica and provider.
    max_dr : float
        Radius of the matching.
    pt_gen_min : float
        Generator pT (GeV) from which jets are judged; at least 20.

    Notes
    -----
    `process` returns, for its dataset, ``{"response": Hist, "jets": Hist, "counts": {...}, "non_finite": {provider: n},
    "status": {provider: {code: n}}}``. All of it adds up with coffea's ``accumulate``. ``counts`` holds ``events``,
    ``jets``, ``gen_jets``, ``matched``, ``unmatched``, ``judged`` (matched, generator pT above `pt_gen_min`, generator
    eta within 5, finite) and ``unknown_flavour`` (among the judged). ``status`` counts ``mljec_status`` over the
    judged jets.

    The flavour is the reconstructed jet's ``hadronFlavour`` if that is not 0, else ``abs(partonFlavour)``. A field
    that the collection does not have (NanoAOD stores no ``FatJet_partonFlavour``) is taken from the matched generator
    jet.
    """

    def __init__(
        self,
        providers: Mapping[str, JetCorrector],
        collection: str = "Jet",
        gen_collection: str = "GenJet",
        *,
        weight: str | None = None,
        replicas: int = 30,
        max_dr: float = 0.2,
        pt_gen_min: float = 20.0,
    ) -> None:
        if not providers:
            raise InputError(
                "providers is empty: give at least one, such as {'standard': FactorizedJEC.from_txt([...])}."
            )
        without = [name for name, provider in providers.items() if not hasattr(provider, "apply")]
        if without:
            raise InputError(
                f"providers {without} have no apply(events, collection); give MLJEC, FactorizedJEC or the like."
            )
        if replicas < 0:
            raise InputError(f"replicas must be 0 or more, got {replicas}.")
        if pt_gen_min < PT_EDGES[0]:
            raise InputError(
                f"pt_gen_min must be at least {PT_EDGES[0]:g} GeV, where the bins start; got {pt_gen_min:g}."
            )
        self.providers = dict(providers)
        self.collection = collection
        self.gen_collection = gen_collection
        self.weight = weight
        self.replicas = replicas
        self.max_dr = max_dr
        self.pt_gen_min = pt_gen_min

    def process(self, events: ak.Array) -> dict[str, dict[str, Any]]:
        """Judge the providers on one chunk.

        Parameters
        ----------
        events : NanoEvents
            Eager or virtual, of simulation.

        Returns
        -------
        dict
            See the notes of the class.

        Raises
        ------
        InputError
            If `events` is no array of events, has no such collections (data have no generator jets), or its weights
            are not finite; if a provider returns another number of jets.
        MissingBranchError
            If event numbers, flavours or the weight's branch are missing.
        """
        self._check(events)
        dataset = str((getattr(events, "metadata", None) or {}).get("dataset", "events"))
        jet_offsets = offsets_of(events[self.collection], self.collection)
        judged, counts = self.judge(events, jet_offsets)

        pt: dict[str, npt.NDArray[np.floating]] = {}
        status: dict[str, npt.NDArray[np.integer]] = {}
        for name, provider in self.providers.items():
            corrected = provider.apply(events, self.collection)
            if not np.array_equal(offsets_of(corrected, f"{name}'s jets"), jet_offsets):
                raise InputError(
                    f"provider {name!r} returned other jets than {self.collection} holds; it must keep the shape."
                )
            pt[name] = flat_column(corrected["pt"], f"{name}'s pt")[judged.rows]
            status[name] = flat_column(corrected["mljec_status"], f"{name}'s mljec_status")[judged.rows]
        finite = {name: np.isfinite(values) for name, values in pt.items()}
        keep = np.logical_and.reduce(list(finite.values()))
        judged = judged[keep]

        response = response_histogram(list(self.providers), self.replicas, self.weight is not None)
        jets = jet_histogram()
        base = base_cells(judged.pt_gen, judged.abs_eta_gen, judged.flavour, jets)
        fill_jets(jets, base)
        weights = self._weights(events)
        replica_weights = poisson_weights(
            np.asarray(events["run"]),
            np.asarray(events["luminosityBlock"]),
            np.asarray(events["event"]),
            replicas=self.replicas,
            seed=seed_of(dataset),
        )
        for name, values in pt.items():
            ratio = values[keep] / judged.pt_gen
            fill_responses(response, name, ratio, base, judged.event, weights, replica_weights)

        counts["judged"] = len(judged.rows)
        counts["unknown_flavour"] = int(np.count_nonzero(judged.flavour == FLAVOURS.index("unknown")))
        return {
            dataset: {
                "response": response,
                "jets": jets,
                "counts": counts,
                "non_finite": {name: int(np.count_nonzero(~values)) for name, values in finite.items()},
                "status": {name: dict(Counter(values[keep].tolist())) for name, values in status.items()},
            }
        }

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Return the accumulated chunks as they are; `coffea_mljec.validation.summary.summarise` reads them."""
        return accumulator

    def _check(self, events: ak.Array) -> None:
        if not isinstance(events, ak.Array):
            raise InputError(
                f"events must be NanoEvents in eager or virtual mode, got {type(events).__name__}; open the file with "
                "NanoEventsFactory.from_root(..., mode='virtual') or run the processor with coffea.processor.Runner."
            )
        fields = ak.fields(events)
        if self.collection not in fields:
            raise InputError(f"the events have no collection {self.collection!r}; they have {_jet_like(fields)}.")
        if self.gen_collection not in fields:
            raise InputError(
                f"the response needs generator jets, and the events have no {self.gen_collection!r} (jet collections: "
                f"{_jet_like(fields)}): this is data, or another gen_collection is meant. Validate on simulation."
            )
        missing = [name for name in ("run", "luminosityBlock", "event") if name not in fields]
        if missing:
            raise MissingBranchError(
                f"the bootstrap needs the event's identity, and the branches {missing} are missing."
            )
        if self.weight is not None and self.weight not in fields:
            raise MissingBranchError(f"the weight branch {self.weight!r} is missing; give another one or weight=None.")

    def _weights(self, events: ak.Array) -> npt.NDArray[Any]:
        if self.weight is None:
            return np.ones(len(events), np.int64)
        weights = np.asarray(events[self.weight], dtype=np.float64)
        if not np.all(np.isfinite(weights)):
            raise InputError(
                f"{self.weight} is not finite in {np.count_nonzero(~np.isfinite(weights))} events; mask them."
            )
        return weights

    def judge(self, events: ak.Array, jet_offsets: npt.NDArray[np.int64]) -> tuple[Judged, dict[str, int]]:
        """Match the jets of a chunk; return those that are judged, and what was counted on the way."""
        jets, gen = events[self.collection], events[self.gen_collection]
        gen_offsets = offsets_of(gen, self.gen_collection)
        angles = [
            flat_column(array[axis], f"{which}.{axis}")
            for array, which in ((jets, self.collection), (gen, self.gen_collection))
            for axis in ("eta", "phi")
        ]
        partner = match_flat(angles[0], angles[1], jet_offsets, angles[2], angles[3], gen_offsets, self.max_dr)
        rows = np.flatnonzero(partner >= 0)
        counts = {
            "events": len(events),
            "jets": int(jet_offsets[-1]),
            "gen_jets": int(gen_offsets[-1]),
            "matched": len(rows),
            "unmatched": int(jet_offsets[-1]) - len(rows),
        }
        event_of_jet = np.repeat(np.arange(len(events), dtype=np.int64), np.diff(jet_offsets))
        gen_rows = partner[rows]
        matched = Judged(
            rows=rows,
            event=event_of_jet[rows],
            pt_gen=flat_column(gen["pt"], f"{self.gen_collection}.pt")[gen_rows].astype(np.float64),
            abs_eta_gen=np.abs(angles[2][gen_rows]).astype(np.float64),
            flavour=flavour_index(
                self._flavour(jets, gen, "hadronFlavour", rows, gen_rows),
                self._flavour(jets, gen, "partonFlavour", rows, gen_rows),
            ),
        )
        in_range = (matched.pt_gen >= self.pt_gen_min) & np.isfinite(matched.pt_gen)
        return matched[in_range & (matched.abs_eta_gen < REGION_EDGES[-1])], counts

    def _flavour(
        self, jets: ak.Array, gen: ak.Array, name: str, rows: npt.NDArray[np.int64], gen_rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.integer]:
        if name in ak.fields(jets):
            return flat_column(jets[name], f"{self.collection}.{name}")[rows]
        if name in ak.fields(gen):
            return flat_column(gen[name], f"{self.gen_collection}.{name}")[gen_rows]
        raise MissingBranchError(
            f"the flavour needs {self.collection}_{name} or {self.gen_collection}_{name}, and the events have neither."
        )


def _jet_like(fields: list[str]) -> list[str]:
    return [name for name in fields if "Jet" in name] or fields[:8]
