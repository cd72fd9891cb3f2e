"""Links -> constituents grouped by jet: a copy where they come in order, a sort where not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.table import Index, Spans
from coffea_mljec.numerics.jit import njit

__all__ = ["CHARGED_IDS", "group_links", "order_rows", "pick_groups", "rows_of_links", "split_charged"]

CHARGED_IDS = (11, 13, 211)
"""|pdgId| of charged candidates; every other candidate is neutral (1 and 2 are HF hadrons and HF electrons/photons)."""


def group_links(
    links: Spans,
    link_jet: npt.NDArray[Any],
    link_target: npt.NDArray[Any],
    jet_offsets: Index,
    targets: Spans,
    droppable: bool = False,
) -> tuple[Index, Index, npt.NDArray[np.bool_], int]:
    """Sort links by jet, and within a jet by the rows of their targets.

    Files have them so, as a rule; then they are copied. The order of sums decides over their last bit, so that it must
    not depend on that of the links.

    Parameters
    ----------
    links, targets : Spans
        Rows of each event in the link table and in that of the candidates (or vertices).
    link_jet, link_target : ndarray of int, shape (n_links,)
        Index of the jet and of the candidate within the event. A negative jet index is a link to nothing.
    jet_offsets : ndarray of int64, shape (n_events + 1,)
    droppable : bool
        Whether a target of -1 is a link to nothing as well (vertices below the threshold of their table), and not a
        constituent that the file has lost.

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
    nothing = -1 if droppable else -(2**62)
    beyond = _group(*links, link_jet, link_target, nothing, jet_offsets, *targets, index, offsets, broken)
    return index[: offsets[-1]], offsets, broken, int(beyond)


@njit()
def _group(
    link_starts: Index,
    link_stops: Index,
    link_jet: npt.NDArray[Any],
    link_target: npt.NDArray[Any],
    nothing: int,
    jet_offsets: Index,
    target_starts: Index,
    target_stops: Index,
    index: Index,
    offsets: Index,
    broken: npt.NDArray[np.bool_],
) -> int:
    """Fill what `group_links` returns, event by event; return ``beyond``."""
    beyond = -1
    for event in range(len(jet_offsets) - 1):
        first, last = jet_offsets[event], jet_offsets[event + 1]
        start = target_starts[event]
        targets = target_stops[event] - start
        begin, end = link_starts[event], link_stops[event]
        link, count = begin, offsets[first]
        for jet in range(first, last):
            ordered: np.bool_ = np.bool_(True)
            previous = np.int64(-1)
            # Casts, because numba makes floats of signed and unsigned numbers together.
            while link < end and np.int64(link_jet[link]) == jet - first:
                target = np.int64(link_target[link])
                if 0 <= target < targets:
                    ordered &= target > previous
                    previous = target
                    index[count] = start + target
                    count += 1
                elif target != nothing:
                    broken[jet] = True
                link += 1
            if not ordered:
                broken[jet] |= _sort(index, offsets[jet], count)
            offsets[jet + 1] = count
        if link < end:  # not jet by jet
            strangers = _count(link_jet, link_target, begin, end, nothing, first, last, targets, offsets, broken)
            if strangers and beyond < 0:
                beyond = event
            for link in range(begin, end):
                owner, target = np.int64(link_jet[link]), np.int64(link_target[link])
                if 0 <= owner < last - first and 0 <= target < targets:
                    index[offsets[first + owner + 1]] = start + target
                    offsets[first + owner + 1] += 1
            for jet in range(first, last):
                broken[jet] |= _sort(index, offsets[jet], offsets[jet + 1])
    return beyond


@njit()
def _count(
    link_jet: npt.NDArray[Any],
    link_target: npt.NDArray[Any],
    begin: int,
    end: int,
    nothing: int,
    first: int,
    last: int,
    targets: int,
    offsets: Index,
    broken: npt.NDArray[np.bool_],
) -> bool:
    """Turn ``offsets[jet + 1]`` of an event into the place of the jet's first link, for links in any order; return
    whether there are links to jets that the event does not have."""
    strangers = False
    for jet in range(first, last):
        offsets[jet + 1] = 0
        broken[jet] = False
    for link in range(begin, end):
        owner, target = np.int64(link_jet[link]), np.int64(link_target[link])
        if owner >= last - first:
            strangers = True
        elif owner >= 0:
            if 0 <= target < targets:
                offsets[first + owner + 1] += 1
            elif target != nothing:
                broken[first + owner] = True
    place = offsets[first]
    for jet in range(first, last):
        size = offsets[jet + 1]
        offsets[jet + 1] = place
        place += size
    return strangers


@njit()
def _sort(index: Index, begin: int, end: int) -> bool:
    """Sort a part of the index in place, by insertion (it is short, and mostly in order); return whether a row is there
    twice."""
    twice = False
    for position in range(begin + 1, end):
        row = index[position]
        place = position
        while place > begin and index[place - 1] > row:
            index[place] = index[place - 1]
            place -= 1
        twice |= place > begin and index[place - 1] == row
        index[place] = row
    return twice


@njit()
def order_rows(
    index: Index,
    offsets: Index,
    first: npt.NDArray[Any],
    second: npt.NDArray[Any],
    third: npt.NDArray[Any],
) -> None:
    """Sort the rows of each jet in place by what they hold, where no link gives them a number of their own.

    By falling ``first``, then by falling ``second`` and ``third``; where all three are equal, or one is NaN, rows stay
    as they are. By insertion: files have their hardest candidates first, as a rule.
    """
    for jet in range(len(offsets) - 1):
        begin = offsets[jet]
        for position in range(begin + 1, offsets[jet + 1]):
            row = index[position]
            place = position
            while place > begin:
                before = index[place - 1]
                if first[before] != first[row]:
                    later = first[before] < first[row]
                elif second[before] != second[row]:
                    later = second[before] < second[row]
                else:
                    later = third[before] < third[row]
                if not later:
                    break
                index[place] = before
                place -= 1
            index[place] = row


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
            jet = np.int64(link_jet[link])
            if not 0 <= jet < jets:
                continue
            begin, end = offsets[first + jet], offsets[first + jet + 1]
            target = np.int64(link_target[link]) + targets.starts[event]
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
