"""How a number grows with the size of a sample: a + b n^-c, and what that says of a larger sample.

Source: J. Hestness et al., arXiv:1712.00409.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.statistics import spread
from training.random_streams import study_generator

__all__ = ["LEAST_POINTS", "PowerLaw", "fit_power_law"]

LEAST_POINTS = 4
"""Sizes of a sample: three numbers are fitted, and what is left says how far off the law is."""

_EXPONENTS = np.linspace(0.05, 2.0, 391)


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law.

    Attributes
    ----------
    limit, amplitude, exponent : float
        a, b (at the smallest sample) and c.
    exponent_error : float
    smallest : float
        The sample that ``amplitude`` belongs to.
    beyond : float
        The size that is told of.
    there, there_error : float
        The number at that size.
    gain, gain_error : float
        How far that is from the law at the largest sample.
    """

    limit: float
    amplitude: float
    exponent: float
    exponent_error: float
    smallest: float
    beyond: float
    there: float
    there_error: float
    gain: float
    gain_error: float

    def __call__(self, n: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the law's numbers at sizes n."""
        return self.limit + self.amplitude * (n / self.smallest) ** -self.exponent


def fit_power_law(n: NDArray[np.float64], values: NDArray[np.float64], times: float = 10.0) -> PowerLaw | None:
    """Fit the law by least squares; None of fewer than `LEAST_POINTS` sizes.

    Errors are the spread over bootstrap replicas of the test jets. To each the fit's own residuals are added as noise:
    trainings scatter more than the test does.

    Parameters
    ----------
    n : float array [points]
        Sizes.
    values : float array [points, 1 + replicas]
        The number at each, and its replicas.
    times : float
        How much larger the sample is that the law shall tell of.
    """
    if len(np.unique(n)) < LEAST_POINTS:
        return None
    x = n / n.min()
    beyond = times * x.max()
    first = _fitted(x, values[:, :1])
    off = values[:, 0] - _law(x, first)[:, 0]
    noise = np.sqrt(np.sum(off**2) / (len(n) - 3))
    scattered = values[:, 1:] + study_generator(len(n)).normal(0.0, noise, values[:, 1:].shape)
    others = _fitted(x, scattered)
    there = np.concatenate([_law(np.array([beyond]), one)[0] for one in (first, others)])
    largest = np.concatenate([_law(np.array([x.max()]), one)[0] for one in (first, others)])
    limit, amplitude, exponent = (float(part[0]) for part in first)
    return PowerLaw(
        limit, amplitude, exponent, float(spread(others[2])), float(n.min()), float(beyond * n.min()),
        float(there[0]), float(spread(there[1:])),
        float((there - largest)[0]), float(spread((there - largest)[1:])),
    )  # fmt: skip


def _law(x: NDArray[np.float64], law: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers [points, columns] of laws [3, columns]."""
    limit, amplitude, exponent = law
    return np.asarray(limit + amplitude * x[:, None] ** -exponent)


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Limit, amplitude and exponent of each column, [3, columns]: a straight line at every exponent, and the best."""
    powers = x[None, :] ** -_EXPONENTS[:, None]
    off = powers - powers.mean(axis=1, keepdims=True)
    slope = (off @ y) / (off**2).sum(axis=1)[:, None]
    level = y.mean(axis=0) - slope * powers.mean(axis=1)[:, None]
    miss = ((level[:, None] + slope[:, None] * powers[:, :, None] - y) ** 2).sum(axis=1)
    best = miss.argmin(axis=0)
    column = np.arange(y.shape[1])
    return np.stack([level[best, column], slope[best, column], _EXPONENTS[best]])
