"""A number with its error, as every summary of the validation holds it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.validation.common.statistics import spread

__all__ = ["NO_GENERATOR", "TOO_FEW", "Measured", "added_counts", "added_histograms", "chosen_datasets", "measured"]

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


def chosen_datasets(accumulated: Mapping[str, Any], datasets: Iterable[str] | None) -> list[str]:
    """Return the names of the datasets to add up, all of them by default.

    Raises
    ------
    InputError
        If one is missing, or there is none at all.
    """
    names = sorted(accumulated) if datasets is None else list(datasets)
    missing = [name for name in names if name not in accumulated]
    if missing or not names:
        raise InputError(f"no accumulated datasets {missing or names}; there are {sorted(accumulated)}.")
    return names


def added_histograms(accumulated: Mapping[str, Mapping[str, Any]], names: Iterable[str], key: str) -> Any:
    """Return the sum of one histogram over datasets.

    Raises
    ------
    InputError
        If their axes differ: the runs had other providers, bins or numbers of replicas.
    """
    parts = [(name, accumulated[name][key]) for name in names]
    first, reference = parts[0]
    for name, histogram in parts[1:]:
        differing = [axis.name for axis in reference.axes if axis not in list(histogram.axes)]
        if differing or len(histogram.axes) != len(reference.axes) or histogram.kind != reference.kind:
            raise InputError(
                f"the histograms {key!r} of {first!r} and {name!r} cannot be added: they differ in {differing}; both "
                "runs must have the same providers, bins, replicas and weights."
            )
    return reduce(add, (histogram for _, histogram in parts))


def added_counts(parts: Iterable[Mapping[Any, int]]) -> dict[Any, int]:
    """Return the sum of counters."""
    total: dict[Any, int] = {}
    for part in parts:
        for key, number in part.items():
            total[key] = total.get(key, 0) + int(number)
    return total
