"""Links -> constituents grouped by jet: counting sort over the link table's jet index."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.geometry import delta_r2
from coffea_mljec.jit import njit

__all__ = ["CHARGED_IDS", "constituent_sums", "group_links", "group_near", "pick_groups", "split_charged"]

CHARGED_IDS = (11, 13, 211)
"""|pdgId| of charged candidates; every other candidate is neutral (1 and 2 are HF hadrons and HF electrons/photons)."""


@njit()
def group_links(
    link_offsets: npt.NDArray[np.int64],
    link_jet: npt.NDArray[Any],
    link_target: npt.NDArray[Any],
    jet_offsets: npt.NDArray[np.int64],
    target_offsets: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_], int]:
    """Sort links by jet, keeping the order of the link table within a jet.

    Parameters
    ----------
    link_offsets, jet_offsets, target_offsets : ndarray of int64, shape (n_events + 1,)
        Offsets of the link, jet and candidate (or vertex) tables.
    link_jet, link_target : ndarray of int, shape (n_links,)
        Index of the jet and of the candidate within the event. A negative jet index is a link to nothing, a negative
        target a candidate that the file dropped.

    Returns
    -------
    index : ndarray of int64, shape (n_kept,)
        Rows of the target table over the whole chunk, jet by jet.
    offsets : ndarray of int64, shape (n_jets + 1,)
    broken : ndarray of bool, shape (n_jets,)
        True where a link of the jet leads to no candidate, or two to the same.
    beyond : int
        Event of the first link to a jet that the event does not have, -1 if there is none.
    """
    n_events = len(jet_offsets) - 1
    n_jets = jet_offsets[n_events]
    offsets = np.zeros(n_jets + 1, np.int64)
    broken = np.zeros(n_jets, np.bool_)
    beyond = -1
    for event in range(n_events):
        jets = jet_offsets[event + 1] - jet_offsets[event]
        targets = target_offsets[event + 1] - target_offsets[event]
        for link in range(link_offsets[event], link_offsets[event + 1]):
            jet = link_jet[link]
            if jet >= jets:
                if beyond < 0:
                    beyond = event
            elif jet >= 0:
                if 0 <= link_target[link] < targets:
                    offsets[jet_offsets[event] + jet + 1] += 1
                else:
                    broken[jet_offsets[event] + jet] = True
    for jet in range(n_jets):
        offsets[jet + 1] += offsets[jet]
    index = np.empty(offsets[n_jets], np.int64)
    cursor = offsets[:-1].copy()
    for event in range(n_events):
        jets = jet_offsets[event + 1] - jet_offsets[event]
        targets = target_offsets[event + 1] - target_offsets[event]
        for link in range(link_offsets[event], link_offsets[event + 1]):
            jet = link_jet[link]
            target = link_target[link]
            if 0 <= jet < jets and 0 <= target < targets:
                position = jet_offsets[event] + jet
                index[cursor[position]] = target_offsets[event] + target
                cursor[position] += 1
    owner = np.full(target_offsets[n_events], -1, np.int64)
    for jet in range(n_jets):
        for position in range(offsets[jet], offsets[jet + 1]):
            if owner[index[position]] == jet:
                broken[jet] = True
            owner[index[position]] = jet
    return index, offsets, broken, beyond


@njit()
def group_near(
    eta: npt.NDArray[Any],
    phi: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64],
    target_eta: npt.NDArray[Any],
    target_phi: npt.NDArray[Any],
    target_offsets: npt.NDArray[np.int64],
    radius: float,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give each jet the targets within its radius, in the order of their table; one target may belong to several jets.

    That is how PFNano makes its links of vertices (plugins/JetConstituentTableProducer.cc). A NaN angle is near
    nothing.

    Parameters
    ----------
    eta, phi : ndarray, shape (n_jets,)
    offsets, target_offsets : ndarray of int64, shape (n_events + 1,)
    target_eta, target_phi : ndarray, shape (n_targets,)
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
                for target in range(target_offsets[event], target_offsets[event + 1]):
                    if delta_r2(target_eta[target], target_phi[target], eta[jet], phi[jet]) < radius * radius:
                        if fill:
                            index[count] = target
                        count += 1
                groups[jet + 1] = count
        if not fill:
            index = np.empty(count, np.int64)
    return index, groups


@njit()
def pick_groups(
    rows: npt.NDArray[np.int64],
    index: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    broken: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the groups of the jets `rows`, in that order; an empty one for a negative row."""
    picked_offsets = np.zeros(len(rows) + 1, np.int64)
    picked_broken = np.zeros(len(rows), np.bool_)
    for jet in range(len(rows)):
        size = 0
        if rows[jet] >= 0:
            size = offsets[rows[jet] + 1] - offsets[rows[jet]]
            picked_broken[jet] = broken[rows[jet]]
        picked_offsets[jet + 1] = picked_offsets[jet] + size
    picked = np.empty(picked_offsets[len(rows)], np.int64)
    for jet in range(len(rows)):
        if rows[jet] >= 0:
            picked[picked_offsets[jet] : picked_offsets[jet + 1]] = index[offsets[rows[jet]] : offsets[rows[jet] + 1]]
    return picked, picked_offsets, picked_broken


@njit()
def split_charged(
    index: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], pdg_id: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Split grouped candidates into charged and neutral: ``(charged_index, charged_offsets, neutral_index,
    neutral_offsets)``."""
    n_jets = len(offsets) - 1
    charged_offsets = np.zeros(n_jets + 1, np.int64)
    neutral_offsets = np.zeros(n_jets + 1, np.int64)
    charged = np.empty(len(index), np.int64)
    neutral = np.empty(len(index), np.int64)
    n_charged = 0
    n_neutral = 0
    for jet in range(n_jets):
        for position in range(offsets[jet], offsets[jet + 1]):
            row = index[position]
            kind = abs(pdg_id[row])
            if kind == 211 or kind == 11 or kind == 13:
                charged[n_charged] = row
                n_charged += 1
            else:
                neutral[n_neutral] = row
                n_neutral += 1
        charged_offsets[jet + 1] = n_charged
        neutral_offsets[jet + 1] = n_neutral
    return charged[:n_charged].copy(), charged_offsets, neutral[:n_neutral].copy(), neutral_offsets


@njit()
def constituent_sums(
    index: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    pt: npt.NDArray[Any],
    eta: npt.NDArray[Any],
    phi: npt.NDArray[Any],
) -> npt.NDArray[np.float64]:
    """Return ``(px, py, pz)`` of the sum of each jet's constituents, shape (n_jets, 3), in GeV."""
    n_jets = len(offsets) - 1
    sums = np.zeros((n_jets, 3), np.float64)
    for jet in range(n_jets):
        for position in range(offsets[jet], offsets[jet + 1]):
            row = index[position]
            momentum = float(pt[row])
            sums[jet, 0] += momentum * np.cos(phi[row])
            sums[jet, 1] += momentum * np.sin(phi[row])
            sums[jet, 2] += momentum * np.sinh(eta[row])
    return sums
