"""Bootstrap replicas: how often each event enters each replica, told by the event's identity alone.

A bootstrap resample of a large sample gives every event a Poisson(1) weight. Here that weight is a pure function of
(run, luminosityBlock, event, replica, seed): a counter-based hash, not a random number stream. It is therefore the same
for every provider (so that errors of ratios are paired), for every chunking and on every worker. Events are resampled,
not jets: the jets of an event are correlated.

Source: B. Efron, Ann. Statist. 7 (1979) 1 (bootstrap); the hash is the finaliser of SplitMix64 (G. Steele et al.,
OOPSLA 2014, doi:10.1145/2660193.2660195), whose stream from a hashed state gives the replicas.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults
from coffea_mljec.errors import InputError
from coffea_mljec.numerics.jit import njit

__all__ = ["poisson_weights", "seed_of"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_30, _SHIFT_27, _SHIFT_31, _SHIFT_11 = (np.uint64(n) for n in (30, 27, 31, 11))
_TO_UNIT = 2.0**-53

# P(N <= n) of Poisson(1) for n = 0, 1, ...; beyond n = 17 the tail is below the 2^-53 steps of the uniform number.
_CUMULATIVE = np.cumsum([math.exp(-1.0) / math.factorial(n) for n in range(18)])


def seed_of(text: str) -> int:
    """A 64-bit seed from a text such as a dataset's name, the same in every process (unlike ``hash``)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def poisson_weights(
    run: npt.ArrayLike,
    luminosity_block: npt.ArrayLike,
    event: npt.ArrayLike,
    replicas: int = defaults.REPLICAS,
    seed: int = 0,
) -> npt.NDArray[np.uint8]:
    """Poisson(1) weight of each event in each bootstrap replica.

    Parameters
    ----------
    run, luminosity_block, event : array_like of int, shape (n_events,)
        The identity of the events.
    replicas : int
        Number of replicas; the first ones do not change when more are asked for.
    seed : int
        Separates samples whose events carry the same numbers although they are independent, as simulated samples do.

    Returns
    -------
    ndarray of uint8, shape (n_events, replicas)

    Raises
    ------
    InputError
        If the identities differ in length or are not integers, or `replicas` is negative.
    """
    identity = [np.asarray(part) for part in (run, luminosity_block, event)]
    if any(part.ndim != 1 or part.shape != identity[0].shape for part in identity):
        raise InputError(
            "run, luminosity_block and event must be one-dimensional and of one length, "
            f"got shapes {[part.shape for part in identity]}."
        )
    if any(part.dtype.kind not in "iu" for part in identity):
        raise InputError(f"event identities must be integers, got {[str(part.dtype) for part in identity]}.")
    if replicas < 0:
        raise InputError(f"the number of replicas must be 0 or more, got {replicas}.")
    weights = np.empty((len(identity[0]), replicas), np.uint8)
    columns = [part.astype(np.uint64) for part in identity]
    _fill_weights(columns[0], columns[1], columns[2], np.uint64(seed % 2**64), _CUMULATIVE, weights)
    return weights


@njit(inline="always")
def _mix(state: np.uint64) -> np.uint64:
    """Finaliser of SplitMix64: a bijection of 64 bits in which every input bit flips half of the output bits."""
    state = (state ^ (state >> _SHIFT_30)) * _MULTIPLIER_1
    state = (state ^ (state >> _SHIFT_27)) * _MULTIPLIER_2
    return state ^ (state >> _SHIFT_31)


@njit()
def _fill_weights(
    run: npt.NDArray[np.uint64],
    luminosity_block: npt.NDArray[np.uint64],
    event: npt.NDArray[np.uint64],
    seed: np.uint64,
    cumulative: npt.NDArray[np.float64],
    weights: npt.NDArray[np.uint8],
) -> None:
    start = _mix(seed + _GOLDEN)
    for i in range(weights.shape[0]):
        state = _mix(_mix(_mix(start ^ run[i]) + luminosity_block[i]) ^ event[i])
        for replica in range(weights.shape[1]):
            state += _GOLDEN
            uniform = (_mix(state) >> _SHIFT_11) * _TO_UNIT
            count = 0
            while count < len(cumulative) and uniform >= cumulative[count]:
                count += 1
            weights[i, replica] = count
