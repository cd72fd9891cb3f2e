"""What the further jets of a dijet say of its balance: their momentum along the axis of the two leading ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARTS", "further_jets"]

PARTS = ("charged", "neutral")
"""Pileup is taken out of the charged part, and stays in the neutral one: each gets a slope of its own."""

Floats = NDArray[np.float64]


def further_jets(
    pt: Floats, phi: Floats, charged: Floats, offsets: NDArray[np.int64], event: NDArray[np.int64],
    pairs: NDArray[np.int64],
) -> Floats:  # fmt: skip
    """Return the balance that the further jets of some events ask of the two leading ones, float64 [n, 2].

    Momenta across the beam add up to nothing: what others carry along the axis from probe to reference, the two lack.
    Where nothing else is in the event, ``pt_ref - pt_probe`` is minus the sum of both columns times the mean pT.

    Parameters
    ----------
    pt, phi, charged : float64 array [jets]
        Of all jets: GeV, radians, and the share of charged particles. Jets whose pT is no number do not count.
    offsets : int64 array [events + 1]
        Jets of each event.
    event : int64 array [n]
        The events that are asked for.
    pairs : int64 array [n, 2]
        Rows of their reference and probe.

    Returns
    -------
    float64 array [n, 2]
        Of `PARTS`, minus the momentum along the axis over the mean pT of the two.
    """
    first, second = phi[pairs].T
    axis = np.arctan2(np.sin(first) - np.sin(second), np.cos(first) - np.cos(second))
    counts = np.diff(offsets)[event]
    start = np.concatenate([[0], np.cumsum(counts)])
    own = np.repeat(np.arange(len(event)), counts)
    rows = np.arange(start[-1]) - start[own] + offsets[event][own]
    counted = np.isfinite(pt[rows]) & (rows != pairs[own, 0]) & (rows != pairs[own, 1])
    own, rows = own[counted], rows[counted]
    along = -pt[rows] * np.cos(phi[rows] - axis[own]) / pt[pairs].mean(axis=1)[own]
    share = np.clip(np.nan_to_num(charged[rows]), 0.0, 1.0)
    parts = [np.bincount(own, along * part, len(event)) for part in (share, 1.0 - share)]
    return np.column_stack(parts)
