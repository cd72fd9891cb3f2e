"""From accumulated histograms to numbers: medians, resolutions, closure, beta, alpha, each with its error.

Formulas: DESIGN section 4, after the reference thesis's definitions.

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

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.status import Status
from coffea_mljec.validation.common.binning import (
    FINE_EDGES,
    FLAVOUR_GROUPS,
    INTERVALS,
    REGIONS,
    SIX_FLAVOURS,
)
from coffea_mljec.validation.common.measured import Measured, added_counts, added_histograms, chosen_datasets, measured
from coffea_mljec.validation.common.statistics import grouped_jets, quartiles, resolution, sae_and_floor
from coffea_mljec.validation.response.trend import TREND_EDGES, Closure, Trend, closure, trends

__all__ = ["MAX_FLOOR", "MIN_JETS", "MIN_JETS_CURVE", "Cell", "Curve", "Dependence", "Measured", "Summary", "summarise"]

MIN_JETS = 200
MIN_JETS_CURVE = 50
MAX_FLOOR = 1.0 / 3.0

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One provider in one region, pt_gen interval and flavour group; `beta` is None for the standard itself."""

    provider: str
    region: str
    interval: str
    flavour: str
    jets: int
    median: Measured
    resolution: Measured
    closure: Measured
    beta: Measured | None


@dataclass(frozen=True)
class Dependence:
    """Flavour dependence of one provider; `floor` is the SAE of noise alone; `alpha` is None for the standard."""

    provider: str
    region: str
    interval: str
    sae: Measured
    floor: float | None
    alpha: Measured | None


@dataclass(frozen=True)
class Curve:
    """Median and resolution in the fine bins of pt_gen; None where a bin has fewer than `MIN_JETS_CURVE` jets.

    `ratio` is s / s_standard with its paired error.
    """

    provider: str
    region: str
    flavour: str
    jets: list[int]
    median: list[Measured]
    resolution: list[Measured]
    ratio: list[Measured]


