"""Vertices and candidates beside the jets: those within a radius are a jet's own, those far off cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.table import Index, Spans
from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit

__all__ = ["group_near", "strays"]


@njit()
def group_near(
    eta: npt.NDArray[Any],
    phi: npt.NDArray[Any],
    offsets: Index,
    target_eta: npt.NDArray[Any],
    target_phi: npt.NDArray[Any],
    targets: Spans,
    radius: float,
) -> tuple[Index, Index]:
    """Give each jet the targets within its radius, in the order of their table; one target may belong to several jets.

    That is how PFNano makes its links of vertices (plugins/JetConstituentTableProducer.cc). A NaN angle is near
    nothing.

    Parameters
    ----------
    eta, phi : ndarray, shape (n_jets,)
    offsets : ndarray of int64, shape (n_events + 1,)
        Of the jets.
    target_eta, target_phi : ndarray, shape (n_targets,)
    targets : Spans
        Rows of each event among them.
    radius : float

    Returns
    -------
    index, offsets : ndarray of int64
        As of `group_links`.
    """
    n_events = len(offsets) - 1
    groups = np.zeros(offsets[n_events] + 1, np.int64)
    index = np.empty(0, np.int64)
    for fill in range(2):
        count = 0
        for event in range(n_events):
            for jet in range(offsets[event], offsets[event + 1]):
                for target in range(targets.starts[event], targets.stops[event]):
                    if delta_r2(target_eta[target], target_phi[target], eta[jet], phi[jet]) < radius * radius:
                        if fill:
                            index[count] = target
                        count += 1
                groups[jet + 1] = count
        if not fill:
            index = np.empty(count, np.int64)
    return index, groups


@njit()
def strays(
    index: Index,
    offsets: Index,
    target_eta: npt.NDArray[Any],
    target_phi: npt.NDArray[Any],
    eta: npt.NDArray[Any],
    phi: npt.NDArray[Any],
    radius: float,
    nowhere: bool,
) -> npt.NDArray[np.bool_]:
    """Return which jets have a target beyond a radius, shape (n_jets,): one that is not theirs.

    Parameters are those of `group_near`, beside the groups; ``nowhere`` says whether a NaN angle counts as beyond.
    """
    found = np.zeros(len(eta), np.bool_)
    for jet in range(len(eta)):
        for position in range(offsets[jet], offsets[jet + 1]):
            target = index[position]
            distance2 = delta_r2(target_eta[target], target_phi[target], eta[jet], phi[jet])
            found[jet] |= distance2 >= radius * radius or (nowhere and np.isnan(distance2))
    return found
