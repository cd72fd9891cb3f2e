"""L2Relative: the median response in fine bins, smoothed, and turned into a correction of reconstructed pT.

A curve in log(pt_gen) is taken from a whole region of |eta|, where there are jets enough at all momenta; each fine bin
of |eta| then differs from its region by a factor that is a parabola in log(pt_gen), held near a constant where it has
few jets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError

__all__ = ["Curve", "Inversion", "binned_medians", "invert", "local_response", "region_response", "weighted_quantiles"]

#: Median response as a function of pt_gen in GeV.
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_FEWEST = 16.0
# How far a fine bin may depart from its region's shape before its jets insist: a unit of log(pT), of its square.
_FREE_SLOPE = 0.05
_FREE_BEND = 0.02
_RANGE = (0.2, 1.2)
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
    """Return mean pt_gen, median response and its error, for the bins of pt_gen with at least 16 jets, effectively."""
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


def region_response(
    response: NDArray[np.float64], pt_gen: NDArray[np.float64], weight: NDArray[np.float64], edges: NDArray[np.float64]
) -> Curve:
    """Return a smooth curve through the median responses of a region: a smoothing spline in log(pt_gen).

    Smoothness is chosen by generalised cross-validation; beyond the last points the curve goes on straight. With fewer
    than five points it is a straight line.

    Raises
    ------
    InputError
        If fewer than two bins of pt_gen hold enough jets.
    """
    from scipy.interpolate import make_smoothing_spline  # type: ignore[import-untyped]

    centre, median, error = binned_medians(response, pt_gen, weight, edges)
    if len(centre) < 2:
        raise InputError(f"{len(centre)} bins of pt_gen hold enough jets, expected at least 2: simulate more events")
    x, precision = np.log(centre), 1.0 / error**2
    if len(x) < 5:
        line = np.polyfit(x, median, 1, w=1.0 / error)
        return lambda pt: np.clip(np.polyval(line, np.log(pt)), *_RANGE)
    # scipy wants weights of order 1.
    spline = make_smoothing_spline(x, median, precision / precision.mean())
    return lambda pt: np.clip(spline(np.log(pt)), *_RANGE)


def local_response(
    region: Curve,
    response: NDArray[np.float64],
    pt_gen: NDArray[np.float64],
    weight: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> Curve:
    """Return the curve of one fine bin of |eta|: its region's times a parabola in log(pt_gen).

    The parabola is fitted to medians of response / region's response; slope and bend are drawn towards 0 (with widths
    0.05 and 0.02), so that a bin with few jets follows its region, and one with none is its region's.
    """
    centre, ratio, error = binned_medians(response / region(pt_gen), pt_gen, weight, edges)
    if len(centre) == 0:
        return region
    x = np.log(centre)
    middle = np.average(x, weights=1.0 / error**2)
    powers = np.arange(3)
    design = (x - middle)[:, None] ** powers / error[:, None]
    prior = np.diag([0.0, 1.0 / _FREE_SLOPE**2, 1.0 / _FREE_BEND**2])
    solution = np.linalg.solve(design.T @ design + prior, design.T @ (ratio / error))

    def curve(pt: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = np.clip(np.log(pt), x[0], x[-1]) - middle
        return np.clip(region(pt) * (inside[:, None] ** powers @ solution), *_RANGE)

    return curve


def invert(curve: Curve, lowest: float, highest: float, steps: float = 1.2) -> Inversion:
    """Invert a median response numerically, for pt_gen from ``lowest`` to ``highest`` GeV.

    The median of pt_gen x response is a function of pt_gen; where it rises, its inverse maps reconstructed pT to
    pt_gen, and because the median commutes with a rising function, the corrected pT has median pt_gen exactly. A
    correction of 1 / response at equal *reconstructed* pT would not have that.

    Parameters
    ----------
    curve : callable
        Median response against pt_gen.
    lowest, highest : float
        Beyond them the factor stays what it is there.
    steps : float
        Ratio of neighbouring nodes in pt_gen.
    """
    nodes = np.geomspace(lowest, highest, max(2, int(np.log(highest / lowest) / np.log(steps)) + 1))
    rising = np.maximum.accumulate(nodes * curve(nodes))
    kept = np.concatenate([[True], rising[1:] > rising[:-1] * 1.001])
    return Inversion(rising[kept], nodes[kept] / rising[kept])
