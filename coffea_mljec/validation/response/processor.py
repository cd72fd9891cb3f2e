"""The coffea processor that judges providers: the same jets, the same generator jets, one histogram."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano.algorithm import PT_WITH_NEUTRINOS
from coffea_mljec.nano.jagged import flat_column, offsets_of
from coffea_mljec.validation.common.binning import (
    FLAVOURS,
    PT_EDGES,
    REGION_EDGES,
    flavour_index,
    jet_histogram,
    response_histogram,
)
from coffea_mljec.validation.common.events import Chunk, JetCorrector, collections_like, generator_rows
from coffea_mljec.validation.common.filling import base_cells, count, fill, fill_jets, fill_responses
from coffea_mljec.validation.common.measurement import MeasurementProcessor
from coffea_mljec.validation.response.summary import Summary, summarise
from coffea_mljec.validation.response.trend import TREND_EDGES, event_value, trend_histogram, trend_jets

__all__ = ["JetCorrector", "Judged", "ResponseProcessor"]


@dataclass(frozen=True)
class Judged:
    """The matched jets of a chunk that enter the histograms.

    Attributes
    ----------
    rows, event : int64 arrays [n]
        Of the flattened collection, and of the chunk.
    pt_gen, abs_eta_gen : float64 arrays [n]
    flavour : int64 array [n]
        Index into `coffea_mljec.validation.common.binning.FLAVOURS`.
    has_neutrinos : bool array [n]
        Whether `pt_gen` is more than the generator jet's own pT.
    """

    rows: npt.NDArray[np.int64]
    event: npt.NDArray[np.int64]
    pt_gen: npt.NDArray[np.float64]
    abs_eta_gen: npt.NDArray[np.float64]
    flavour: npt.NDArray[np.int64]
    has_neutrinos: npt.NDArray[np.bool_]

    def __getitem__(self, keep: npt.NDArray[np.bool_]) -> Judged:
        return Judged(*(getattr(self, one.name)[keep] for one in fields(self)))


class ResponseProcessor(MeasurementProcessor):
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
        Bootstrap replicas (see `common.replicas`); about 1 MB of histogram per replica and provider.
    max_dr : float
        Radius of the matching.
    pt_gen_min : float
        Generator pT (GeV) from which jets are judged; at least 20.
    neutrinos : bool
        Whether the generator pT includes the neutrinos of the jet, for corrections that restore them. The events must
        have it (`coffea_mljec.nano.algorithm.PT_WITH_NEUTRINOS`).

    Notes
    -----
    `process` returns, for its dataset, ``{"response": Hist, "jets": Hist, "trends": {variable: Hist}, "trend_jets":
    {variable: Hist}, "counts": {...}, "non_finite": {provider: n}, "status": {provider: {code: n}}}``. All of it adds
    up with coffea's ``accumulate``. ``counts`` holds ``events``,
    ``jets``, ``gen_jets``, ``matched``, ``unmatched``, ``judged`` (matched, generator pT above `pt_gen_min`, generator
    eta within 5, finite) and ``unknown_flavour`` (among the judged), with `neutrinos` also ``with_neutrinos`` (the
    judged whose generator jet has some). ``status`` counts ``mljec_status`` over the
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
        replicas: int = defaults.REPLICAS,
        max_dr: float = 0.2,
        pt_gen_min: float = 20.0,
        neutrinos: bool = False,
    ) -> None:
        super().__init__(providers, collection, gen_collection, weight, replicas, max_dr)
        if pt_gen_min < PT_EDGES[0]:
            raise InputError(
                f"pt_gen_min must be at least {PT_EDGES[0]:g} GeV, where the bins start; got {pt_gen_min:g}."
            )
        self.pt_gen_min = pt_gen_min
        self.neutrinos = neutrinos

    def _measure(self, events: ak.Array, chunk: Chunk) -> dict[str, Any]:
        self.check(events)
        jet_offsets = offsets_of(events[self.collection], self.collection)
        judged, counts = self.judge(events, jet_offsets)

        corrected = self._corrected(events, jet_offsets)
        finite = {name: np.isfinite(found.pt[judged.rows]) for name, found in corrected.items()}
        judged = judged[np.logical_and.reduce(list(finite.values()))]

        response = response_histogram(list(self.providers), self.replicas, self.weight is not None)
        jets = jet_histogram()
        base = base_cells(judged.pt_gen, judged.abs_eta_gen, judged.flavour, jets)
        fill_jets(jets, base)
        ratios = {name: found.pt[judged.rows] / judged.pt_gen for name, found in corrected.items()}
        for name, ratio in ratios.items():
            fill_responses(response, name, ratio, base, judged.event, chunk.weights, chunk.replica_weights)
        trends, trend_counts = self._trends(events, judged, ratios, chunk)

        counts["judged"] = len(judged.rows)
        if self.neutrinos:
            counts["with_neutrinos"] = int(np.count_nonzero(judged.has_neutrinos))
        counts["unknown_flavour"] = int(np.count_nonzero(judged.flavour == FLAVOURS.index("unknown")))
        return {
            "response": response,
            "jets": jets,
            "trends": trends,
            "trend_jets": trend_counts,
            "counts": counts,
            "non_finite": {name: int(np.count_nonzero(~values)) for name, values in finite.items()},
            "status": {name: found.counted(judged.rows) for name, found in corrected.items()},
        }

    def summary(
        self,
        accumulated: Mapping[str, Mapping[str, Any]],
        datasets: Iterable[str] | None = None,
        *,
        standard: str = "standard",
    ) -> Summary:
        """Turn what was accumulated into numbers: see `coffea_mljec.validation.response.summary.summarise`."""
        return summarise(accumulated, standard, datasets)

    def _trends(
        self, events: ak.Array, judged: Judged, ratios: Mapping[str, npt.NDArray[np.float64]], chunk: Chunk
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Histograms in rho, npv and |eta|; those of rho and npv stay empty if the file has no such branch."""
        histograms, counts = {}, {}
        for variable in TREND_EDGES:
            histogram = trend_histogram(variable, list(ratios), self.replicas, self.weight is not None)
            counted = trend_jets(variable)
            values = judged.abs_eta_gen if variable == "abs_eta" else event_value(events, variable)
            if values is not None:
                where: dict[str, Any] = {
                    variable: values if variable == "abs_eta" else values[judged.event],
                    "pt_gen": judged.pt_gen, "abs_eta_gen": judged.abs_eta_gen,
                }  # fmt: skip
                count(counted, where, len(judged.rows))
                for name, ratio in ratios.items():
                    in_cells = where | {"provider": name}
                    fill(histogram, ratio, in_cells, judged.event, chunk.weights, chunk.replica_weights)
            histograms[variable], counts[variable] = histogram, counted
        return histograms, counts

    def check(self, events: ak.Array) -> None:
        """Raise `InputError` for events without generator jets, or without their neutrinos where those count."""
        names = ak.fields(events)
        if self.gen_collection not in names:
            raise InputError(
                f"the response needs generator jets, and the events have no {self.gen_collection!r} (jet collections: "
                f"{collections_like(names)}): this is data, or another gen_collection is meant. Validate on "
                "simulation."
            )
        if self.neutrinos and PT_WITH_NEUTRINOS not in ak.fields(events[self.gen_collection]):
            raise MissingBranchError(
                f"the generator pT with neutrinos needs {self.gen_collection}_{PT_WITH_NEUTRINOS}, and the events have "
                "none: simulate them (python -m training simulate --neutrinos), or judge without neutrinos."
            )

    def judge(self, events: ak.Array, jet_offsets: npt.NDArray[np.int64]) -> tuple[Judged, dict[str, int]]:
        """Match the jets of a chunk; return those that are judged, and what was counted on the way."""
        jets, gen = events[self.collection], events[self.gen_collection]
        partner, gen_offsets = generator_rows(events, self.collection, self.gen_collection, self.max_dr)
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
        pt_gen = self._pt_of(gen, PT_WITH_NEUTRINOS if self.neutrinos else "pt")[gen_rows]
        matched = Judged(
            rows=rows,
            event=event_of_jet[rows],
            pt_gen=pt_gen,
            abs_eta_gen=np.abs(flat_column(gen["eta"], f"{self.gen_collection}.eta")[gen_rows]).astype(np.float64),
            flavour=flavour_index(
                self._flavour(jets, gen, "hadronFlavour", rows, gen_rows),
                self._flavour(jets, gen, "partonFlavour", rows, gen_rows),
            ),
            has_neutrinos=pt_gen > self._pt_of(gen, "pt")[gen_rows],
        )
        in_range = (matched.pt_gen >= self.pt_gen_min) & np.isfinite(matched.pt_gen)
        return matched[in_range & (matched.abs_eta_gen < REGION_EDGES[-1])], counts

    def _pt_of(self, gen: ak.Array, name: str) -> npt.NDArray[np.float64]:
        return flat_column(gen[name], f"{self.gen_collection}.{name}").astype(np.float64)

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
