"""From the histograms of `DijetProcessor` to resolutions (formulas: `coffea_mljec.validation.dijet.processor`).

The extrapolation
-----------------
The resolution is measured with alpha below each edge of the alpha axis that lies above `MIN_THIRD_PT` GeV / pt_avg
(below it there are no jets to veto) and within the topology's cut. A straight line in alpha through these, weighted by
the number of events, gives it at alpha = 0. At least `MIN_POINTS` such edges are needed: low pT has the resolution at
the cut only. On simulation both agree, as the generator's asymmetry takes the imbalance away at any alpha; on data,
whose events may be more or less out of balance than the simulation's, the extrapolation is the safer one, at two to
three times the error.

Every step is done in every bootstrap replica, so that errors know that points of one line share their events, and that
reconstructed and generator asymmetry, and resolution and truth, are those of the same events.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.validation.common.folding import folded_width
from coffea_mljec.validation.common.measured import (
    NO_GENERATOR,
    Measured,
    added_counts,
    added_histograms,
    chosen_datasets,
    measured,
)
from coffea_mljec.validation.common.statistics import line_at_zero
from coffea_mljec.validation.common.widths import location_and_width

__all__ = [
    "MIN_EVENTS",
    "MIN_POINTS",
    "MIN_THIRD_PT",
    "AlphaPoint",
    "DijetCell",
    "DijetSummary",
    "Distribution",
    "summarise_dijets",
]

MIN_EVENTS = 100
"""Events below which a width is not given: its error is then 7 % or more."""

MIN_THIRD_PT = 15.0
"""GeV: NanoAOD holds no jets below."""

MIN_POINTS = 3

_THIRD_SHARE, _THIRD_PT = 0.25, 25.0

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AlphaPoint:
    """Widths of the asymmetry, and the resolution, of events whose third jet has less than `alpha_max` of pt_avg."""

    alpha_max: float
    events: int
    sigma_reco: Measured
    sigma_gen: Measured
    jer: Measured = field(default_factory=lambda: Measured(None, None, NO_GENERATOR))


@dataclass(frozen=True)
class DijetCell:
    """Resolution of one provider in a bin of |eta| and pt_avg.

    Attributes
    ----------
    provider, pair : str
        `pair` is ``"same"`` (both jets in this |eta| range) or ``"reference"`` (one in the reference range, the other,
        the probe, here).
    eta, pt : list of float
        ``[low, high]`` of |eta| and of pt_avg (GeV).
    events : int
        That pass the topology's cuts.
    sigma_reco, sigma_gen : Measured
        Width of the asymmetry of the corrected jets, and of their generator jets.
    jer : Measured
        Relative resolution at the topology's cut on the third jet.
    jer_extrapolated : Measured
        The same with the third jet's pT extrapolated to zero.
    truth : Measured
        Width of pT / pt_gen over its median, of these jets, by the same estimator.
    ratio : Measured
        `jer` / `truth`.
    shift : Measured
        Median of the asymmetry (reference - probe); 0 but for chance with ``"same"``.
    alpha : list of AlphaPoint
        What the extrapolation used.
    """

    provider: str
    pair: str
    eta: list[float]
    pt: list[float]
    events: int
    sigma_reco: Measured
    sigma_gen: Measured
    jer: Measured
    jer_extrapolated: Measured
    truth: Measured
    ratio: Measured
    shift: Measured
    alpha: list[AlphaPoint]


@dataclass(frozen=True)
class Distribution:
    """The asymmetry of one cell at the topology's cut; `gen` is None on data. Sums of weights if there were weights."""

    provider: str
    pair: str
    eta: list[float]
    pt: list[float]
    edges: list[float]
    reco: list[float]
    gen: list[float] | None


