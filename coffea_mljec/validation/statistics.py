"""The statistics of the response, for all bootstrap replicas at once (formulas: `coffea_mljec.validation.summary`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec.quantiles import quantiles
from coffea_mljec.validation.binning import FLAVOUR_GROUPS, FLAVOURS, SIX_FLAVOURS, pt_slice

__all__ = ["grouped_jets", "quartiles", "resolution", "sae_and_floor", "spread"]

_Floats = npt.NDArray[np.float64]
_GROUPS = [[FLAVOURS.index(name) for name in members] for members in FLAVOUR_GROUPS.values()]
_SIX = [list(FLAVOUR_GROUPS).index(flavour) for flavour in SIX_FLAVOURS]


def grouped_jets(jets: hist.Hist[Any], ranges: Sequence[tuple[float, float]]) -> npt.NDArray[np.int64]:
    """Number of jets as [range, region, flavour group], from the histogram of `binning.jet_histogram`."""
    return np.stack([_grouped(jets.view(flow=True), limits) for limits in ranges])


def quartiles(response: hist.Hist[Any], ranges: Sequence[tuple[float, float]]) -> list[_Floats]:
    """Q25, Q50 and Q75 of the response, from the histogram of `binning.response_histogram`.

    Parameters
    ----------
    response : hist.Hist
        Filled by `ResponseProcessor`.
    ranges : sequence of (low, high)
        Ranges of pt_gen (GeV), edges out of `binning.PT_EDGES`.

    Returns
    -------
    list of ndarray
        One array a provider: [range, region, flavour group, replica, 3], replica 0 being the sample itself.
    """
    content = response.view(flow=True)
    edges = response.axes["response"].edges
    result = []
    for index in range(content.shape[-1]):
        # One range at a time: all of them at once would hold half a gigabyte for 30 replicas.
        sums = (_grouped(content[..., index], limits) for limits in ranges)
        result.append(
            np.stack([quantiles(np.moveaxis(part, (0, 1), (2, 3)), edges, [0.25, 0.5, 0.75]) for part in sums])
        )
    return result


def resolution(quartile: _Floats) -> _Floats:
    """Relative resolution (Q75 - Q25) / Q50 over the last axis; NaN for an empty cell."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((quartile[..., 2] - quartile[..., 0]) / quartile[..., 1])


def spread(replicas: _Floats) -> _Floats:
    """Standard deviation over the last axis, that of the bootstrap replicas; NaN if there are fewer than two."""
    if replicas.shape[-1] < 2:
        return np.full(replicas.shape[:-1], np.nan)
    return np.asarray(np.std(replicas, axis=-1, ddof=1))


def sae_and_floor(quartile: _Floats) -> tuple[_Floats, float]:
    """Flavour dependence of each replica, and the one that the noise of the medians alone would give.

    Parameters
    ----------
    quartile : ndarray, shape (flavour group, replica, 3)
        From `quartiles`.
    """
    medians = quartile[_SIX, :, 1]
    deviations = medians - medians.mean(axis=0)
    floor = math.sqrt(2.0 / math.pi) * float(np.sum(spread(deviations[:, 1:])))
    return np.abs(deviations).sum(axis=0), floor


def _grouped(content: npt.NDArray[Any], limits: tuple[float, float]) -> npt.NDArray[Any]:
    """Sum [..., pt, region, flavour] over a range of pt and over flavour groups: [..., region, group]."""
    by_flavour = content[..., pt_slice(*limits), :, :].sum(axis=-3)
    return np.stack([by_flavour[..., group].sum(axis=-1) for group in _GROUPS], axis=-1)
