"""How median and resolution depend on pileup and |eta|, and how well the medians close.

The histograms are coarser in the response than those of `common.binning`: bins of 0.01 around 1. For a
response 4 % wide that costs 0.5 % of the width, and less for a wider one (`numerics.quantiles` has the formula).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.quantities import QUANTITIES
from coffea_mljec.numerics.quantiles import quantiles
from coffea_mljec.validation.common.binning import INTERVALS, REGION_EDGES, REGIONS, replica_histogram, steps
from coffea_mljec.validation.common.measured import Measured, measured
from coffea_mljec.validation.common.statistics import chi_square, resolution

__all__ = ["TREND_EDGES", "Closure", "Trend", "closure", "event_value", "trend_histogram", "trend_jets", "trends"]

_Floats = npt.NDArray[np.float64]

TREND_EDGES: dict[str, tuple[float, ...]] = {
    "rho": tuple(np.arange(0.0, 55.0, 5.0).tolist()),
    "npv": (0.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0, 60.0),
    "abs_eta": (0.0, 0.4, 0.8, 1.3, 1.7, 2.1, 2.5, 2.8, 3.0, 3.2, 4.0, 5.0),
}
"""Variable -> edges of its bins; what lies beyond the last one is kept as overflow and not shown."""

_RESPONSE: _Floats = steps(
    (0.0, 0.5, 0.1), (0.5, 0.8, 0.02), (0.8, 1.2, 0.01), (1.2, 1.5, 0.02), (1.5, 2.0, 0.1), (2.0, 4.0, 0.5)
)
_PT = (30.0, 50.0, 100.0, 300.0, 1000.0)
_FIELDS = {"rho": "rho", "npv": "n_pv"}
_MIN_JETS = 50
_FIRST_OF_CLOSURE = 30.0


@dataclass(frozen=True)
class Trend:
    """Median and resolution of the response in bins of rho, npv or |eta|.

    Attributes
    ----------
    provider, variable, region, interval : str
        `variable` is ``"rho"`` (GeV), ``"npv"`` (good primary vertices) or ``"abs_eta"`` (of the generator jet; its
        region is ``"all"``).
    edges : list of float
        Of the bins; entries beyond the last edge are not shown.
    jets : list of int
    median, resolution, ratio : list of Measured
        `ratio` is the resolution over the standard's, with its paired error.
    """

    provider: str
    variable: str
    region: str
    interval: str
    edges: list[float]
    jets: list[int]
    median: list[Measured]
    resolution: list[Measured]
    ratio: list[Measured]


@dataclass(frozen=True)
class Closure:
    """How far the medians in the fine bins of pt_gen are from 1, over those above 30 GeV that hold enough jets.

    Attributes
    ----------
    provider, region, flavour : str
    chi_square : float or None
        Sum of ((median - 1) / error)^2; the bins are nearly independent (they share events, not jets).
    bins : int
        Number of bins in it: the degrees of freedom, as nothing was fitted.
    p_value : float or None
        Chance of a chi-square at least this large if every median were 1.
    worst : float or None
        Largest |median - 1| of these bins.
    """

    provider: str
    region: str
    flavour: str
    chi_square: float | None
    bins: int
    p_value: float | None
    worst: float | None


def event_value(events: ak.Array, variable: str) -> _Floats | None:
    """Return rho (GeV) or the number of good vertices of every event; None where the file has no such branch."""
    for name in QUANTITIES["event"][_FIELDS[variable]].fields:
        found = events
        for part in name.split("."):
            if part not in ak.fields(found):
                break
            found = found[part]
        else:
            return np.asarray(found, dtype=np.float64)
    return None


def trend_histogram(variable: str, providers: Sequence[str], replicas: int, weighted: bool) -> hist.Hist[Any]:
    """Return an empty histogram: ``replica``, ``response``, `variable`, ``pt_gen``, ``abs_eta_gen``, ``provider``."""
    value = hist.axis.Variable(_RESPONSE, name="response", label="corrected pT / generator pT")
    return replica_histogram((value, *_axes(variable)), providers, replicas, weighted)


def trend_jets(variable: str) -> hist.Hist[Any]:
    """Return an empty histogram of the jets judged, unweighted: `variable`, ``pt_gen``, ``abs_eta_gen``."""
    return hist.Hist(*_axes(variable), storage="int64")


def _axes(variable: str) -> tuple[Any, Any, Any]:
    return (
        hist.axis.Variable(TREND_EDGES[variable], name=variable, label=variable, underflow=False),
        hist.axis.Variable(_PT, name="pt_gen", label="generator pT (GeV)"),
        hist.axis.Variable(REGION_EDGES, name="abs_eta_gen", label="|generator eta|", flow=False),
    )


def trends(
    histograms: Mapping[str, hist.Hist[Any]], jets: Mapping[str, hist.Hist[Any]], standard: str
) -> Iterator[Trend]:
    """Turn the histograms of each variable into trends, for the intervals of pt_gen and the regions.

    Parameters
    ----------
    histograms, jets : mapping of str to hist.Hist
        Variable -> `trend_histogram`, `trend_jets`, filled.
    standard : str
        The provider that resolutions are compared to.
    """
    for variable, histogram in histograms.items():
        providers = list(histogram.axes["provider"])
        # [variable, pt, region, provider, replica, response], without the variable's overflow
        content = np.moveaxis(histogram.view(flow=True), (0, 1), (4, 5))[:-1]
        counted = jets[variable].view(flow=True)[:-1]
        regions = (
            {"all": slice(0, 2)} if variable == "abs_eta" else {name: slice(i, i + 1) for i, name in enumerate(REGIONS)}
        )
        for region, part in regions.items():
            for interval, limits in INTERVALS.items():
                where = _bins(limits)
                number = counted[:, where, part].sum(axis=(1, 2))
                quartile = quantiles(content[:, where, part].sum(axis=(1, 2)), _RESPONSE, [0.25, 0.5, 0.75])
                width = resolution(quartile)
                for p, provider in enumerate(providers):
                    with np.errstate(divide="ignore", invalid="ignore"):
                        ratio = width[:, p] / width[:, providers.index(standard)]
                    yield Trend(
                        provider, variable, region, interval, list(TREND_EDGES[variable]), [int(n) for n in number],
                        _row(quartile[:, p, :, 1], number), _row(width[:, p], number), _row(ratio, number),
                    )  # fmt: skip


def _bins(limits: tuple[float, float]) -> slice:
    """Bins of the pt_gen axis, of which the first is the underflow."""
    stop = len(_PT) + 1 if np.isinf(limits[1]) else _PT.index(limits[1]) + 1
    return slice(_PT.index(limits[0]) + 1, stop)


def _row(values: _Floats, number: npt.NDArray[np.int64]) -> list[Measured]:
    return [measured(row, bool(n >= _MIN_JETS)) for row, n in zip(values, number, strict=True)]


def closure(provider: str, region: str, flavour: str, edges: Sequence[float], medians: Sequence[Measured]) -> Closure:
    """Chi-square of the medians in bins of pt_gen from 30 GeV up against 1; bins without a number are left out."""
    used = [
        (m.value, m.error)
        for low, m in zip(edges, medians, strict=False)
        if low >= _FIRST_OF_CLOSURE and m.value is not None and m.error
    ]
    if not used:
        return Closure(provider, region, flavour, None, 0, None, None)
    values, errors = np.array(used, np.float64).T
    chi2, p_value = chi_square(values - 1.0, errors)
    return Closure(provider, region, flavour, chi2, len(used), p_value, float(np.abs(values - 1.0).max()))
