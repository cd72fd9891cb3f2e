"""Links -> constituents grouped by jet: a copy where they come jet by jet, a counting sort where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.table import Index, Spans
from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit

__all__ = ["CHARGED_IDS", "group_links", "group_near", "pick_groups", "rows_of_links", "split_charged"]

CHARGED_IDS = (11, 13, 211)
"""|pdgId| of charged candidates; every other candidate is neutral (1 and 2 are HF hadrons and HF electrons/photons)."""


def group_links(
    links: Spans, link_jet: npt.NDArray[Any], link_target: npt.NDArray[Any], jet_offsets: Index, targets: Spans
) -> tuple[Index, Index, npt.NDArray[np.bool_], int]:
    """Sort links by jet, keeping the order of the link table within a jet.

    Parameters
    ----------
    links, targets : Spans
        Rows of each event in the link table and in that of the candidates (or vertices).
    link_jet, link_target : ndarray of int, shape (n_links,)
        Index of the jet and of the candidate within the event. A negative jet index is a link to nothing, a negative
        target a candidate that the file dropped.
    jet_offsets : ndarray of int64, shape (n_events + 1,)

    Returns
    -------
    index : ndarray of int64, shape (n_kept,)
        Rows of the target table, jet by jet.
    offsets : ndarray of int64, shape (n_jets + 1,)
    broken : ndarray of bool, shape (n_jets,)
        True where a link of the jet leads to no candidate, or two to the same.
    beyond : int
        Event of the first link to a jet that the event does not have, -1 if there is none.
    """
    n_jets = int(jet_offsets[-1])
    index = np.empty(int(np.sum(links.stops - links.starts)), np.int64)
    offsets = np.zeros(n_jets + 1, np.int64)
    broken = np.zeros(n_jets, np.bool_)
    # As long as the longest event, so that it stays in the cache.
    owner = np.zeros(int(np.max(targets.stops - targets.starts, initial=0)), np.int32)
    tables = (*links, link_jet, link_target, jet_offsets, *targets, index, offsets, broken, owner)
    copied, beyond = _copy(*tables), -1
    if copied < len(jet_offsets) - 1:
        beyond = _sort(copied, *tables)
    return index[: offsets[-1]], offsets, broken, beyond


@njit()
def _copy(
    link_starts: Index,
    link_stops: Index,
    link_jet: npt.NDArray[Any],
    link_target: npt.NDArray[Any],
    jet_offsets: Index,
    target_starts: Index,
    target_stops: Index,
    index: Index,
    offsets: Index,
    broken: npt.NDArray[np.bool_],
    owner: npt.NDArray[np.int32],
) -> int:
    """Fill what `group_links` returns, event by event, as long as all links come jet by jet: files have them so.

    Return the number of events that are done. ``owner``: target of the event -> 1 + the last jet that it was linked to.
    """
    count = 0
    for event in range(len(jet_offsets) - 1):
        first, last = jet_offsets[event], jet_offsets[event + 1]
        start = target_starts[event]
        targets = target_stops[event] - start
        link, end = link_starts[event], link_stops[event]
        for jet in range(first, last):
            twice = False
            while link < end and link_jet[link] == jet - first and 0 <= link_target[link] < targets:
                target = link_target[link]
                twice |= owner[target] == jet + 1
                owner[target] = jet + 1
                index[count] = start + target
                count += 1
                link += 1
            broken[jet] = twice
            offsets[jet + 1] = count
        if link < end:
            return event
    return len(jet_offsets) - 1


@njit()
def _sort(
    first_event: int,
    link_starts: Index,
    link_stops: Index,
    link_jet: npt.NDArray[Any],
    link_target: npt.NDArray[Any],
    jet_offsets: Index,
    target_starts: Index,
    target_stops: Index,
    index: Index,
    offsets: Index,
    broken: npt.NDArray[np.bool_],
    owner: npt.NDArray[np.int32],
) -> int:
    """The same for links in whatever order they come, from one event on, by a counting sort; return ``beyond``."""
    beyond = -1
    for event in range(first_event, len(jet_offsets) - 1):
        first, last = jet_offsets[event], jet_offsets[event + 1]
        start = target_starts[event]
        targets = target_stops[event] - start
        begin, end = link_starts[event], link_stops[event]
        for jet in range(first, last):
            offsets[jet + 1] = 0
            broken[jet] = False
        for link in range(begin, end):
            jet = link_jet[link]
            if jet >= last - first:
                if beyond < 0:
                    beyond = event
            elif jet >= 0:
                if 0 <= link_target[link] < targets:
                    offsets[first + jet + 1] += 1
                else:
                    broken[first + jet] = True
        # Each jet's number of links turns into the place of its first one, which then moves on to its end.
        place = offsets[first]
        for jet in range(first, last):
            size = offsets[jet + 1]
            offsets[jet + 1] = place
            place += size
        for link in range(begin, end):
            jet, target = link_jet[link], link_target[link]
            if 0 <= jet < last - first and 0 <= target < targets:
                index[offsets[first + jet + 1]] = start + target
                offsets[first + jet + 1] += 1
        for jet in range(first, last):
            for position in range(offsets[jet], offsets[jet + 1]):
                target = index[position] - start
                if owner[target] == -1 - jet:  # another number than `_copy` left there
                    broken[jet] = True
                owner[target] = -1 - jet
    return beyond


@njit()
def rows_of_links(
    index: Index,
    offsets: Index,
    links: Spans,
    link_jet: npt.NDArray[Any],
    link_target: npt.NDArray[Any],
    jet_offsets: Index,
    targets: Spans,
) -> Index:
    """Return the row in the table of links of each constituent that `group_links` found, in the order of its index.

    Parameters are those of `group_links`, after what it returned. Of two links of one jet to one target, one is taken:
    such a jet is broken.
    """
    rows = np.zeros(len(index), np.int64)
    for event in range(len(jet_offsets) - 1):
        first = jet_offsets[event]
        jets = jet_offsets[event + 1] - first
        seen = np.zeros(jets, np.int64)
        for link in range(links.starts[event], links.stops[event]):
            jet = link_jet[link]
            if not 0 <= jet < jets:
                continue
            begin, end = offsets[first + jet], offsets[first + jet + 1]
            target = link_target[link] + targets.starts[event]
            # Links come in the order of the index as a rule: the next one first, then from the start.
            place = begin + seen[jet]
            if place >= end or index[place] != target:
                place = begin
                while place < end and index[place] != target:
                    place += 1
            if place < end:
                rows[place] = link
                seen[jet] += 1
    return rows


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
def pick_groups(
    rows: Index,
    index: Index,
    offsets: Index,
    broken: npt.NDArray[np.bool_],
) -> tuple[Index, Index, npt.NDArray[np.bool_]]:
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


def split_charged(index: Index, offsets: Index, pdg_id: npt.NDArray[Any]) -> tuple[Index, Index, Index, Index]:
    """Split grouped candidates into charged and neutral: ``(charged_index, charged_offsets, neutral_index,
    neutral_offsets)``."""
    charged, neutral = np.empty(len(index), np.int64), np.empty(len(index), np.int64)
    charged_offsets = np.zeros(len(offsets), np.int64)
    _split(index, offsets, pdg_id, charged, charged_offsets, neutral)
    neutral_offsets = offsets - charged_offsets
    return charged[: charged_offsets[-1]], charged_offsets, neutral[: neutral_offsets[-1]], neutral_offsets


@njit()
def _split(
    index: Index,
    offsets: Index,
    pdg_id: npt.NDArray[Any],
    charged: Index,
    charged_offsets: Index,
    neutral: Index,
) -> None:
    n_charged = n_neutral = np.uint64(0)
    for jet in range(len(offsets) - 1):
        for position in range(offsets[jet], offsets[jet + 1]):
            row = index[position]
            kind = abs(pdg_id[np.uint64(row)])
            is_charged = (kind == 211) | (kind == 11) | (kind == 13)
            # Written to both, counted for one: no branch, which would be mispredicted as often as not.
            charged[n_charged] = row
            neutral[n_neutral] = row
            n_charged += np.uint64(is_charged)
            n_neutral += np.uint64(not is_charged)
        charged_offsets[jet + 1] = n_charged
