"""A number with its error, as every summary of the validation holds it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coffea_mljec.validation.common.statistics import spread

__all__ = ["NO_GENERATOR", "TOO_FEW", "Measured", "generated", "measured"]

TOO_FEW = "too few"
NO_GENERATOR = "no generator"


@dataclass(frozen=True)
class Measured:
    """A number and its error, or the note that says why there is none (``"too few"``)."""

    value: float | None
    error: float | None
    note: str | None = None


def measured(values: npt.NDArray[np.float64], enough: bool = True, nominal: float | None = None) -> Measured:
    """Value of replica 0, with the spread of the other replicas as its error.

    Parameters
    ----------
    values : ndarray, shape (1 + replicas,)
        A statistic of the sample and of each bootstrap replica.
    enough : bool
        Whether there was enough to say anything.
    nominal : float, optional
        The value, if it is not ``values[0]``.
    """
    value = float(values[0]) if nominal is None else nominal
    if not enough or not math.isfinite(value):
        return Measured(None, None, TOO_FEW)
    error = spread(values[1:])
    return Measured(value, float(error) if math.isfinite(error) else None)


def generated(values: npt.NDArray[np.float64] | None, enough: bool = True) -> Measured:
    """As `measured`, of a number that only the generator gives; None: there is none."""
    return Measured(None, None, NO_GENERATOR) if values is None else measured(values, enough)
