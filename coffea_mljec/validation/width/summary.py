"""From the histograms of `WidthProcessor` to numbers: coverage, and measured against given width.

- coverage: the share of jets with |ln(corrected pT / generator pT)| below the width that the correction gives them. It
  is 68.3 % where the width is right and the response closes.
- measured width: (Q84 - Q16) / 2 of ln(corrected pT / generator pT) of the jets with a given width in one bin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import hist
import numpy as np

from coffea_mljec.numerics.quantiles import quantiles
from coffea_mljec.validation.common.accumulated import Accumulated
from coffea_mljec.validation.common.binning import REGIONS, open_limits
from coffea_mljec.validation.common.measured import Measured, measured
from coffea_mljec.validation.common.measurement import MeasurementSummary

__all__ = ["GAUSSIAN_COVERAGE", "MIN_JETS", "Coverage", "Spread", "WidthSummary", "summarise_widths"]

GAUSSIAN_COVERAGE = 0.683
"""Share of a Gaussian within one standard deviation."""

MIN_JETS = 100
"""Fewer jets say nothing: their coverage is uncertain by more than 4.6 %."""


@dataclass(frozen=True)
class Coverage:
    """The coverage of one provider in a bin; `pt` in GeV, its upper end None in the open bin."""

    provider: str
    eta: list[float]
    pt: list[float | None]
    jets: int
    coverage: Measured


@dataclass(frozen=True)
class Spread:
    """The measured width of jets whose given one lies in a bin; the upper end of `given` is None in the open bin."""

    provider: str
    region: str
    given: list[float | None]
    jets: int
    measured: Measured


@dataclass(frozen=True)
class WidthSummary(MeasurementSummary):
    """Everything that the tables and figures show.

    Attributes
    ----------
    with_width : list of str
        Providers that give widths.
    pt_edges, eta_edges, width_edges : list of float
        The last bins of pT and width are open.
    coverages : list of Coverage
    spreads : list of Spread
    """

    with_width: list[str]
    pt_edges: list[float]
    eta_edges: list[float]
    width_edges: list[float]
    coverages: list[Coverage]
    spreads: list[Spread]


def summarise_widths(
    accumulated: Mapping[str, Mapping[str, Any]], datasets: Iterable[str] | None = None
) -> WidthSummary:
    """Turn what `WidthProcessor` accumulated into numbers.

    Parameters
    ----------
    accumulated : mapping
        Dataset -> output of the processor, accumulated over chunks.
    datasets : iterable of str, optional
        Which datasets to add up; all of them by default.

    Raises
    ------
    InputError
        If a dataset is not there.
    """
    found = Accumulated(accumulated, datasets)
    covered, errors = found.histogram("covered"), found.histogram("errors")
    filled = covered.view(flow=True)[0].sum(axis=(0, 1, 2))
    names = [name for name, jets in zip(covered.axes["provider"], filled, strict=True) if jets > 0]
    edges = {name: covered.axes[name].edges.tolist() for name in ("pt_gen", "abs_eta_gen")}
    return WidthSummary(
        **found.shared(covered),
        with_width=names,
        pt_edges=edges["pt_gen"],
        eta_edges=edges["abs_eta_gen"],
        width_edges=errors.axes["width"].edges.tolist(),
        coverages=[one for name in names for one in _coverages(covered, name)],
        spreads=[one for name in names for one in _spreads(errors, name)],
    )


def _coverages(covered: hist.Hist[Any], provider: str) -> Iterator[Coverage]:
    """[replica, covered (with flow), pt (open above), eta] -> a number a bin."""
    content = covered.view(flow=True)[..., covered.axes["provider"].index(provider)].astype(np.float64)
    pt, eta = covered.axes["pt_gen"].edges, covered.axes["abs_eta_gen"].edges
    for e in range(len(eta) - 1):
        for p in range(len(pt)):
            outside, inside = content[:, 1, p, e], content[:, 2, p, e]
            jets = round(float(outside[0] + inside[0]))
            with np.errstate(invalid="ignore", divide="ignore"):
                share = inside / (outside + inside)
            limits = [float(eta[e]), float(eta[e + 1])]
            yield Coverage(provider, limits, open_limits(pt, p), jets, measured(share, jets >= MIN_JETS))


def _spreads(errors: hist.Hist[Any], provider: str) -> Iterator[Spread]:
    """[replica, error (with flow), width (open above), region] -> a number a bin."""
    content = errors.view(flow=True)[..., errors.axes["provider"].index(provider)]
    given = errors.axes["width"].edges
    for r, region in enumerate(REGIONS):
        for w in range(len(given)):
            part = content[:, :, w, r]
            low, high = np.moveaxis(quantiles(part, errors.axes["error"].edges, [0.16, 0.84]), -1, 0)
            jets = round(float(part[0].sum()))
            number = measured(0.5 * (high - low), jets >= MIN_JETS)
            yield Spread(provider, region, open_limits(given, w), jets, number)
