"""The coffea processor that asks whether jets spread as much as their corrections say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults
from coffea_mljec.nano.jagged import flat_column, offsets_of
from coffea_mljec.validation.common.binning import REGION_EDGES, replica_histogram, steps
from coffea_mljec.validation.common.events import Chunk, JetCorrector, generator_rows
from coffea_mljec.validation.common.filling import fill
from coffea_mljec.validation.common.measurement import MeasurementProcessor
from coffea_mljec.validation.width.summary import WidthSummary, summarise_widths

__all__ = [
    "ERROR_EDGES",
    "ETA_EDGES",
    "PT_EDGES",
    "WIDTH_EDGES",
    "WidthProcessor",
    "fill_widths",
    "width_histograms",
]

PT_EDGES = (30.0, 50.0, 100.0, 300.0, 1000.0)
"""Of generator pT (GeV); the last bin is open."""

ETA_EDGES = (0.0, 1.3, 2.5, 3.0, 5.0)
"""Of |eta| of the generator jet."""

WIDTH_EDGES = (0.0, 0.04, 0.06, 0.08, 0.10, 0.12, 0.15, 0.18, 0.22, 0.28, 0.36)
"""Of the width that a correction gives; the last bin is open."""

ERROR_EDGES = steps((-2.0, -0.6, 0.05), (-0.6, -0.2, 0.005), (-0.2, 0.2, 0.0025), (0.2, 0.6, 0.005), (0.6, 2.0, 0.05))
"""Of ln(corrected pT / generator pT)."""

PT_RESOLUTION = "pt_resolution"
"""The field of corrected jets."""


def width_histograms(providers: Sequence[str], replicas: int, weighted: bool) -> dict[str, hist.Hist[Any]]:
    """The empty histograms ``covered`` and ``errors`` that `fill_widths` fills."""
    covered = (
        hist.axis.Variable([-0.5, 0.5, 1.5], name="covered", label="within the width"),
        hist.axis.Variable(PT_EDGES, name="pt_gen", label="generator pT (GeV)", underflow=False),
        hist.axis.Variable(ETA_EDGES, name="abs_eta_gen", label="|generator eta|", flow=False),
    )
    errors = (
        hist.axis.Variable(ERROR_EDGES, name="error", label="ln(corrected pT / generator pT)"),
        hist.axis.Variable(WIDTH_EDGES, name="width", label="width given", underflow=False),
        hist.axis.Variable(REGION_EDGES, name="abs_eta_gen", label="|generator eta|", flow=False),
    )
    axes = {"covered": covered, "errors": errors}
    return {name: replica_histogram(own, providers, replicas, weighted) for name, own in axes.items()}


def fill_widths(
    histograms: Mapping[str, hist.Hist[Any]],
    provider: str,
    error: npt.NDArray[np.float64],
    width: npt.NDArray[np.float64],
    covered: npt.NDArray[np.bool_],
    gen_pt: npt.NDArray[np.float64],
    abs_eta: npt.NDArray[np.float64],
    event: npt.NDArray[np.int64],
    weights: npt.NDArray[Any],
    replica_weights: npt.NDArray[np.uint8],
) -> int:
    """Fill the histograms with the jets of one provider and return how many counted.

    Parameters
    ----------
    histograms : mapping
        Of `width_histograms`.
    provider : str
    error, width : ndarray, shape (n,)
        ln(corrected pT / generator pT), and the width given; jets where one is not finite, or the width not positive,
        do not count.
    covered : ndarray of bool, shape (n,)
        Whether the generator pT is within what was given.
    gen_pt, abs_eta : ndarray, shape (n,)
        Of the generator jet; pT in GeV.
    event, weights, replica_weights
        As for `coffea_mljec.validation.common.filling.fill`.
    """
    inside = (gen_pt >= PT_EDGES[0]) & (abs_eta < ETA_EDGES[-1])
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(inside & np.isfinite(error) & (width > 0) & np.isfinite(width))
    where: dict[str, Any] = {"abs_eta_gen": abs_eta[rows], "provider": provider}
    of_sample = (event[rows], weights, replica_weights)
    fill(histograms["covered"], 1.0 * covered[rows], where | {"pt_gen": gen_pt[rows]}, *of_sample)
    fill(histograms["errors"], error[rows], where | {"width": width[rows]}, *of_sample)
    return len(rows)


class WidthProcessor(MeasurementProcessor):
    """Fills histograms of the error of each jet, beside the width that its correction gives (``pt_resolution``).

    Jets are matched to generator jets as for the response. Of each correction those count that it gives a width.

    Parameters
    ----------
    providers : mapping of str to provider
        Name -> object with ``apply(events, collection)``; those without ``pt_resolution`` are left out of the numbers.
    collection, gen_collection : str
        Jets, and the generator jets that they are matched to.
    weight : str, optional
        Event-level branch to weight with.
    replicas : int
        Bootstrap replicas behind the errors.
    max_dr : float
        Radius of the matching.

    Notes
    -----
    `process` returns, for its dataset, ``{"covered": Hist, "errors": Hist, "counts": {...}}``.
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
    ) -> None:
        super().__init__(providers, collection, gen_collection, weight, replicas, max_dr)

    def _measure(self, events: ak.Array, chunk: Chunk) -> dict[str, Any]:
        filled = width_histograms(list(self.providers), self.replicas, self.weight is not None)
        counts = {"events": len(events), "judged": 0}
        gen_pt, abs_eta, event = self._generator_jets(events)
        for name, provider in self.providers.items():
            jets = provider.apply(events, self.collection)
            if PT_RESOLUTION not in jets.fields:
                continue
            pt, width = (
                flat_column(jets[field], f"{name}'s {field}").astype(np.float64) for field in ("pt", PT_RESOLUTION)
            )
            with np.errstate(invalid="ignore", divide="ignore"):
                error = np.log(pt / gen_pt)
                covered = np.abs(error) < width
            of_chunk = (event, chunk.weights, chunk.replica_weights)
            judged = fill_widths(filled, name, error, width, covered, gen_pt, abs_eta, *of_chunk)
            counts["judged"] = max(counts["judged"], judged)
        return filled | {"counts": counts}

    def _generator_jets(self, events: ak.Array) -> tuple[Any, Any, Any]:
        """Generator pT (NaN without a partner) and |eta| of each jet, and the row of its event."""
        partner, _ = generator_rows(events, self.collection, self.gen_collection, self.max_dr)
        gen = events[self.gen_collection]
        pt, eta = (
            np.append(flat_column(gen[name], f"{self.gen_collection}.{name}").astype(np.float64), np.nan)[partner]
            for name in ("pt", "eta")
        )
        offsets = offsets_of(events[self.collection], self.collection)
        return pt, np.abs(eta), np.repeat(np.arange(len(events)), np.diff(offsets))

    def summary(
        self, accumulated: Mapping[str, Mapping[str, Any]], datasets: Iterable[str] | None = None
    ) -> WidthSummary:
        """Turn what was accumulated into numbers: see `coffea_mljec.validation.width.summary.summarise_widths`."""
        return summarise_widths(accumulated, datasets)
