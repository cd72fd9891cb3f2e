"""`Source`: what the file has behind a chunk of events, to be read again.

NanoEvents remember the file that they came from. What an analysis did to them, cuts of events, of jets, of candidates,
does not change what is there: links count the rows of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import JetsChangedError
from coffea_mljec.nano.jagged import content_and_offsets, numbers_of
from coffea_mljec.nano.table import Index, Spans, Table, rows_of

__all__ = ["Source"]

_IDENTITY = ("run", "luminosityBlock", "event")


class Source:
    """The file's own columns of a chunk.

    Parameters
    ----------
    events : NanoEvents
        Eager or virtual, masked, sliced or sorted in any way.
    """

    def __init__(self, events: Any) -> None:
        self._events = events
        self._tables: dict[str, tuple[Index, dict[str, npt.NDArray[Any]]]] = {}

    @property
    def places(self) -> tuple[str, ...]:
        """What is known of where the events come from: the file, and what the metadata of the events say."""
        factory = self._events.attrs.get("@events_factory")
        opener = getattr(getattr(factory, "_mapping", None), "_fileopener", None)
        files = getattr(opener, "_uuid_pfnmap", None)
        metadata = getattr(self._events, "metadata", None)
        found = [*(files or {}).values(), *(metadata.values() if isinstance(metadata, dict) else ())]
        return tuple(str(place) for place in found if isinstance(place, (str, os.PathLike)))

    def column(self, table: str, field: str) -> tuple[npt.NDArray[Any], Index] | None:
        """A jagged column of all events of the file's chunk, flat, and its offsets; None where it cannot be read.

        That is in a partition of dask events, and in events that were pickled, built by hand or read from a file that
        is closed or gone.
        """
        read = self._table(table, [field])
        return None if read is None else (read[1][field], read[0])

    def offsets(self, table: str) -> Index | None:
        """Where the file's events have their rows in a table, shape (n_events + 1,); None where it cannot be read."""
        read = self._table(table, [])
        return None if read is None else read[0]

    def _table(self, name: str, fields: Iterable[str]) -> tuple[Index, dict[str, npt.NDArray[Any]]] | None:
        """Offsets and flat columns of a table, together: to ask the file takes longer than what it answers."""
        kept = self._tables.get(name)
        if kept is None or not kept[1].keys() >= set(fields):
            read = self._read({name: list(fields)})
            if read is None:
                return None
            content = read.content(name)
            offsets = np.asarray(content.offsets.data).astype(np.int64, copy=False)
            columns = {f: content_and_offsets(ak.Array(content[f]), f"{name}.{f}")[0] for f in fields}
            self._tables[name] = kept = offsets, (kept[1] if kept else {}) | columns
        return kept

    @cached_property
    def rows(self) -> Index | None:
        """Row in the file's chunk of each event, by run, luminosity block and event number; None where they do not
        tell: the file cannot be read, or two of its events bear the same numbers."""
        read, events = self._read(dict.fromkeys(_IDENTITY)), ak.to_layout(self._events)
        if read is None or not set(_IDENTITY) <= set(events.fields):
            return None
        of_file, now = _numbers(read), _numbers(events)
        if all(np.array_equal(one, other) for one, other in zip(of_file, now, strict=True)):
            return np.arange(len(now[0]))
        return _places(*_ranks(of_file, now))

    def constituents(self, table: Table) -> Table:
        """A table of candidates or vertices with the rows that the file has, where they were cut, sorted or repeated.

        Columns that somebody gave other values keep them.

        Raises
        ------
        JetsChangedError
            If the rows are not those of the file, and cannot be found there.
        """
        return table if self._is_own(table, {}) else self._again(table, of_file=False)

    def links(self, table: Table, fields: Iterable[str]) -> Table:
        """A table of links as the file has it, with all its columns, if ``fields`` or its rows were changed; errors as
        of `constituents`."""
        if table.is_lazy(fields) and not table.is_chosen:
            return table
        self._table(table.name, fields)  # together, where all are there
        read = {field: column[0] for field in fields if (column := self.column(table.name, field)) is not None}
        return table if self._is_own(table, read) else self._again(table, of_file=True)

    def _is_own(self, table: Table, columns: Mapping[str, npt.NDArray[Any]]) -> bool:
        """Whether a table has the rows of the file, and these columns, event by event; True where nobody knows."""
        if table.is_chosen:
            return False
        if not columns and table.is_lazy(()):
            return True
        offsets = self.offsets(table.name)
        if offsets is None:
            return True
        if np.array_equal(np.diff(offsets), table.counts):
            return all(np.array_equal(table.flat(name), column) for name, column in columns.items())
        if self.rows is None:
            return True
        spans = Spans(offsets[:-1][self.rows], offsets[1:][self.rows])
        if not np.array_equal(table.counts, spans.stops - spans.starts):
            return False
        rows = rows_of(spans) if columns else None
        return all(np.array_equal(table.flat(name), column[rows]) for name, column in columns.items())

    def _again(self, table: Table, of_file: bool) -> Table:
        """The rows of the file, with its own columns, or with those that lie behind what was chosen of them."""
        offsets = self.offsets(table.name)
        behind = offsets is not None and table.is_chosen and table.length == offsets[-1]
        if offsets is None or self.rows is None or not (of_file or behind):
            raise _changed(table.name)
        spans = Spans(offsets[:-1][self.rows], offsets[1:][self.rows])
        return table.as_in_file(spans, partial(self._column_of, table.name) if of_file else None)

    def _column_of(self, table: str, field: str) -> npt.NDArray[Any]:
        column = self.column(table, field)
        if column is None:
            raise _changed(table)
        return column[0]

    def _read(self, wanted: Mapping[str, list[str] | None]) -> Any:
        """What the events were made from: tables with these columns, or columns of the events (None).

        ``events.attrs["@events_factory"].events()`` would be the documented way, but that is the very array which
        ``events["Jet"] = ...`` has changed.
        """
        attrs = self._events.attrs
        factory, form, key = (attrs.get(name) for name in ("@events_factory", "@form", "@buffer_key"))
        mapping = getattr(factory, "_mapping", None)
        if mapping is None or not isinstance(form, dict) or key is None:
            return None
        try:
            chosen = ak.forms.from_dict(_chosen(form, wanted))
            read = ak.from_buffers(chosen, len(factory), mapping, buffer_key=key, highlevel=False)
            return ak.materialize(read, highlevel=False)
        except (OSError, ValueError, RuntimeError, KeyError, IndexError, AttributeError, TypeError):
            # A closed, removed or damaged file makes uproot and pyarrow raise: then nothing is known of it, and who
            # needs it refuses.
            return None


