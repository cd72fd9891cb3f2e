"""The one quantile: of binned counts, linear inside a bin.

How precise it is
-----------------
Inside a bin of width h the distribution is taken as flat. For a density f the quantile x is then wrong by at most

    |x_binned - x| <= h^2 / 8 * |f'(x) / f(x)|        (leading order in h),

largest in the middle of a bin and zero at its edges. For a Gaussian of width sigma at its quartiles, |f'/f| = 0.674 /
sigma. With the binning of `common.binning` (h = 0.0025 around 1) and the narrowest response in use,
sigma = 0.03, this is 1.8e-5 for a quartile and at most 9e-4 of (Q75 - Q25); for sigma = 0.1 it is 8e-5 of (Q75 - Q25).
The tests compare with the quantiles of the unbinned sample for Gaussians of relative width 0.03 to 0.4 and for skewed
tails.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError

__all__ = ["quantiles"]


def quantiles(
    counts: npt.ArrayLike, edges: npt.ArrayLike, probabilities: float | Sequence[float]
) -> npt.NDArray[np.float64]:
    """Quantiles of binned counts with linear interpolation inside the bin.

    Parameters
    ----------
    counts : array_like, shape (..., n_bins) or (..., n_bins + 2)
        Counts or sums of weights; with two more entries than there are bins, the first and the last are underflow and
        overflow.
    edges : array_like, shape (n_bins + 1,)
        Increasing bin edges.
    probabilities : float or sequence of float
        Between 0 and 1.

    Returns
    -------
    ndarray of float64, shape (...) or (..., len(probabilities))
        NaN where the counts add up to zero or less, and where the quantile lies in the underflow or overflow: its
        value is unknown there. With negative weights the first crossing of the cumulative sum is taken.

    Raises
    ------
    InputError
        If the numbers of counts and edges do not fit, the edges do not increase, or a probability is outside [0, 1].
    """
    bins = np.asarray(edges, dtype=np.float64)
    content = np.asarray(counts)
    if bins.ndim != 1 or len(bins) < 2 or not np.all(np.diff(bins) > 0):
        raise InputError("edges must be a one-dimensional, increasing array of at least two values.")
    n_bins = len(bins) - 1
    if content.ndim == 0 or content.shape[-1] not in (n_bins, n_bins + 2):
        raise InputError(
            f"counts of shape {content.shape} do not fit {n_bins} bins: the last axis must have {n_bins} entries, "
            f"or {n_bins + 2} with underflow and overflow."
        )
    wanted = np.atleast_1d(np.asarray(probabilities, dtype=np.float64))
    if not np.all((wanted >= 0.0) & (wanted <= 1.0)):
        raise InputError(f"probabilities must lie in [0, 1], got {wanted.tolist()}.")

    flow = content.shape[-1] == n_bins + 2
    lower = np.concatenate([[np.nan], bins[:-1], [np.nan]]) if flow else bins[:-1]
    width = np.concatenate([[np.nan], np.diff(bins), [np.nan]]) if flow else np.diff(bins)
    cumulative = np.cumsum(content, axis=-1, dtype=np.float64)
    total = cumulative[..., -1]
    result = np.empty((*content.shape[:-1], len(wanted)))
    for k, probability in enumerate(wanted):
        target = probability * total
        # Only a bin with entries can hold a quantile; without this, probability 0 would fall into the first, empty bin.
        bin_index = np.argmax((cumulative >= target[..., None]) & (content > 0), axis=-1)[..., None]
        inside = np.take_along_axis(content, bin_index, axis=-1)[..., 0].astype(np.float64)
        end = np.take_along_axis(cumulative, bin_index, axis=-1)[..., 0]
        fraction = 1.0 - (end - target) / np.where(inside > 0, inside, np.nan)
        result[..., k] = lower[bin_index[..., 0]] + fraction * width[bin_index[..., 0]]
    result[~(total > 0)] = np.nan
    return result[..., 0] if np.ndim(probabilities) == 0 else result