@dataclass(frozen=True)
class Summary:
    """Everything that the tables and plots show; `to_dict` is JSON-serialisable."""

    standard: str
    providers: list[str]
    datasets: list[str]
    replicas: int
    counts: dict[str, int]
    status: dict[str, dict[str, int]]
    non_finite: dict[str, int]
    fine_edges: list[float]
    cells: list[Cell]
    dependence: list[Dependence]
    curves: list[Curve]
    trends: list[Trend]
    closures: list[Closure]

    def cell(self, provider: str, region: str, interval: str, flavour: str) -> Cell:
        """The cell of this provider, region (``"central"``), interval (``">30"``) and flavour group (``"all"``)."""
        key = (provider, region, interval, flavour)
        return _only((c for c in self.cells if (c.provider, c.region, c.interval, c.flavour) == key), key)

    def flavour_dependence(self, provider: str, region: str, interval: str) -> Dependence:
        """The flavour dependence of this provider in this region and interval."""
        key = (provider, region, interval)
        return _only((d for d in self.dependence if (d.provider, d.region, d.interval) == key), key)

    def curve(self, provider: str, region: str, flavour: str) -> Curve:
        """The curve of this provider, region and flavour group."""
        key = (provider, region, flavour)
        return _only((c for c in self.curves if (c.provider, c.region, c.flavour) == key), key)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, ints, floats and None."""
        return asdict(self)


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
    names = chosen_datasets(accumulated, datasets)
    parts = [accumulated[name] for name in names]
    response = added_histograms(accumulated, names, "response")
    providers = list(response.axes["provider"])
    if standard not in providers:
        raise InputError(f"the standard {standard!r} is not among the providers {providers}; name one of them.")

    ranges = [*INTERVALS.values(), *zip(FINE_EDGES[:-1].tolist(), FINE_EDGES[1:].tolist(), strict=True)]
    jets = grouped_jets(added_histograms(accumulated, names, "jets"), ranges)
    quartile = quartiles(response, ranges)
    cells, dependence, curves = [], [], []
    for index, provider in enumerate(providers):
        here, reference = quartile[index], None if provider == standard else quartile[providers.index(standard)]
        for r, region in enumerate(REGIONS):
            for k, interval in enumerate(INTERVALS):
                for f, flavour in enumerate(FLAVOUR_GROUPS):
                    counted = int(jets[k, r, f])
                    other = None if reference is None else reference[k, r, f]
                    cells.append(
                        Cell(provider, region, interval, flavour, counted, *_statistics(here[k, r, f], other, counted))
                    )
                other = None if reference is None else reference[k, r]
                dependence.append(Dependence(provider, region, interval, *_dependence(here[k, r], other, jets[k, r])))
            fine = slice(len(INTERVALS), None)
            against = quartile[providers.index(standard)]
            for f, flavour in enumerate(FLAVOUR_GROUPS):
                curves.append(
                    _curve((provider, region, flavour), here[fine, r, f], against[fine, r, f], jets[fine, r, f])
                )
    return Summary(
        standard=standard,
        providers=providers,
        datasets=names,
        replicas=int(response.axes["replica"].size) - 1,
        counts=added_counts(part["counts"] for part in parts),
        status={name: _named(added_counts(part["status"].get(name, {}) for part in parts)) for name in providers},
        non_finite=added_counts(part["non_finite"] for part in parts),
        fine_edges=FINE_EDGES.tolist(),
        cells=cells,
        dependence=dependence,
        curves=curves,
        trends=_trends(accumulated, names, standard),
        closures=[closure(c.provider, c.region, c.flavour, FINE_EDGES.tolist(), c.median) for c in curves],
    )


def _trends(accumulated: Mapping[str, Mapping[str, Any]], names: list[str], standard: str) -> list[Trend]:
    """Trends of all datasets together; none if a dataset was accumulated without them."""
    if any("trends" not in accumulated[name] for name in names):
        return []
    filled, jets = (
        {
            variable: added_histograms({name: accumulated[name][key] for name in names}, names, variable)
            for variable in TREND_EDGES
        }
        for key in ("trends", "trend_jets")
    )
    return list(trends(filled, jets, standard))


def _statistics(
    here: _Floats, reference: _Floats | None, jets: int
) -> tuple[Measured, Measured, Measured, Measured | None]:
    enough = jets >= MIN_JETS
    median, width = here[:, 1], resolution(here)
    closure = measured(median, enough, abs(float(median[0]) - 1.0))
    beta = None
    if reference is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            beta = measured(1.0 - width / resolution(reference), enough)
    return measured(median, enough), measured(width, enough), closure, beta


def _dependence(
    here: _Floats, reference: _Floats | None, jets: npt.NDArray[np.int64]
) -> tuple[Measured, float | None, Measured | None]:
    enough = bool(min(jets[list(FLAVOUR_GROUPS).index(flavour)] for flavour in SIX_FLAVOURS) >= MIN_JETS)
    sae, floor = sae_and_floor(here)
    found = measured(sae, enough)
    known_floor = floor if enough and math.isfinite(floor) else None
    if reference is None:
        return found, known_floor, None
    sae_standard, floor_standard = sae_and_floor(reference)
    # Without replicas the floor is NaN and nothing can be said about the noise: then only the number of jets decides.
    clear = not max(floor, floor_standard) > MAX_FLOOR * sae_standard[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = 1.0 - sae / sae_standard
    return found, known_floor, measured(alpha, enough and clear)


def _curve(key: tuple[str, str, str], here: _Floats, standard: _Floats, jets: npt.NDArray[np.int64]) -> Curve:
    enough = [bool(n >= MIN_JETS_CURVE) for n in jets]
    width = resolution(here)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = width / resolution(standard)
    return Curve(
        *key,
        jets=[int(n) for n in jets],
        median=[measured(values, ok) for values, ok in zip(here[:, :, 1], enough, strict=True)],
        resolution=[measured(values, ok) for values, ok in zip(width, enough, strict=True)],
        ratio=[measured(values, ok) for values, ok in zip(ratio, enough, strict=True)],
    )


def _named(status: Mapping[int, int]) -> dict[str, int]:
    """Status codes by name: ``APPLIED|OUT_OF_DOMAIN`` for 5; ``KEPT`` for 0, where nothing was applied."""
    return {Status(code).name or "KEPT": number for code, number in sorted(status.items())}


def _only(found: Iterable[Any], key: tuple[str, ...]) -> Any:
    for item in found:
        return item
    raise InputError(f"the summary has no entry {key}; see its providers, and REGIONS, INTERVALS and FLAVOUR_GROUPS.")
