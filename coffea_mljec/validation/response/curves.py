"""Median and resolution against pt_gen, in the fine bins, and in joined ones where a sample is small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec.validation.common.binning import FINE_EDGES, FLAVOUR_GROUPS, REGIONS, SIX_FLAVOURS
from coffea_mljec.validation.common.measured import Measured, measured
from coffea_mljec.validation.common.merging import starts_of_merged
from coffea_mljec.validation.common.statistics import grouped_jets, quartiles, resolution

__all__ = ["MIN_JETS_CURVE", "Curve", "coarse_curves", "curve"]

MIN_JETS_CURVE = 50
"""Jets below which a bin of a curve, whose error bar is drawn, has no value."""

_TOGETHER = (("all",), SIX_FLAVOURS)
"""Flavour groups that one figure shows, and that have the same bins therefore."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Median and resolution in bins of pt_gen (`edges`, GeV); no value where one has fewer than `MIN_JETS_CURVE` jets.

    `ratio` is s / s_standard with its paired error.
    """

    provider: str
    region: str
    flavour: str
    edges: list[float]
    jets: list[int]
    median: list[Measured]
    resolution: list[Measured]
    ratio: list[Measured]


def curve(
    key: tuple[str, str, str],
    edges: Sequence[float],
    here: _Floats,
    standard: _Floats,
    jets: npt.NDArray[np.int64],
) -> Curve:
    """The curve of (provider, region, flavour group) from quartiles [bin, replica, 3] of it and of the standard."""
    enough = [bool(n >= MIN_JETS_CURVE) for n in jets]
    width = resolution(here)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = width / resolution(standard)
    return Curve(
        *key,
        edges=list(edges),
        jets=[int(n) for n in jets],
        median=[measured(values, ok) for values, ok in zip(here[:, :, 1], enough, strict=True)],
        resolution=[measured(values, ok) for values, ok in zip(width, enough, strict=True)],
        ratio=[measured(values, ok) for values, ok in zip(ratio, enough, strict=True)],
    )


def coarse_curves(
    response: hist.Hist[Any], jets: hist.Hist[Any], fine: npt.NDArray[np.int64], standard: str
) -> Iterator[Curve]:
    """Curves in joined bins, where most of the fine ones hold too few jets for a figure; exact sums of these.

    Parameters
    ----------
    response, jets : hist.Hist
        From `binning.response_histogram` and `binning.jet_histogram`, filled.
    fine : ndarray of int64, shape (n_bins, region, flavour group)
        Jets in the fine bins.
    standard : str
        The provider whose resolution is divided by.
    """
    providers, groups = list(response.axes["provider"]), list(FLAVOUR_GROUPS)
    for r, region in enumerate(REGIONS):
        for together in _TOGETHER:
            shown = [groups.index(name) for name in together]
            starts = starts_of_merged(fine[:, r, shown].T, MIN_JETS_CURVE)
            if len(starts) == len(fine):
                continue
            edges = [*FINE_EDGES[starts].tolist(), float(FINE_EDGES[-1])]
            ranges = list(pairwise(edges))
            counted, quartile = grouped_jets(jets, ranges), quartiles(response, ranges)
            against = quartile[providers.index(standard)]
            for p, provider in enumerate(providers):
                for name, f in zip(together, shown, strict=True):
                    key = (provider, region, name)
                    yield curve(key, edges, quartile[p][:, r, f], against[:, r, f], counted[:, r, f])
