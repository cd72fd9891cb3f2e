"""Train, validation and test, told apart by event and never by jet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError

__all__ = ["SPLITS", "event_hash", "first_scatters", "held_out", "split_of"]

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


def first_scatters(
    scatter: NDArray[np.integer], event: NDArray[np.integer], scatters: int | None, passes: int | None
) -> NDArray[np.bool_]:
    """Return which jets are of the first so many scatters, and of the first so many passes of each.

    Scatters are ordered by their hash, the passes of a scatter by their event number: fewer are a part of more,
    whatever the files and their order.

    Parameters
    ----------
    scatter, event : int array, shape (n,)
        Of the jets: the number that all passes of a scatter share, and that of the event.
    scatters, passes : int or None
        How many; None: all.

    Raises
    ------
    InputError
        If there are fewer scatters, or no scatter has so many passes: a study would compare what is the same.
    """
    events, of_jet = np.unique(np.stack([scatter, event]).astype(np.int64), axis=1, return_inverse=True)
    numbers, first, of_event = np.unique(events[0], return_index=True, return_inverse=True)
    kept = np.ones(events.shape[1], np.bool_)
    if passes is not None:
        # Events come in the order of their scatter, then of their number.
        rank = np.arange(len(kept)) - first[of_event]
        if passes > (most := int(rank.max(initial=-1)) + 1):
            raise InputError(
                f"no hard scatter has {passes} passes with a jet in the training split, the most is {most}"
            )
        kept &= rank < passes
    if scatters is not None:
        if scatters > len(numbers):
            raise InputError(f"the training split has {len(numbers)} hard scatters, fewer than {scatters}")
        chosen = np.zeros(len(numbers), np.bool_)
        chosen[np.argsort(event_hash(numbers), kind="stable")[:scatters]] = True
        kept &= chosen[of_event]
    return kept[of_jet.reshape(-1)]


def held_out(event: NDArray[np.integer], train_share: float) -> NDArray[np.bool_]:
    """Return which events `split_of` leaves out of the training split where its share is ``train_share``."""
    return _uniform(event) >= train_share


def _uniform(event: NDArray[np.integer]) -> NDArray[np.float64]:
    # The 53 highest bits: as many as a double holds.
    return (event_hash(event) >> np.uint64(11)).astype(np.float64) / 2.0**53
