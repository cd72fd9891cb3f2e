"""Several passes of a hard scatter through the detector.

Generating a hard scatter costs as much as all that follows. As in LHCb's ReDecay (D. Mueller et al., Eur. Phys. J. C 78
(2018) 1009) it may be used again: turned by a random angle, mirrored in eta or not, displaced and overlaid with other
pileup by whoever comes next, and measured anew. The fragmentation of its jets stays the same, so all passes of a
scatter must fall into the same part of a split, and errors must be estimated from samples of one pass.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.simulate.batch import Jagged
from training.simulate.record import HardEvents

__all__ = ["repeat"]


def _turned(table: Jagged, angle: NDArray[np.float64], mirror: NDArray[np.float64]) -> Jagged:
    """Return the table with phi (and transverse vertices) turned by ``angle`` [n_events] and eta times ``mirror``."""
    columns = dict(table.columns)
    own = table.event
    turn, flip = angle[own], mirror[own]
    phi = np.asarray(columns["phi"], np.float64) + turn
    columns["phi"] = (np.mod(phi + np.pi, 2.0 * np.pi) - np.pi).astype(columns["phi"].dtype)
    columns["eta"] = (columns["eta"] * flip).astype(columns["eta"].dtype)
    if "vx" in columns:
        x, y = np.asarray(columns["vx"], np.float64), np.asarray(columns["vy"], np.float64)
        columns["vx"] = (x * np.cos(turn) - y * np.sin(turn)).astype(columns["vx"].dtype)
        columns["vy"] = (x * np.sin(turn) + y * np.cos(turn)).astype(columns["vy"].dtype)
        columns["vz"] = (columns["vz"] * flip).astype(columns["vz"].dtype)
    return Jagged(table.offsets, columns)


def repeat(rng: np.random.Generator, hard: HardEvents, passes: int, n_events: int) -> HardEvents:
    """Return ``n_events`` events, ``passes`` of every scatter one after the other, the first of them as it was.

    Parameters
    ----------
    rng : Generator
        Draws angles and mirrors; nothing is drawn for one pass.
    hard : HardEvents
        At least ``n_events / passes`` scatters.
    passes : int
    n_events : int
    """
    if passes == 1:
        return hard
    scatter = np.arange(n_events, dtype=np.int64) // passes
    first = np.arange(n_events) % passes == 0
    angle = np.where(first, 0.0, rng.uniform(0.0, 2.0 * np.pi, n_events))
    mirror = np.where(first | (rng.random(n_events) < 0.5), 1.0, -1.0)
    tables = (_turned(getattr(hard, name).take(scatter), angle, mirror) for name in _TABLES)
    return HardEvents(hard.weight[scatter], hard.pthat[scatter], *tables)


_TABLES = ("gen", "genpart", "partons", "particles")
