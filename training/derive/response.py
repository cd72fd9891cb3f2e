"""L2Relative: the median response in fine bins, smoothed, and turned into a correction of reconstructed pT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError

__all__ = ["Inversion", "binned_medians", "invert", "weighted_quantiles"]

_FEWEST = 25.0
_MEDIAN_ERROR = 1.2533  # of a Gaussian's median, in sigma / sqrt(n)


@dataclass(frozen=True)
class Inversion:
    """The correction of one bin of |eta|: factor ``factor`` at offset-corrected pT ``pt`` (ascending, GeV).

    Between the nodes the factor is linear in log10(pT); outside it stays what it is at the end.
    """

    pt: NDArray[np.float64]
    factor: NDArray[np.float64]


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return quantiles of weighted values, linear between them."""
    order = np.argsort(values)
    mass = weights[order]
    centre = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    result: NDArray[np.float64] = np.interp(probabilities, centre, values[order])
    return result


def binned_medians(
    response: NDArray[np.float64], pt_gen: NDArray[np.float64], weight: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean pt_gen, median response and its error, for the bins of pt_gen with at least 25 jets, effectively."""
    centres, medians, errors = [], [], []
    group = np.digitize(pt_gen, edges)
    for number in range(1, len(edges)):
        rows = np.flatnonzero((group == number) & (weight > 0))
        if len(rows) == 0:
            continue
        effective = weight[rows].sum() ** 2 / (weight[rows] ** 2).sum()
        if effective < _FEWEST:
            continue
        low, middle, high = weighted_quantiles(response[rows], weight[rows], np.array([0.16, 0.5, 0.84]))
        centres.append(np.exp(np.average(np.log(pt_gen[rows]), weights=weight[rows])))
        medians.append(middle)
        errors.append(_MEDIAN_ERROR * max(0.5 * (high - low), 1e-3) / np.sqrt(effective))
    return np.array(centres), np.array(medians), np.array(errors)


def invert(
    pt_gen: NDArray[np.float64], median: NDArray[np.float64], error: NDArray[np.float64], steps: float = 1.12
) -> Inversion:
    """Smooth the median response against log(pt_gen) and invert it numerically.

    The median of pt_gen x response is a function of pt_gen; where it rises, its inverse maps reconstructed pT to
    pt_gen, and because the median commutes with a rising function, the corrected pT has median pt_gen exactly. A
    correction of 1 / response at equal *reconstructed* pT would not have that.

    Parameters
    ----------
    pt_gen, median, error : float64 arrays [n]
        Points to smooth, ascending in pt_gen.
    steps : float
        Ratio of neighbouring nodes in pt_gen.

    Raises
    ------
    InputError
        With fewer than two points.
    """
    if len(pt_gen) < 2:
        raise InputError(f"{len(pt_gen)} bins of pt_gen hold enough jets, expected at least 2: simulate more events")
    nodes = np.geomspace(pt_gen[0], pt_gen[-1], max(2, int(np.log(pt_gen[-1] / pt_gen[0]) / np.log(steps)) + 1))
    reconstructed = nodes * _smooth(np.log(pt_gen), median, error, np.log(nodes))
    rising = np.maximum.accumulate(reconstructed)
    kept = np.concatenate([[True], rising[1:] > rising[:-1] * 1.001])
    return Inversion(rising[kept], nodes[kept] / rising[kept])


def _smooth(
    x: NDArray[np.float64], y: NDArray[np.float64], error: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a smooth curve through points: a smoothing spline (generalised cross-validation), a line through few."""
    from scipy.interpolate import make_smoothing_spline  # type: ignore[import-untyped]

    if len(x) < 5:
        return np.asarray(np.polyval(np.polyfit(x, y, 1, w=1.0 / error), at))
    weight = 1.0 / error**2
    # scipy wants weights of order 1.
    spline = make_smoothing_spline(x, y, weight / weight.mean())
    return np.asarray(spline(at))
