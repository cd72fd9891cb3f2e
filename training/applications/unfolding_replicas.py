"""Migration between bins and unfolded spectra with their bootstrap replicas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.workers.pool import Workers, in_order
from training.applications.multifold import Paired, binned, migration, unfold
from training.applications.numbers import with_error

__all__ = ["Migration", "Replicas", "migrations", "replicas", "spectra"]

Floats = NDArray[np.float64]


class Migration(NamedTuple):
    """How well events stay in their bin; every number with its bootstrap error.

    Attributes
    ----------
    stays : (float, float)
        Mean of the diagonal of the migration matrix.
    condition : (float, float)
        Its condition number: by how much an inversion could enlarge fluctuations. Its error, and that of the ratio, is
        half of the central 68 % of the replicas: near a singular matrix a few of them are huge.
    gain : (float, float)
        How much more stays than with the first correction, on the same events.
    ratio : (float, float)
        Condition number over that of the first correction, on the same events.
    diagonal : float64 array [2, bins]
        Diagonal and its errors.
    """

    stays: tuple[float, float]
    condition: tuple[float, float]
    gain: tuple[float, float]
    ratio: tuple[float, float]
    diagonal: Floats


def migrations(
    true: Floats, measured: Mapping[str, Floats], edges: Floats, number: int = 50, seed: int = 1
) -> dict[str, Migration]:
    """Compare the migration matrices of several corrections on the same resampled events.

    Parameters
    ----------
    true : float64 array [n]
    measured : mapping of str to float64 array [n]
        Correction -> measured variable; the first is what the others are compared with.
    edges : float64 array [bins + 1]
    number : int
        Bootstrap replicas.
    seed : int

    Raises
    ------
    InputError
        If a bin has no events.
    """
    rng = np.random.default_rng(seed)
    weights = np.vstack([np.ones(len(true)), rng.poisson(1.0, (number, len(true)))])
    found: dict[str, Migration] = {}
    first: tuple[Floats, Floats] | None = None
    for name, values in measured.items():
        matrices = np.array([migration(true, values, edges, weight) for weight in weights])
        diagonal = np.diagonal(matrices, axis1=1, axis2=2)
        stays, condition = diagonal.mean(axis=1), np.linalg.cond(matrices)
        first = first or (stays, condition)
        found[name] = Migration(
            with_error(stays), _central(condition), with_error(stays - first[0]), _central(condition / first[1]),
            np.array([diagonal[0], diagonal[1:].std(axis=0, ddof=1)]),
        )  # fmt: skip
    return found


def _central(values: Floats) -> tuple[float, float]:
    """Return a number, which stands first, and half of the central 68 % of its replicas."""
    low, high = np.quantile(values[1:], (0.16, 0.84))
    return float(values[0]), float(0.5 * (high - low))


class Replicas(NamedTuple):
    """An unfolding, then those of resampled data with resampled simulation.

    Attributes
    ----------
    factors : float64 array [1 + number, n]
        Weights of the simulated events.
    drawn : float64 array [1 + number, m]
        Weights of the events of the data.
    """

    factors: Floats
    drawn: Floats


def replicas(
    data: Floats,
    simulation: Paired,
    number: int,
    iterations: int = 3,
    seed: int = 1,
    workers: Workers = 1,
    data_weight: Floats | None = None,
) -> Replicas:
    """Unfold the data and resampled data.

    Parameters
    ----------
    data : float64 array [m, variables]
    simulation : Paired
    number : int
        Bootstrap replicas of data and simulation.
    iterations, seed : int
        Of the same seed are the same replicas, and the same trees but for what the data change.
    workers : int or ClusterExecutor
        Processes.
    data_weight : float64 array [m], optional
    """
    own = np.ones(len(data)) if data_weight is None else data_weight
    one = partial(_replica, data=data, weight=own, simulation=simulation, iterations=iterations, seed=seed)
    factors, drawn = zip(*in_order(one, [_Number(replica) for replica in range(number + 1)], workers), strict=True)
    return Replicas(np.array(factors), np.array(drawn))


class _Number(int):
    """Of a replica, for messages."""

    def __str__(self) -> str:
        return f"replica {int(self)}"


def _replica(
    replica: int, *, data: Floats, weight: Floats, simulation: Paired, iterations: int, seed: int
) -> tuple[Floats, Floats]:
    rng = np.random.default_rng((seed, replica))
    shape = len(data), len(simulation.weight)
    own, drawn = (np.ones(n) if replica == 0 else rng.poisson(1.0, n).astype(np.float64) for n in shape)
    sample = Paired(simulation.measured, simulation.true, simulation.weight * drawn)
    return unfold(data, sample, iterations, seed + 100 * replica, weight * own) * drawn, weight * own


def spectra(values: Floats, edges: Floats, weights: Floats) -> Floats:
    """Return the spectrum for every set of weights, each adding up to 1, float64 array [sets, bins].

    The covariance of an unfolded spectrum is that of its replicas.

    Raises
    ------
    InputError
        If a bin has no events.
    """
    found = np.array([binned(values, edges, weight) for weight in weights])
    return np.asarray(found / found.sum(axis=1, keepdims=True))
