"""Which of two jets is the reference and which the probe: drawn at random, yet told by the event's identity alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.geometry import delta_phi
from coffea_mljec.numerics.jit import njit
from coffea_mljec.systematics.randomness import standard_normal

__all__ = ["leading_jets", "separation", "swapped"]

_SEED = 0x41535953
"""Keeps these numbers apart from those that smear jets."""


def swapped(run: npt.ArrayLike, luminosity_block: npt.ArrayLike, event: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether the leading jet is the probe instead of the reference: true for half of the events.

    Parameters
    ----------
    run, luminosity_block, event : array_like of int, shape (n_events,)
        The identity of the events: the same event gives the same in any chunk and on any worker.

    Returns
    -------
    ndarray of bool, shape (n_events,)
    """
    nowhere = np.zeros(len(np.asarray(event)))
    return standard_normal(run, luminosity_block, event, nowhere, nowhere, seed=_SEED) < 0.0


@njit()
def leading_jets(
    pt: npt.NDArray[np.float64], offsets: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return the rows of each event's three hardest jets among those kept, -1 where there are fewer.

    Parameters
    ----------
    pt : ndarray, shape (n_jets,)
        GeV; finite where kept.
    offsets : ndarray of int64, shape (n_events + 1,)
    kept : ndarray of bool, shape (n_jets,)

    Returns
    -------
    ndarray of int64, shape (3, n_events)
        Of equal pT, the jet that comes first in the event is the harder one.
    """
    rows = np.full((3, len(offsets) - 1), -1, np.int64)
    for event in range(len(offsets) - 1):
        for jet in range(offsets[event], offsets[event + 1]):
            if not kept[jet]:
                continue
            place = 3
            while place > 0 and (rows[place - 1, event] < 0 or pt[jet] > pt[rows[place - 1, event]]):
                place -= 1
            for k in range(2, place, -1):
                rows[k, event] = rows[k - 1, event]
            if place < 3:
                rows[place, event] = jet
    return rows


@njit()
def separation(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return |delta phi| of pairs of azimuths, 0 to pi."""
    apart = np.empty(len(first))
    for i in range(len(first)):
        apart[i] = abs(delta_phi(first[i], second[i]))
    return apart
