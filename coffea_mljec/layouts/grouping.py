"""Links -> constituents grouped by jet: counting sort over the link table's jet index."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.jit import njit

__all__ = ["CHARGED_IDS", "constituent_sums", "group_links", "split_charged"]

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
        True where a link of the jet leads to no candidate.
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
    return index, offsets, broken, beyond


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
