"""The statistics of the response, for all bootstrap replicas at once (formulas: `response.summary`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import hist
import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, ndtri

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.quantiles import quantiles
from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, FLAVOURS, SIX_FLAVOURS, pt_slice

__all__ = [
    "chi_square",
    "confidence_interval",
    "grouped_jets",
    "line_at_zero",
    "quartiles",
    "resolution",
    "sae_and_floor",
    "spread",
]

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


def confidence_interval(values: _Floats, level: float = 0.95, method: str = "normal") -> tuple[float, float]:
    """Interval that covers the true value of a statistic with probability `level`.

    Parameters
    ----------
    values : ndarray, shape (1 + replicas,)
        Of the sample and of each bootstrap replica.
    level : float
        Between 0 and 1.
    method : {"normal", "percentile"}
        ``"normal"``: value +- z times the spread of the replicas; good from some ten replicas on. ``"percentile"``:
        the replicas' own quantiles, which follow a skewed statistic and need many replicas, at the very least
        2 / (1 - level).

    Returns
    -------
    low, high : float
        NaN if there are fewer than two replicas.

    Raises
    ------
    InputError
        If the level or the method is none, or there are too few replicas for percentiles.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level must lie between 0 and 1, got {level!r}; 0.95 is usual.")
    replicas = values[1:]
    if method == "normal":
        z = float(ndtri(0.5 + level / 2.0))
        error = float(spread(replicas))
        return float(values[0]) - z * error, float(values[0]) + z * error
    if method != "percentile":
        raise InputError(f"unknown method {method!r}; choose normal or percentile.")
    wanted = math.ceil(2.0 / (1.0 - level))
    if len(replicas) < wanted:
        raise InputError(
            f"percentiles at level {level:g} need at least {wanted} replicas, got {len(replicas)}; ask for more, or "
            "for method='normal'."
        )
    low, high = np.quantile(replicas, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return float(low), float(high)


def chi_square(deviations: _Floats, errors: _Floats) -> tuple[float, float]:
    """Sum of (deviation / error)^2, and the chance of one at least as large if all deviations were statistical.

    Parameters
    ----------
    deviations, errors : ndarray, shape (n,)
        Independent numbers and their standard deviations; none of them was fitted: n degrees of freedom.

    Raises
    ------
    InputError
        If there are none, or an error is not positive.
    """
    if len(deviations) == 0 or not np.all(errors > 0.0):
        raise InputError("a chi-square needs at least one deviation, and errors above 0.")
    total = float(np.sum((deviations / errors) ** 2))
    return total, float(gammaincc(len(deviations) / 2.0, total / 2.0))


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


def line_at_zero(alpha: _Floats, values: _Floats, number: _Floats) -> _Floats:
    """Value at alpha = 0 of the straight line through values(alpha), for every replica.

    Parameters
    ----------
    alpha : ndarray, shape (n_points,)
    values : ndarray, shape (n_points, replicas)
    number : ndarray, shape (n_points,)
        Events of each point: its variance falls with them.
    """
    weight = number / number.sum()
    mean = float(weight @ alpha)
    slope_weight = weight * (alpha - mean) / float(weight @ (alpha - mean) ** 2)
    return weight @ values - mean * (slope_weight @ values)


def _grouped(content: npt.NDArray[Any], limits: tuple[float, float]) -> npt.NDArray[Any]:
    """Sum [..., pt, region, flavour] over a range of pt and over flavour groups: [..., region, group]."""
    by_flavour = content[..., pt_slice(*limits), :, :].sum(axis=-3)
    return np.stack([by_flavour[..., group].sum(axis=-1) for group in _GROUPS], axis=-1)
