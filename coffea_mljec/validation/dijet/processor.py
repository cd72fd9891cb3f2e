"""The coffea processor that measures the jet energy resolution in situ: two jets that should balance.

The asymmetry of a reference and a probe jet,

    A = (pt_ref - pt_probe) / pt_avg,    pt_avg = (pt_ref + pt_probe) / 2,

is as wide as both jets' relative resolutions, added in quadrature. With both jets in one |eta| range, reference and
probe assigned at random, and the width of the same asymmetry of the generator jets (what the event itself is out of
balance) subtracted,

    JER = sqrt(sigma_reco^2 - sigma_gen^2) / sqrt(2),

and with the reference in the range that is known already (pairs ``"reference"``), for the probe

    JER_probe = sqrt(sigma_reco^2 - sigma_gen^2 - JER_ref^2).

With standard deviations these hold for any shape; for other widths `common.folding` does the same
without taking the generator's asymmetry for a Gaussian.

Selected are events whose two leading jets are back to back, delta phi > 2.7, with a third jet of less than
max(25 GeV, 0.25 pt_avg) (`dijet.topology`). What a third jet below that still does to the balance is taken out by
measuring with ever harder cuts on alpha = pt_3 / pt_avg and extrapolating to alpha = 0
(`coffea_mljec.validation.dijet.summary`).

Sources: CMS, arXiv:1607.03663, section 8 (asymmetry, extrapolation, forward jets against central
ones); ATLAS, arXiv:2007.02645 (the topology's cuts).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults
from coffea_mljec.validation.common.binning import RESPONSE_EDGES, steps
from coffea_mljec.validation.common.events import Chunk, FlatDirections, JetCorrector
from coffea_mljec.validation.common.filling import fill
from coffea_mljec.validation.common.in_situ import ETA_LIMIT, InSituProcessor
from coffea_mljec.validation.common.pairing import leading_jets, separation, swapped
from coffea_mljec.validation.dijet.summary import DijetSummary, summarise_dijets
from coffea_mljec.validation.dijet.topology import is_dijet

__all__ = ["ALPHA_EDGES", "ASYMMETRY_EDGES", "DIJET_ETA", "DIJET_PT", "PAIRS", "DijetProcessor"]

_Floats = npt.NDArray[np.float64]

DIJET_PT = (30.0, 40.0, 55.0, 75.0, 100.0, 130.0, 170.0, 220.0, 300.0, 400.0, 550.0, 750.0, 1000.0, 1500.0, 2500.0)
"""Edges in pt_avg (GeV)."""

DIJET_ETA = (0.0, 1.3, 2.5, 3.0, 5.0)
"""Edges in |eta|; the first range is the reference."""

ALPHA_EDGES = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
"""Edges in the third jet's pT over pt_avg; what is beyond the last one passes the topology's cut at low pT only."""

_HALF = steps((0.0, 0.3, 0.01), (0.3, 0.6, 0.03), (0.6, 1.2, 0.1))
ASYMMETRY_EDGES: _Floats = np.concatenate([-_HALF[:0:-1], _HALF])
"""Edges in the asymmetry; beyond are underflow and overflow."""

PAIRS = ("same", "reference")
"""Both jets in one |eta| range; or the reference in the first range and the probe in another."""


class DijetProcessor(InSituProcessor):
    """Fills histograms of the dijet asymmetry of any providers, on data or simulation.

    Each provider's own jets decide which are the two leading ones and whether the event is selected. On simulation the
    same pairs' generator jets (matched by direction within `max_dr`) give the asymmetry to subtract, and their
    responses the true resolution.

    Parameters
    ----------
    providers : mapping of str to provider
        Name -> object with ``apply(events, collection)``.
    collection, gen_collection : str
        Jets, and generator jets; events without the latter are taken for data.
    weight : str, optional
        Event-level branch to weight with; histograms then hold float64 sums. Without it they hold exact int64 counts.
    replicas : int
        Bootstrap replicas behind the errors; 1 MB of histograms each and provider.
    max_dr : float
        Radius of the matching with generator jets.
    pt_edges, eta_edges : sequence of float
        Bins of pt_avg (GeV) and |eta|; the first |eta| range is the reference.

    Notes
    -----
    `process` returns, for its dataset, ``{"reco": Hist, "gen": Hist, "truth": Hist, "counts": {...}, "selected":
    {provider: n}}``; without ``gen`` and ``truth`` on data. Axes: ``replica``, ``asymmetry`` (``truth``:
    ``response``), ``pt`` (pt_avg of the corrected jets; ``truth``: pt_gen), ``abs_eta``, and, but for ``truth``,
    ``alpha`` and ``pair``; ``provider``. ``counts`` holds ``events``, and ``without_generator_jet``, pairs of the first
    provider of which a jet has none.
    """

    def __init__(
        self,
        providers: Mapping[str, JetCorrector],
        collection: str = "Jet",
        gen_collection: str = "GenJet",
        *,
        weight: str | None = None,
        replicas: int = defaults.IN_SITU_REPLICAS,
        max_dr: float = 0.2,
        pt_edges: Sequence[float] = DIJET_PT,
        eta_edges: Sequence[float] = DIJET_ETA,
    ) -> None:
        super().__init__(providers, collection, gen_collection, weight, replicas, max_dr)
        self._set_bins(pt_edges, eta_edges)

    def _measure(self, events: ak.Array, chunk: Chunk) -> dict[str, Any]:
        jets = FlatDirections.of(events, self.collection)
        pt_gen = self._generator_pt(events)
        swap = swapped(*chunk.identity)
        out: dict[str, Any] = {"reco": self._asymmetry(), "counts": {"events": len(chunk)}, "selected": {}}
        if pt_gen is not None:
            out |= {"gen": self._asymmetry(), "truth": self._response()}
            out["counts"]["without_generator_jet"] = 0
        for position, (name, found) in enumerate(self._corrected(events, jets.offsets).items()):
            usable = np.isfinite(found.pt) & (found.pt > 0.0) & (np.abs(jets.eta) < ETA_LIMIT)
            everywhere = self._pairs(found.pt, jets, usable, swap)
            inside = (everywhere["pt"] >= 0) & (everywhere["pt"] < len(self.pt_edges) - 1)
            pairs = {key: values[inside] for key, values in everywhere.items()}
            out["selected"][name] = len(pairs["event"])
            _fill_asymmetry(out["reco"], name, pairs, found.pt, chunk)
            if pt_gen is not None:
                complete = (pt_gen[pairs["ref"]] > 0) & (pt_gen[pairs["probe"]] > 0)
                if position == 0:
                    out["counts"]["without_generator_jet"] = int(np.count_nonzero(~complete))
                matched = {key: values[complete] for key, values in pairs.items()}
                _fill_asymmetry(out["gen"], name, matched, pt_gen, chunk)
                # At any pt_avg: a cut on the corrected pT would keep the lucky ones of the jets beside an edge.
                self._fill_truth(out["truth"], name, everywhere, found.pt, pt_gen, jets.eta, chunk)
        return out

    def summary(
        self,
        accumulated: Mapping[str, Mapping[str, Any]],
        datasets: Iterable[str] | None = None,
        *,
        generator: Mapping[str, Mapping[str, Any]] | None = None,
        estimator: str = "quantile",
        coarse: bool = False,
    ) -> DijetSummary:
        """Turn what was accumulated into resolutions: see `summarise_dijets`."""
        return summarise_dijets(accumulated, datasets, generator=generator, estimator=estimator, coarse=coarse)

    def _pairs(
        self, pt: _Floats, jets: FlatDirections, usable: npt.NDArray[np.bool_], swap: npt.NDArray[np.bool_]
    ) -> dict[str, npt.NDArray[Any]]:
        """Select events at any pt_avg; return rows of reference and probe and their bins, one entry an event."""
        first, second, third = leading_jets(pt, jets.offsets, usable)
        event = np.flatnonzero(second >= 0)
        one, two, three = first[event], second[event], third[event]
        average = 0.5 * (pt[one] + pt[two])
        third_pt = np.where(three >= 0, pt[three], 0.0) if len(pt) else np.zeros(0)
        bins = np.digitize(np.abs(jets.eta), self.eta_edges) - 1
        n_eta = len(self.eta_edges) - 1
        in_bins = (bins[one] >= 0) & (bins[one] < n_eta) & (bins[two] >= 0) & (bins[two] < n_eta)
        kept = (
            in_bins
            & is_dijet(separation(jets.phi[one], jets.phi[two]), third_pt, average)
            & ((bins[one] == bins[two]) | (bins[one] == 0) | (bins[two] == 0))
        )
        event, one, two, average = event[kept], one[kept], two[kept], average[kept]
        same = bins[one] == bins[two]
        # Of two ranges the first one has the reference; of one range chance says which.
        second_first = np.where(same, swap[event], bins[two] == 0)
        ref, probe = np.where(second_first, two, one), np.where(second_first, one, two)
        return {
            "event": event, "ref": ref, "probe": probe, "pt": np.digitize(average, self.pt_edges) - 1,
            "abs_eta": bins[probe], "alpha": third_pt[kept] / average, "pair": np.where(same, 0, 1),
        }  # fmt: skip

    def _fill_truth(
        self, histogram: hist.Hist[Any], name: str, pairs: dict[str, npt.NDArray[Any]], pt: _Floats, pt_gen: _Floats,
        eta: _Floats, chunk: Chunk,
    ) -> None:  # fmt: skip
        """Responses of both jets of every pair, each in the bins of its own pt_gen and |eta|."""
        rows = np.concatenate([pairs["ref"], pairs["probe"]])
        event = np.concatenate([pairs["event"], pairs["event"]])
        kept = (pt_gen[rows] >= self.pt_edges[0]) & (pt_gen[rows] < self.pt_edges[-1])
        rows, event = rows[kept], event[kept]
        where = {"pt": pt_gen[rows], "abs_eta": np.abs(eta[rows]), "provider": name}
        fill(histogram, pt[rows] / pt_gen[rows], where, event, chunk.weights, chunk.replica_weights)

    def _asymmetry(self) -> hist.Hist[Any]:
        return self._histogram(
            hist.axis.Variable(ASYMMETRY_EDGES, name="asymmetry", label="(pt_ref - pt_probe) / pt_avg"),
            *self._cell_axes("pt_avg (GeV)"),
            hist.axis.Variable(ALPHA_EDGES, name="alpha", label="third jet's pT / pt_avg", underflow=False),
            hist.axis.StrCategory(list(PAIRS), name="pair", label="pair", overflow=False),
        )

    def _response(self) -> hist.Hist[Any]:
        value = hist.axis.Variable(RESPONSE_EDGES, name="response", label="corrected pT / generator pT")
        return self._histogram(value, *self._cell_axes("generator pT (GeV)"))


def _fill_asymmetry(
    histogram: hist.Hist[Any], name: str, pairs: dict[str, npt.NDArray[Any]], pt: _Floats, chunk: Chunk
) -> None:
    ref, probe = pt[pairs["ref"]], pt[pairs["probe"]]
    asymmetry = 2.0 * (ref - probe) / (ref + probe)
    where = {key: pairs[key] for key in ("pt", "abs_eta", "alpha", "pair")} | {"provider": name}
    fill(histogram, asymmetry, where, pairs["event"], chunk.weights, chunk.replica_weights)