def _chosen(form: dict[str, Any], wanted: Mapping[str, list[str] | None]) -> dict[str, Any]:
    """A part of the form of events, as a dictionary: to parse all of it takes longer than to read what is wanted."""
    contents = []
    for name, fields in wanted.items():
        content = form["contents"][form["fields"].index(name)]
        if fields is not None:
            record = content["content"]
            columns = [record["contents"][record["fields"].index(field)] for field in fields]
            content = content | {"content": record | {"fields": fields, "contents": columns}}
        contents.append(content)
    return form | {"fields": list(wanted), "contents": contents}


def _changed(table: str) -> JetsChangedError:
    return JetsChangedError(
        f"the rows of {table} are not those of the file: they were cut, sorted or repeated before the correction, and "
        "cannot be found again (copied since, dask mode, pickled events, a closed file). Links count the rows of the "
        f"file. Correct first, then change {table}."
    )


def _numbers(events: Any) -> list[npt.NDArray[np.uint64]]:
    return [numbers_of(events[name], name).astype(np.uint64) for name in _IDENTITY]


def _places(of_file: Index, now: Index) -> Index | None:
    """Where each of the second is in the first; None if one is not there or is there twice."""
    order = np.argsort(of_file)
    of_file = of_file[order]
    if np.any(of_file[1:] == of_file[:-1]):
        return None
    position = np.minimum(np.searchsorted(of_file, now), max(len(of_file) - 1, 0))
    if len(of_file) == 0 or not np.array_equal(of_file[position], now):
        return None
    return order[position].astype(np.int64)


def _ranks(first: list[npt.NDArray[np.uint64]], second: list[npt.NDArray[np.uint64]]) -> tuple[Index, Index]:
    """One number an event for its three: equal where all of them are. Records of three sort a hundred times slower."""
    split = len(first[0])
    rank = np.zeros(split + len(second[0]), np.int64)
    for one, other in zip(first, second, strict=True):
        values, place = np.unique(np.concatenate([one, other]), return_inverse=True)
        rank = np.unique(rank * len(values) + place, return_inverse=True)[1]
    return rank[:split], rank[split:]
