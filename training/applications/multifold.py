"""Unfolding event by event: MultiFold with boosted trees.

A. Andreassen et al., arXiv:1911.09107, arXiv:2105.04448: a classifier between data and simulation gives weights at
detector level; a second step makes them a function of the truth; and again. The kept implementation, omnifold, needs
TensorFlow; with lightgbm the algorithm is short, and a few variables do not need networks. Each event's weight comes
from trees that were grown on the other half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.applications.boosting import boost

__all__ = ["Paired", "binned", "migration", "unfold"]

Floats = NDArray[np.float64]

_LARGEST = 50.0
"""A ratio of densities is not taken to be larger, nor smaller than its inverse."""


@dataclass(frozen=True)
class Paired:
    """Simulated events, measured and true.

    Attributes
    ----------
    measured, true : float64 array [n, variables]
        They need not be the same variables.
    weight : float64 array [n]
    """

    measured: Floats
    true: Floats
    weight: Floats


def unfold(
    data: Floats,
    simulation: Paired,
    iterations: int = 3,
    seed: int = 1,
    data_weight: Floats | None = None,
    shown: Callable[[], object] = lambda: None,
) -> Floats:
    """Return the factors that the simulated events get, so that the truth becomes that of the data.

    Parameters
    ----------
    data : float64 array [m, variables]
        Measured, the variables of ``simulation.measured``.
    simulation : Paired
    iterations : int
    seed : int
    data_weight : float64 array [m], optional
    shown : callable
        Called after each iteration.

    Returns
    -------
    float64 array [n]
        Factors on ``simulation.weight``, of mean 1 with these weights.

    Raises
    ------
    InputError
        If there is nothing to unfold or to unfold with, a value is not finite or a weight negative, or ``iterations``
        is not positive.
    """
    own = np.ones(len(data)) if data_weight is None else np.asarray(data_weight, np.float64)
    _check(data, own, simulation, iterations)
    factors = np.ones(len(simulation.weight))
    for step in range(iterations):
        weight = simulation.weight * factors
        pulled = factors * _ratio(simulation.measured, data, weight, own, seed + 2 * step)
        factors = _mean_given(simulation.true, pulled, simulation.weight, seed + 2 * step + 1)
        factors /= np.average(factors, weights=simulation.weight)
        shown()
    return factors


def _check(data: Floats, own: Floats, simulation: Paired, iterations: int) -> None:
    if iterations < 1:
        raise InputError(f"iterations must be 1 or more, got {iterations}")
    for name, events in (("data", len(data)), ("simulation", len(simulation.weight))):
        if events < 100:
            raise InputError(f"{events} events of {name} are too few to unfold: give 100 or more")
    arrays = {"data": data, "measured simulation": simulation.measured, "true simulation": simulation.true}
    for name, values in arrays.items():
        if bad := int(np.count_nonzero(~np.isfinite(values))):
            raise InputError(f"{bad} NaN or infinite values in the {name}: leave those events out")
    for name, values in (("data", own), ("simulation", simulation.weight)):
        if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
            raise InputError(f"weights of the {name} must be finite, 0 or more and not all 0")


def _ratio(simulation: Floats, data: Floats, weight: Floats, own: Floats, seed: int) -> Floats:
    """Return the ratio of the densities of data and simulation, for the simulated events: a classifier's odds."""
    columns = np.concatenate([simulation, data])
    label = np.arange(len(columns)) >= len(simulation)
    balanced = np.concatenate([weight / weight.sum(), own / own.sum()]) * len(columns) / 2
    odds = _crossed(columns, label.astype(np.float64), balanced, "binary", seed)[: len(simulation)]
    return np.exp(np.clip(odds, -np.log(_LARGEST), np.log(_LARGEST)))


def _mean_given(true: Floats, pulled: Floats, weight: Floats, seed: int) -> Floats:
    """Return the mean of the weights that events of the same truth have: what the second classifier's odds are.

    By regression: events with and without their weights differ in nothing else.
    """
    return np.clip(_crossed(true, pulled, weight, "regression", seed), 1.0 / _LARGEST, _LARGEST)


def _crossed(columns: Floats, target: Floats, weight: Floats, objective: str, seed: int) -> Floats:
    """Return what trees that were grown on the other half say of each row, before any link function."""
    rng = np.random.default_rng(seed)
    half = rng.integers(0, 2, len(columns))
    found = np.empty(len(columns))
    for own in (0, 1):
        others = rng.permutation(np.flatnonzero((half != own) & (weight > 0)))
        rows = {"train": others[len(others) // 5 :], "val": others[: len(others) // 5]}
        trees = boost(columns, target, rows, objective, seed, weight, leaves=4)
        mine = half == own
        found[mine] = trees.predict(columns[mine], raw_score=True)
    return found


def migration(true: Floats, measured: Floats, edges: Floats, weight: Floats) -> Floats:
    """Return the probability to be measured in a bin, given the true bin.

    Parameters
    ----------
    true, measured, weight : float64 array [n]
    edges : float64 array [bins + 1]

    Returns
    -------
    float64 array [bins, bins]
        True bin, measured bin; rows add up to less than 1 where events leave the range.

    Raises
    ------
    InputError
        If a bin of the truth has no events.
    """
    table, _, _ = np.histogram2d(true, measured, [edges, edges], weights=weight)
    total = binned(true, edges, weight)
    return np.asarray(table / total[:, None])


def binned(values: Floats, edges: Floats, weight: Floats) -> Floats:
    """Return the sum of weights in each bin.

    Raises
    ------
    InputError
        If a bin has no events: nothing can be unfolded there.
    """
    counts, _ = np.histogram(values, edges, weights=(weight > 0).astype(np.float64))
    if (counts == 0).any():
        empty = ", ".join(f"{edges[i]:g} to {edges[i + 1]:g}" for i in np.flatnonzero(counts == 0))
        raise InputError(f"no events in the bins {empty}: merge bins, or simulate more")
    return np.asarray(np.histogram(values, edges, weights=weight)[0])
