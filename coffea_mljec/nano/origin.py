"""Jets that were cut, sorted or repeated upstream -> their rows in the collection that the file has, or a refusal.

A link table counts jets as the file has them. They are read again (`coffea_mljec.nano.source`); a jet is found among
them by eta and phi, bit by bit, which corrections leave alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import JetsChangedError
from coffea_mljec.numerics.jit import njit

if TYPE_CHECKING:
    from coffea_mljec.nano.chunk import JetChunk

__all__ = ["Origin", "find_origin"]

AMBIGUOUS = -1
NOT_FOUND = -2


@dataclass(frozen=True)
class Origin:
    """Where the jets of a chunk were in the file.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n_events + 1,)
        Offsets of the file's own jets, event by event as the events are now.
    rows : ndarray of int64, shape (n_jets,)
        Row of each jet of the chunk among those; -1 where two of the file's jets have its direction, or it has none
        (NaN).
    unchanged : bool
        Whether the chunk has the file's jets, all of them in their order.
    """

    offsets: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    unchanged: bool


def find_origin(chunk: JetChunk) -> Origin | None:
    """Find the jets of a chunk in the collection that the file has.

    The events may themselves be masked, sliced or sorted in any way.

    Returns
    -------
    Origin or None
        None where the file's jets cannot be had: in a partition of dask events, in events that were pickled, built
        by hand or read from a file that is closed or gone, and where two events of the chunk bear the same numbers.

    Raises
    ------
    JetsChangedError
        If there is a jet that the file does not have.
    """
    source, collection, jet_offsets = chunk.source, chunk.layout.collection, chunk.offsets
    read_eta, read_phi = source.column(collection, "eta"), source.column(collection, "phi")
    if read_eta is None or read_phi is None:
        return None
    (eta, offsets), phi = read_eta, read_phi[0]
    now_eta, now_phi = chunk.jet("eta").astype(eta.dtype), chunk.jet("phi").astype(phi.dtype)
    if (
        np.array_equal(offsets, jet_offsets)
        and np.array_equal(eta, now_eta, equal_nan=True)
        and np.array_equal(phi, now_phi, equal_nan=True)
    ):
        return Origin(offsets, np.arange(len(eta)), True)
    at: npt.NDArray[np.int64] | None
    if len(offsets) == len(jet_offsets):
        at = np.arange(len(offsets) - 1)
        rows = _find(now_eta, now_phi, jet_offsets, eta, phi, offsets, at)
        if not np.any(rows == NOT_FOUND):
            return _origin(rows, at, offsets, jet_offsets)
    at = source.rows
    if at is None:
        return None
    rows = _find(now_eta, now_phi, jet_offsets, eta, phi, offsets, at)
    lost = np.flatnonzero(rows == NOT_FOUND)
    if len(lost) > 0:
        raise JetsChangedError(
            f"{len(lost)} of {len(rows)} jets of this chunk (first number {lost[0]}, eta {now_eta[lost[0]]:g}, phi "
            f"{now_phi[lost[0]]:g}) are not among the {collection} of the file, by eta and phi: their constituents "
            f"cannot be found. Correct the jets of the file, events['{collection}'] = mljec.apply(events), then change "
            "them."
        )
    return _origin(rows, at, offsets, jet_offsets)


def _origin(
    rows: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    jet_offsets: npt.NDArray[np.int64],
) -> Origin:
    """Rows within the events of the file -> rows within the events as they are now."""
    counts = np.diff(offsets)[at]
    new = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    begin = np.repeat(new[:-1], np.diff(jet_offsets))
    placed = np.where(rows >= 0, rows + begin, AMBIGUOUS)
    unchanged = np.array_equal(new, jet_offsets) and np.array_equal(placed, np.arange(len(rows)))
    return Origin(new, placed, unchanged)


@njit()
def _find(
    eta: npt.NDArray[Any],
    phi: npt.NDArray[Any],
    offsets: npt.NDArray[np.int64],
    file_eta: npt.NDArray[Any],
    file_phi: npt.NDArray[Any],
    file_offsets: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Row of each jet within the file's event ``at[event]``; AMBIGUOUS or NOT_FOUND."""
    rows = np.full(len(eta), NOT_FOUND, np.int64)
    for event in range(len(offsets) - 1):
        begin, end = file_offsets[at[event]], file_offsets[at[event] + 1]
        first = offsets[event]
        if end - begin == offsets[event + 1] - first:
            same = True
            for row in range(begin, end):
                jet = first + row - begin
                same &= file_eta[row] == eta[jet] and file_phi[row] == phi[jet]
            if same:  # all of the event's jets in their order, even if two of them have one direction
                rows[first : offsets[event + 1]] = np.arange(end - begin)
                continue
        for jet in range(first, offsets[event + 1]):
            if np.isnan(eta[jet]) or np.isnan(phi[jet]):
                rows[jet] = AMBIGUOUS
                continue
            for row in range(begin, end):
                if file_eta[row] == eta[jet] and file_phi[row] == phi[jet]:
                    if rows[jet] != NOT_FOUND:
                        rows[jet] = AMBIGUOUS
                        break
                    rows[jet] = row - begin
    return rows
