"""The resolution of one provider from its asymmetries, in every bin and replica (see `dijet.summary`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.validation.common.folding import folded_width
from coffea_mljec.validation.common.in_situ import LOWEST_PT, Binned, extrapolated
from coffea_mljec.validation.common.measured import Measured, generated, measured
from coffea_mljec.validation.common.widths import location_and_width
from coffea_mljec.validation.dijet.cells import AlphaPoint, DijetCell, Distribution
from coffea_mljec.validation.dijet.topology import THIRD_PT, THIRD_SHARE

__all__ = ["MIN_EVENTS", "DijetResolution"]

MIN_EVENTS = 100
"""Events below which a width is not given: its error is then 7 % or more."""

_Floats = npt.NDArray[np.float64]


class DijetResolution:
    """The histograms of one provider, and what is computed from them."""

    def __init__(self, name: str, reco: Any, gen: Any, truth: Any, estimator: str) -> None:
        self.name = name
        self.estimator = estimator
        self.pairs = list(reco.axes["pair"])
        self.edges = reco.axes["asymmetry"].edges
        self.bins = Binned(reco)
        self.alpha_edges = reco.axes["alpha"].edges.tolist()
        # [pair, eta, pt, alpha, replica, asymmetry]
        self.reco = self._select(reco)
        self.gen = None if gen is None else self._select(gen)
        self._known: dict[tuple[int, int, int, int | None], _Floats] = {}
        self.truth: npt.NDArray[Any] | None = None
        self.response_edges: _Floats = np.zeros(0)
        if truth is not None:
            index = truth.axes["provider"].index(name)
            self.truth = np.transpose(truth.view(flow=True)[..., index], (3, 2, 0, 1))
            self.response_edges = truth.axes["response"].edges

    def _select(self, histogram: Any) -> npt.NDArray[Any]:
        content = histogram.view(flow=True)[..., histogram.axes["provider"].index(self.name)]
        return np.transpose(content, (5, 3, 2, 4, 0, 1))

    def cells(self) -> list[DijetCell]:
        """All cells that hold an event."""
        return [
            self._cell(p, pair, e, eta, t, pt)
            for p, pair in enumerate(self.pairs)
            for e, eta, t, pt in self.bins.cells()
            if self.reco[p, e, t, :, 0].any()
        ]

    def _cell(self, p: int, pair: str, e: int, eta: list[float], t: int, pt: list[float]) -> DijetCell:
        whole = slice(None)
        events = self._number(p, e, t, whole)
        enough = events >= MIN_EVENTS
        shift, _ = location_and_width(self.reco[p, e, t].sum(axis=0), self.edges, "quantile")
        jer = self._resolution(p, e, t, whole)
        truth = self._truth(e, t)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = None if truth is None or jer is None else jer / truth
        return DijetCell(
            provider=self.name,
            pair=pair,
            eta=eta,
            pt=pt,
            events=events,
            sigma_reco=measured(self._width(self.reco, p, e, t, whole), enough),
            sigma_gen=generated(None if self.gen is None else self._width(self.gen, p, e, t, whole), enough),
            jer=generated(jer, enough),
            jer_extrapolated=self._extrapolated(p, e, t),
            truth=generated(truth, enough),
            ratio=generated(ratio, enough),
            shift=measured(shift, enough),
            alpha=self._points(p, e, t),
        )

    def _number(self, p: int, e: int, t: int, alphas: slice) -> int:
        return round(float(self.reco[p, e, t, alphas, 0].sum()))

    def _width(self, content: npt.NDArray[Any], p: int, e: int, t: int, alphas: slice) -> _Floats:
        return location_and_width(content[p, e, t, alphas].sum(axis=0), self.edges, self.estimator)[1]

    def _resolution(self, p: int, e: int, t: int, alphas: slice) -> _Floats | None:
        """Resolution of the probe in every replica, NaN where nothing is left; None without generator."""
        if self.gen is None:
            return None
        if self._number(p, e, t, alphas) < MIN_EVENTS:
            return np.full(self.gen.shape[4], np.nan)
        key = (p, e, t, alphas.stop)
        if key not in self._known:
            reco, gen = (part[p, e, t, alphas].sum(axis=0) for part in (self.reco, self.gen))
            wider = folded_width(reco, gen, self.edges, self.estimator)
            if self.pairs[p] == "same":
                self._known[key] = wider / math.sqrt(2.0)
            else:
                # The reference's own resolution, from pairs in its range in the same bin of pt_avg.
                reference = self._resolution(self.pairs.index("same"), 0, t, alphas)
                with np.errstate(invalid="ignore"):
                    self._known[key] = np.sqrt(wider**2 - np.asarray(reference) ** 2)
        return self._known[key]

    def _extrapolated(self, p: int, e: int, t: int) -> Measured:
        if self.gen is None:
            return generated(None)
        return extrapolated(
            self._cuts(t),
            lambda alphas: self._number(p, e, t, alphas),
            lambda alphas: np.asarray(self._resolution(p, e, t, alphas)),
            MIN_EVENTS,
        )

    def _cuts(self, t: int) -> list[tuple[int, float]]:
        """Bins of alpha and their upper edges, at which a cut means something in this bin of pt_avg."""
        low, high = self.bins.pt_edges[t], self.bins.pt_edges[t + 1]
        topology = max(THIRD_SHARE, THIRD_PT / high)
        return [
            (k, edge)
            for k, edge in enumerate(self.alpha_edges[1:])
            if edge * low >= LOWEST_PT and edge <= topology + 1e-9
        ]

    def _points(self, p: int, e: int, t: int) -> list[AlphaPoint]:
        points = []
        for k, alpha in self._cuts(t):
            below = slice(k + 1)
            events = self._number(p, e, t, below)
            enough = events >= MIN_EVENTS
            reco = measured(self._width(self.reco, p, e, t, below), enough)
            gen = generated(None if self.gen is None else self._width(self.gen, p, e, t, below), enough)
            points.append(AlphaPoint(alpha, events, reco, gen, generated(self._resolution(p, e, t, below), enough)))
        return points

    def _truth(self, e: int, t: int) -> _Floats | None:
        if self.truth is None:
            return None
        location, width = location_and_width(self.truth[e, t], self.response_edges, self.estimator)
        with np.errstate(divide="ignore", invalid="ignore"):
            return width / location

    def distributions(self) -> list[Distribution]:
        """The asymmetries at the topology's cut of all cells with enough events."""
        found = []
        edges = self.edges.tolist()
        for p, pair in enumerate(self.pairs):
            for e, eta, t, pt in self.bins.cells():
                reco = self.reco[p, e, t, :, 0, 1:-1].sum(axis=0)
                if reco.sum() < MIN_EVENTS:
                    continue
                gen = None if self.gen is None else self.gen[p, e, t, :, 0, 1:-1].sum(axis=0).tolist()
                found.append(Distribution(self.name, pair, eta, pt, edges, reco.tolist(), gen))
        return found
