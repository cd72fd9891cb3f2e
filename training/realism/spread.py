"""Median and width of responses, with errors: quartiles, and the Gaussian core that CMS's resolution stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import defaults
from coffea_mljec.numerics.quantiles import quantiles
from coffea_mljec.validation.common.binning import RESPONSE_EDGES

__all__ = ["GAUSSIAN", "Binned", "Spread", "fill", "gaussian_core", "measure"]

_Floats = NDArray[np.float64]

#: (Q75 - Q25) / sigma of a Gaussian.
GAUSSIAN = 1.3489795
REPLICAS = defaults.REPLICAS
_FEWEST = 16.0
_WINDOW = 2.0
# Variance of a Gaussian within +-2 sigma, over sigma^2.
_TRUNCATED = 1.0 - 2.0 * _WINDOW * math.exp(-0.5 * _WINDOW**2) / math.sqrt(2.0 * math.pi) / math.erf(
    _WINDOW / math.sqrt(2.0)
)
_ROUNDS = 60


@dataclass(frozen=True)
class Binned:
    """Responses in bins of `RESPONSE_EDGES` with under- and overflow: sums of weights and their squares [cell, bin]."""

    weights: _Floats
    squares: _Floats


@dataclass(frozen=True)
class Spread:
    """What `measure` finds, one number a cell; NaN where there are fewer than 16 jets, effectively.

    Attributes
    ----------
    effective : float64 array
        (sum w)^2 / sum w^2.
    median, iqr, core : float64 array
        Median; (Q75 - Q25) / median; sigma / mean of the Gaussian core.
    median_error, iqr_error, core_error : float64 array
        Standard deviations over 30 resamples of the bins' contents. Jets count as independent.
    """

    effective: _Floats
    median: _Floats
    median_error: _Floats
    iqr: _Floats
    iqr_error: _Floats
    core: _Floats
    core_error: _Floats


def fill(response: _Floats, weight: _Floats, cell: NDArray[np.int64], n_cells: int) -> Binned:
    """Bin responses [n] with weights, in cells 0 to ``n_cells`` - 1; jets of other cells are left out."""
    kept = (cell >= 0) & (cell < n_cells) & np.isfinite(response) & (weight > 0)
    n_bins = len(RESPONSE_EDGES) + 1
    index = cell[kept] * n_bins + np.digitize(response[kept], RESPONSE_EDGES)
    size = n_cells * n_bins
    weights, squares = (np.bincount(index, w, size).reshape(-1, n_bins) for w in (weight[kept], weight[kept] ** 2))
    return Binned(weights.astype(np.float64), squares.astype(np.float64))


def measure(binned: Binned, seed: int = 1) -> Spread:
    """Measure every cell.

    A resample draws every bin's content as a scaled Poisson number with its mean and variance (Bohm and Zech, NIM A
    748 (2014) 1): the bootstrap of weighted, binned jets.
    """
    rng = np.random.default_rng(seed)
    n_cells = len(binned.weights)
    total, squares = binned.weights.sum(axis=1), binned.squares.sum(axis=1)
    effective = np.divide(total**2, squares, out=np.zeros(n_cells), where=squares > 0)
    values = np.full((6, n_cells), np.nan)
    for cell in np.flatnonzero(effective >= _FEWEST):
        content, square = binned.weights[cell], binned.squares[cell]
        scale = np.divide(square, content, out=np.ones_like(content), where=content > 0)
        drawn = rng.poisson(content / scale, (REPLICAS, len(content))) * scale
        both = np.concatenate([content[None], drawn])
        quartile = quantiles(both, RESPONSE_EDGES, [0.25, 0.5, 0.75])
        mean, sigma = gaussian_core(both, quartile)
        for row, value in enumerate((quartile[:, 1], (quartile[:, 2] - quartile[:, 0]) / quartile[:, 1], sigma / mean)):
            values[2 * row, cell], values[2 * row + 1, cell] = value[0], np.std(value[1:], ddof=1)
    return Spread(effective, *values)


def gaussian_core(content: _Floats, quartile: _Floats) -> tuple[_Floats, _Floats]:
    """Return mean and sigma of the Gaussian core: the Gaussian that matches the moments within +-2 sigma of its mean.

    Parameters
    ----------
    content : float64 array [sample, bin]
        With under- and overflow, which do not count; a bin's content is spread evenly over it.
    quartile : float64 array [sample, 3]
        To start from.
    """
    edges = RESPONSE_EDGES
    inner = content[:, 1:-1]
    centre, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    moments = np.stack([inner, inner * centre, inner * (centre**2 + width**2 / 12.0)])
    running = np.concatenate([np.zeros((*moments.shape[:2], 1)), np.cumsum(moments, axis=2)], axis=2)
    sample = np.arange(len(content))

    def below(limit: _Floats) -> _Floats:
        limit = np.clip(limit, edges[0], edges[-1])
        bin_index = np.clip(np.searchsorted(edges, limit, side="right") - 1, 0, len(width) - 1)
        share = (limit - edges[bin_index]) / width[bin_index]
        low, high = running[:, sample, bin_index], running[:, sample, bin_index + 1]
        return low + share * (high - low)

    mean, sigma = quartile[:, 1], (quartile[:, 2] - quartile[:, 0]) / GAUSSIAN
    for _ in range(_ROUNDS):
        before = sigma
        with np.errstate(divide="ignore", invalid="ignore"):
            count, first, second = below(mean + _WINDOW * sigma) - below(mean - _WINDOW * sigma)
            mean = first / count
            sigma = np.sqrt(np.maximum(second / count - mean**2, 0.0) / _TRUNCATED)
        if np.allclose(sigma, before, rtol=1e-4, equal_nan=True):
            break
    return mean, sigma
