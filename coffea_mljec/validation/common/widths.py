"""Widths of a binned distribution: by quantiles, of its Gaussian core, or its standard deviation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.quantiles import quantiles

__all__ = ["ESTIMATORS", "GAUSSIAN_IQR", "gaussian_core", "location_and_width"]

_Floats = npt.NDArray[np.float64]

GAUSSIAN_IQR = 1.3489795003921634
"""(Q75 - Q25) / sigma of a Gaussian."""

ESTIMATORS = ("quantile", "core", "rms")

_STEPS = 40
_TOLERANCE = 1e-6


def gaussian_core(counts: npt.ArrayLike, edges: npt.ArrayLike, window: float = 2.0) -> tuple[_Floats, _Floats]:
    """Mean and width of the Gaussian that fits the core of each distribution.

    The fit is the one whose mean and variance within mean +- `window` sigma are those of the distribution there: a fit
    by moments of the truncated Gaussian, found by iteration from median and quartiles, the window following the fit.
    Bins that the window cuts count in part. Exact for a Gaussian, up to the bins, whose density is taken as flat:
    with bins of a quarter of sigma the width comes out right within 1 % (see the tests).

    Parameters
    ----------
    counts : array_like, shape (..., n_bins) or (..., n_bins + 2)
        Counts or sums of weights; with two more entries than there are bins, the first and the last are underflow and
        overflow.
    edges : array_like, shape (n_bins + 1,)
    window : float
        Half of the window in units of sigma, 1 to 4. With a wider one tails weigh more, with a narrower one chance.

    Returns
    -------
    mean, sigma : ndarray of float64, shape (...)
        NaN where there is nothing to fit.

    Raises
    ------
    InputError
        If `window` is out of range, or counts and edges do not fit.
    """
    if not 1.0 <= window <= 4.0:
        raise InputError(f"window must lie between 1 and 4 sigma, got {window!r}; 2 is usual.")
    bins = np.asarray(edges, dtype=np.float64)
    content = np.asarray(counts)
    quartile = quantiles(content, bins, [0.25, 0.5, 0.75])
    mean, sigma = quartile[..., 1], (quartile[..., 2] - quartile[..., 0]) / GAUSSIAN_IQR
    if content.shape[-1] == len(bins) + 1:
        content = content[..., 1:-1]
    content = content.astype(np.float64)
    low, high, width = bins[:-1], bins[1:], np.diff(bins)
    # Variance of a Gaussian of unit width within the window.
    density = math.exp(-0.5 * window**2) / math.sqrt(2.0 * math.pi)
    shrink = 1.0 - 2.0 * window * density / math.erf(window / math.sqrt(2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_STEPS):
            left = np.clip((mean - window * sigma)[..., None], low, high)
            right = np.clip((mean + window * sigma)[..., None], low, high)
            inside = content * (right - left) / width
            total = inside.sum(axis=-1)
            new_mean = (inside * (left + right) / 2).sum(axis=-1) / total
            # Within a bin of width h the density is f (1 - t (x - middle) / sigma^2), t the middle's distance from the
            # mean: h^2 / 12 (1 - 2 t^2 / sigma^2) more than the middle's own square (Sheppard's correction).
            squares = ((left + right) / 2 - new_mean[..., None]) ** 2 + (right - left) ** 2 / 12 * (1.0 - 2.0 * shrink)
            new_sigma = np.sqrt((inside * squares).sum(axis=-1) / total / shrink)
            moved = np.abs(new_mean - mean) + np.abs(new_sigma - sigma)
            mean, sigma = new_mean, new_sigma
            if not np.any(moved > _TOLERANCE):
                break
    bad = ~(np.isfinite(mean) & np.isfinite(sigma) & (sigma > 0.0))
    return np.where(bad, np.nan, mean), np.where(bad, np.nan, sigma)


def location_and_width(counts: npt.ArrayLike, edges: npt.ArrayLike, estimator: str) -> tuple[_Floats, _Floats]:
    """Location and width of each distribution, both those of a Gaussian if it is one.

    Parameters
    ----------
    counts, edges : array_like
        As in `gaussian_core`.
    estimator : {"quantile", "core", "rms"}
        Median and (Q75 - Q25) / 1.349; `gaussian_core`; or mean and standard deviation, without underflow and overflow.

    Raises
    ------
    InputError
        If the estimator is unknown.
    """
    if estimator not in ESTIMATORS:
        raise InputError(f"unknown estimator {estimator!r}; choose one of {', '.join(ESTIMATORS)}.")
    if estimator == "core":
        return gaussian_core(counts, edges)
    if estimator == "rms":
        return _moments(np.asarray(counts), np.asarray(edges, np.float64))
    quartile = quantiles(counts, edges, [0.25, 0.5, 0.75])
    return quartile[..., 1], (quartile[..., 2] - quartile[..., 0]) / GAUSSIAN_IQR


def _moments(counts: npt.NDArray[Any], edges: _Floats) -> tuple[_Floats, _Floats]:
    content = counts[..., 1:-1] if counts.shape[-1] == len(edges) + 1 else counts
    middle, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = content.sum(axis=-1)
        mean = (content @ middle) / total
        # Sheppard's correction: the middles of bins of width h spread by h^2 / 12 more than what is in them.
        squares = (middle - mean[..., None]) ** 2 - width**2 / 12
        variance = (content * squares).sum(axis=-1) / total
        return mean, np.where(variance > 0.0, np.sqrt(np.maximum(variance, 0.0)), np.nan)
