"""From accumulated histograms to numbers: medians, resolutions, closure, beta, alpha, each with its error.

Formulas:

- s = (Q75 - Q25) / Q50 of the response; closure = |Q50 - 1|; beta = 1 - s_model / s_standard;
- SAE = sum over u, d, s, c, b, g of |median_f - mean of the six medians|; alpha = 1 - SAE_model / SAE_standard.

Each statistic is computed once over its whole interval of pt_gen. Its error is the standard deviation of the same
statistic over the bootstrap replicas, paired: the model and the standard in one replica are the same resampled events.
The error of the closure is that of the median, since |x| hides the fluctuations near 0.

When a number is "too few"
--------------------------
- A median, resolution, closure or beta of fewer than `MIN_JETS` jets: its relative error on s is then above about
  1.2 / sqrt(200) = 8 %. Curves in fine bins, whose error bars are drawn, need `MIN_JETS_CURVE`.
- SAE is a sum of absolute values: noise of the medians adds to it and never cancels. If the six true medians were
  equal, it would still be

      floor = sqrt(2 / pi) * sum over f of sigma(median_f - mean of the six medians)      (sigma from the replicas).

  alpha is "too few" if a flavour has fewer than `MIN_JETS` jets, or if the floor of the model or of the standard
  exceeds `MAX_FLOOR` times SAE_standard, for alpha could then be off by about that much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import hist

from coffea_mljec.errors import InputError
from coffea_mljec.status import Status
from coffea_mljec.validation.common.accumulated import Accumulated, added_counts
from coffea_mljec.validation.common.binning import FINE_EDGES, FLAVOUR_GROUPS, INTERVALS, REGIONS
from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.measurement import MeasurementSummary
from coffea_mljec.validation.common.statistics import grouped_jets, quartiles
from coffea_mljec.validation.response.cells import MAX_FLOOR, MIN_JETS, Cell, Dependence, dependence, statistics
from coffea_mljec.validation.response.curves import MIN_JETS_CURVE, Curve, coarse_curves, curve
from coffea_mljec.validation.response.distributions import Distribution, distributions
from coffea_mljec.validation.response.trend import TREND_EDGES, Closure, Trend, closure, trends

__all__ = ["MAX_FLOOR", "MIN_JETS", "MIN_JETS_CURVE", "Cell", "Curve", "Dependence", "Measured", "Summary", "summarise"]


@dataclass(frozen=True)
class Summary(MeasurementSummary):
    """Everything that the tables and figures show.

    Attributes
    ----------
    standard : str
        The provider that the others are compared to.
    status : dict of str to dict of str to int
        Provider -> names of bits of ``mljec_status`` -> jets.
    non_finite : dict of str to int
        Provider -> jets left out because its pT was not finite.
    fine_edges : list of float
        Of the bins of `curves`: pt_gen (GeV).
    cells : list of Cell
    dependence : list of Dependence
    curves, coarse : list of Curve
        In the fine bins; and in joined ones, for a small sample's figures (see `drawn`).
    trends : list of Trend
    closures : list of Closure
    distributions : list of Distribution
    """

    standard: str
    status: dict[str, dict[str, int]]
    non_finite: dict[str, int]
    fine_edges: list[float]
    cells: list[Cell]
    dependence: list[Dependence]
    curves: list[Curve]
    coarse: list[Curve]
    trends: list[Trend]
    closures: list[Closure]
    distributions: list[Distribution]

    def cell(self, provider: str, region: str, interval: str, flavour: str) -> Cell:
        """The cell of this provider, region (``"central"``), interval (``">30"``) and flavour group (``"all"``)."""
        key = (provider, region, interval, flavour)
        return _only((c for c in self.cells if (c.provider, c.region, c.interval, c.flavour) == key), key)

    def flavour_dependence(self, provider: str, region: str, interval: str) -> Dependence:
        """The flavour dependence of this provider in this region and interval."""
        key = (provider, region, interval)
        return _only((d for d in self.dependence if (d.provider, d.region, d.interval) == key), key)

    def curve(self, provider: str, region: str, flavour: str) -> Curve:
        """The curve of this provider, region and flavour group in the fine bins."""
        key = (provider, region, flavour)
        return _only((c for c in self.curves if (c.provider, c.region, c.flavour) == key), key)

    def drawn(self, provider: str, region: str, flavour: str) -> Curve:
        """The curve that a figure shows: in joined bins where the sample is too small for the fine ones."""
        key = (provider, region, flavour)
        return _only((c for c in (*self.coarse, *self.curves) if (c.provider, c.region, c.flavour) == key), key)


def summarise(
    accumulated: Mapping[str, Mapping[str, Any]], standard: str = "standard", datasets: Iterable[str] | None = None
) -> Summary:
    """Turn what `ResponseProcessor` accumulated into numbers.

    Parameters
    ----------
    accumulated : mapping
        Dataset -> output of the processor, accumulated over chunks.
    standard : str
        The provider that the others are compared to.
    datasets : iterable of str, optional
        Which datasets to add up; all of them by default.

    Raises
    ------
    InputError
        If a dataset or the standard is not there.
    """
    found = Accumulated(accumulated, datasets)
    response, counted = found.histogram("response"), found.histogram("jets")
    shared = found.shared(response)
    if standard not in shared["providers"]:
        raise InputError(
            f"the standard {standard!r} is not among the providers {shared['providers']}; name one of them."
        )
    numbers = _Numbers(response, counted, standard)
    fine = numbers.jets[len(INTERVALS) :]
    curves = list(numbers.curves())
    return Summary(
        **shared,
        standard=standard,
        status={name: _named(_status(found, name)) for name in shared["providers"]},
        non_finite=found.counts("non_finite"),
        fine_edges=FINE_EDGES.tolist(),
        cells=list(numbers.cells()),
        dependence=list(numbers.dependence()),
        curves=curves,
        coarse=list(coarse_curves(response, counted, fine, standard)),
        trends=_trends(found, standard),
        closures=[closure(c.provider, c.region, c.flavour, c.edges, c.median) for c in curves],
        distributions=list(distributions(response, counted)),
    )


class _Numbers:
    """Jets and quartiles of all ranges of pt_gen: the broad intervals first, then the fine bins."""

    def __init__(self, response: hist.Hist[Any], counted: hist.Hist[Any], standard: str) -> None:
        ranges = [*INTERVALS.values(), *zip(FINE_EDGES[:-1].tolist(), FINE_EDGES[1:].tolist(), strict=True)]
        self.providers = list(response.axes["provider"])
        self.standard = standard
        # [range, region, flavour group], and of each provider [range, region, flavour group, replica, 3]
        self.jets = grouped_jets(counted, ranges)
        self.quartile = quartiles(response, ranges)
        self.against = self.quartile[self.providers.index(standard)]

    def cells(self) -> Iterator[Cell]:
        for index, provider in enumerate(self.providers):
            for r, region in enumerate(REGIONS):
                for k, interval in enumerate(INTERVALS):
                    for f, flavour in enumerate(FLAVOUR_GROUPS):
                        jets = int(self.jets[k, r, f])
                        other = None if provider == self.standard else self.against[k, r, f]
                        values = statistics(self.quartile[index][k, r, f], other, jets)
                        yield Cell(provider, region, interval, flavour, jets, *values)

    def dependence(self) -> Iterator[Dependence]:
        for index, provider in enumerate(self.providers):
            for r, region in enumerate(REGIONS):
                for k, interval in enumerate(INTERVALS):
                    other = None if provider == self.standard else self.against[k, r]
                    values = dependence(self.quartile[index][k, r], other, self.jets[k, r])
                    yield Dependence(provider, region, interval, *values)

    def curves(self) -> Iterator[Curve]:
        fine, edges = slice(len(INTERVALS), None), FINE_EDGES.tolist()
        for index, provider in enumerate(self.providers):
            for r, region in enumerate(REGIONS):
                for f, flavour in enumerate(FLAVOUR_GROUPS):
                    here, standard = self.quartile[index][fine, r, f], self.against[fine, r, f]
                    yield curve((provider, region, flavour), edges, here, standard, self.jets[fine, r, f])


def _trends(found: Accumulated, standard: str) -> list[Trend]:
    """Trends of all datasets together; none if a dataset was accumulated without them."""
    if not found.has("trends"):
        return []
    filled, jets = (
        {variable: found.histogram(key, variable) for variable in TREND_EDGES} for key in ("trends", "trend_jets")
    )
    return list(trends(filled, jets, standard))


def _status(found: Accumulated, provider: str) -> dict[int, int]:
    return added_counts(output["status"].get(provider, {}) for output in found.outputs.values())


def _named(status: Mapping[int, int]) -> dict[str, int]:
    """Status codes by name: ``APPLIED|OUT_OF_DOMAIN`` for 5; ``KEPT`` for 0, where nothing was applied."""
    return {Status(code).name or "KEPT": number for code, number in sorted(status.items())}


def _only(found: Iterable[Any], key: tuple[str, ...]) -> Any:
    for item in found:
        return item
    raise InputError(f"the summary has no entry {key}; see its providers, and REGIONS, INTERVALS and FLAVOUR_GROUPS.")
