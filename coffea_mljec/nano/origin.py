"""Jets that were cut, sorted or repeated upstream -> their rows in the collection that the file has, or a refusal.

A link table counts jets as the file has them. NanoEvents remember the file that they came from, so the file's own jets
can be read again; a jet is found among them by eta and phi, bit by bit, which corrections leave alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import JetsChangedError
from coffea_mljec.nano.jagged import content_and_offsets
from coffea_mljec.numerics.jit import njit

if TYPE_CHECKING:
    from coffea_mljec.nano.chunk import JetChunk

__all__ = ["Origin", "find_origin"]

AMBIGUOUS = -1
NOT_FOUND = -2
_IDENTITY = ("run", "luminosityBlock", "event")


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
    events, collection, jet_offsets = chunk.events, chunk.layout.collection, chunk.offsets
    read = _read_again(events, [f"{collection}.eta", f"{collection}.phi"])
    if read is None:
        return None
    eta, offsets = content_and_offsets(read[collection]["eta"], f"{collection}.eta")
    phi, _ = content_and_offsets(read[collection]["phi"], f"{collection}.phi")
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
    at = _events_of_file(events)
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


def _read_again(events: Any, columns: list[str]) -> Any:
    """These columns of all events of the chunk, from the file; None where it cannot be read.

    ``events.attrs["@events_factory"].events()`` would be the documented way, but that is the very array which
    ``events["Jet"] = ...`` has changed.
    """
    attrs = events.attrs
    factory, form, key = (attrs.get(name) for name in ("@events_factory", "@form", "@buffer_key"))
    mapping = getattr(factory, "_mapping", None)
    if mapping is None or form is None or key is None:
        return None
    form = ak.forms.from_dict(form) if isinstance(form, dict) else form
    try:
        read = ak.from_buffers(form.select_columns(columns), len(factory), mapping, buffer_key=key)
        return ak.materialize(read)
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError):
        # Whatever a closed or vanished file makes uproot and pyarrow raise: then there is no origin, and who needs it
        # refuses.
        return None


def _events_of_file(events: Any) -> npt.NDArray[np.int64] | None:
    """Row in the file's chunk of each event, by run, luminosity block and event number; None where they do not tell."""
    read = _read_again(events, list(_IDENTITY))
    if read is None:
        return None
    of_file, now = _ranks(_numbers(read), _numbers(events))
    order = np.argsort(of_file)
    of_file = of_file[order]
    if np.any(of_file[1:] == of_file[:-1]):
        return None
    position = np.minimum(np.searchsorted(of_file, now), max(len(of_file) - 1, 0))
    if len(of_file) == 0 or not np.array_equal(of_file[position], now):
        return None
    return order[position].astype(np.int64)


def _numbers(events: Any) -> list[npt.NDArray[np.uint64]]:
    return [np.asarray(events[name]).astype(np.uint64) for name in _IDENTITY]


def _ranks(
    first: list[npt.NDArray[np.uint64]], second: list[npt.NDArray[np.uint64]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """One number an event for its three: equal where all of them are. Records of three sort a hundred times slower."""
    split = len(first[0])
    rank = np.zeros(split + len(second[0]), np.int64)
    for one, other in zip(first, second, strict=True):
        values, place = np.unique(np.concatenate([one, other]), return_inverse=True)
        rank = np.unique(rank * len(values) + place, return_inverse=True)[1]
    return rank[:split], rank[split:]


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
