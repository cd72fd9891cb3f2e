"""Train, validation and test, told apart by event and never by jet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError

__all__ = ["SPLITS", "event_hash", "held_out", "split_of"]

SPLITS = ("train", "val", "test")


def event_hash(event: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return 64 well mixed bits of each event number (splitmix64's finaliser), uint64 array of the same shape.

    Source: G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    z = np.asarray(event).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def split_of(event: NDArray[np.integer], fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)) -> NDArray[np.int8]:
    """Return the index into `SPLITS` of each event number, so that all jets of an event fall together.

    The split of an event depends on its number alone: not on the file, the order, or what else is there.

    Parameters
    ----------
    event : int array, shape (n,)
        Event numbers.
    fractions : tuple of float
        Shares of train, validation and test.

    Raises
    ------
    InputError
        If the shares are negative or do not add up to 1.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1.0) > 1e-9:
        raise InputError(f"the shares of train, val and test must be positive and add up to 1, got {fractions}")
    return np.searchsorted(np.cumsum(fractions)[:2], _uniform(event), side="right").astype(np.int8)


def held_out(event: NDArray[np.integer], train_share: float) -> NDArray[np.bool_]:
    """Return which events `split_of` leaves out of the training split where its share is ``train_share``."""
    return _uniform(event) >= train_share


def _uniform(event: NDArray[np.integer]) -> NDArray[np.float64]:
    # The 53 highest bits: as many as a double holds.
    return (event_hash(event) >> np.uint64(11)).astype(np.float64) / 2.0**53