@dataclass(frozen=True)
class DijetSummary:
    """All numbers of a dijet measurement; `to_dict` is JSON-serialisable."""

    providers: list[str]
    datasets: list[str]
    replicas: int
    counts: dict[str, int]
    selected: dict[str, int]
    estimator: str
    reference_eta: list[float]
    eta_edges: list[float]
    pt_edges: list[float]
    cells: list[DijetCell]
    distributions: list[Distribution]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, ints, floats and None."""
        return asdict(self)


def summarise_dijets(
    accumulated: Mapping[str, Mapping[str, Any]],
    datasets: Iterable[str] | None = None,
    *,
    generator: Mapping[str, Mapping[str, Any]] | None = None,
    estimator: str = "quantile",
) -> DijetSummary:
    """Turn what `DijetProcessor` accumulated into resolutions.

    Parameters
    ----------
    accumulated : mapping
        Dataset -> output of the processor, accumulated over chunks.
    datasets : iterable of str, optional
        Which datasets to add up; all of them by default. Data and simulation are not to be added.
    generator : mapping, optional
        The same processor's output on simulation: its generator asymmetry is subtracted from `accumulated`'s. Needed on
        data; by default that of `accumulated` itself.
    estimator : {"quantile", "core", "rms"}
        Width of a distribution: (Q75 - Q25) / 1.349, that of its Gaussian core, or its standard deviation. The
        generator's is subtracted as `common.folding` says: in quadrature for standard deviations.

    Raises
    ------
    InputError
        If a dataset is missing, histograms do not add up, or the estimator is unknown.
    """
    names = chosen_datasets(accumulated, datasets)
    reco = added_histograms(accumulated, names, "reco")
    own = all("gen" in accumulated[name] for name in names)
    source, source_names = (accumulated, names) if generator is None else (generator, sorted(generator))
    gen = truth = None
    if own:
        truth = added_histograms(accumulated, names, "truth")
    if own or generator is not None:
        gen = added_histograms(source, chosen_datasets(source, source_names), "gen")
        if gen.axes != reco.axes:
            raise InputError(
                "the generator's histograms have other axes than the measurement: run both with the same providers, "
                "bins and replicas."
            )
    cells, distributions = [], []
    for provider in reco.axes["provider"]:
        found = _Provider(provider, reco, gen, truth, estimator)
        cells += found.cells()
        distributions += found.distributions()
    return DijetSummary(
        providers=list(reco.axes["provider"]),
        datasets=names,
        replicas=int(reco.axes["replica"].size) - 1,
        counts=added_counts(accumulated[name]["counts"] for name in names),
        selected=added_counts(accumulated[name]["selected"] for name in names),
        estimator=estimator,
        reference_eta=[float(edge) for edge in reco.axes["abs_eta"].edges[:2]],
        eta_edges=reco.axes["abs_eta"].edges.tolist(),
        pt_edges=reco.axes["pt"].edges.tolist(),
        cells=cells,
        distributions=distributions,
    )


class _Provider:
    """The histograms of one provider, and what is computed from them."""

    def __init__(self, name: str, reco: Any, gen: Any, truth: Any, estimator: str) -> None:
        self.name = name
        self.estimator = estimator
        self.pairs = list(reco.axes["pair"])
        self.edges = reco.axes["asymmetry"].edges
        self.pt_edges, self.eta_edges = reco.axes["pt"].edges.tolist(), reco.axes["abs_eta"].edges.tolist()
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
        found = []
        for p, pair in enumerate(self.pairs):
            for e, eta in enumerate(pairwise(self.eta_edges)):
                for t, pt in enumerate(pairwise(self.pt_edges)):
                    if self.reco[p, e, t, :, 0].any():
                        found.append(self._cell(p, pair, e, eta, t, pt))
        return found

    def _cell(self, p: int, pair: str, e: int, eta: tuple[float, float], t: int, pt: tuple[float, float]) -> DijetCell:
        whole = slice(None)
        events = self._number(p, e, t, whole)
        enough = events >= MIN_EVENTS
        shift, _ = location_and_width(self.reco[p, e, t].sum(axis=0), self.edges, "quantile")
        jer = self._resolution(p, e, t, whole)
        truth = self._truth(e, t)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = None if truth is None or jer is None else jer / truth
        points = self._points(p, e, t)
        return DijetCell(
            provider=self.name,
            pair=pair,
            eta=list(eta),
            pt=list(pt),
            events=events,
            sigma_reco=measured(self._width(self.reco, p, e, t, whole), enough),
            sigma_gen=_generated(None if self.gen is None else self._width(self.gen, p, e, t, whole), enough),
            jer=_generated(jer, enough),
            jer_extrapolated=self._extrapolated(p, e, t),
            truth=_generated(truth, enough),
            ratio=_generated(ratio, enough),
            shift=measured(shift, enough),
            alpha=points,
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
            return _generated(None)
        cuts = self._cuts(t)
        numbers = [self._number(p, e, t, slice(k + 1)) for k, _ in cuts]
        if len(cuts) < MIN_POINTS or numbers[0] < MIN_EVENTS:
            return measured(np.full(1, np.nan))
        values = np.stack([np.asarray(self._resolution(p, e, t, slice(k + 1))) for k, _ in cuts])
        return measured(line_at_zero(np.array([alpha for _, alpha in cuts]), values, np.array(numbers, np.float64)))

    def _cuts(self, t: int) -> list[tuple[int, float]]:
        """Bins of alpha and their upper edges, at which a cut means something in this bin of pt_avg."""
        low, high = self.pt_edges[t], self.pt_edges[t + 1]
        topology = max(_THIRD_SHARE, _THIRD_PT / high)
        return [
            (k, edge)
            for k, edge in enumerate(self.alpha_edges[1:])
            if edge * low >= MIN_THIRD_PT and edge <= topology + 1e-9
        ]

    def _points(self, p: int, e: int, t: int) -> list[AlphaPoint]:
        points = []
        for k, alpha in self._cuts(t):
            below = slice(k + 1)
            events = self._number(p, e, t, below)
            enough = events >= MIN_EVENTS
            reco = measured(self._width(self.reco, p, e, t, below), enough)
            gen = _generated(None if self.gen is None else self._width(self.gen, p, e, t, below), enough)
            points.append(AlphaPoint(alpha, events, reco, gen, _generated(self._resolution(p, e, t, below), enough)))
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
        for p, pair in enumerate(self.pairs):
            for e, eta in enumerate(pairwise(self.eta_edges)):
                for t, pt in enumerate(pairwise(self.pt_edges)):
                    reco = self.reco[p, e, t, :, 0, 1:-1].sum(axis=0)
                    if reco.sum() < MIN_EVENTS:
                        continue
                    gen = None if self.gen is None else self.gen[p, e, t, :, 0, 1:-1].sum(axis=0).tolist()
                    edges = self.edges.tolist()
                    found.append(Distribution(self.name, pair, list(eta), list(pt), edges, reco.tolist(), gen))
        return found


def _generated(values: _Floats | None, enough: bool = True) -> Measured:
    """A number that only the generator gives."""
    return Measured(None, None, NO_GENERATOR) if values is None else measured(values, enough)
