"""A jagged table of a chunk, flat: where each event's rows are, and its columns, each read once.

``events[mask]`` leaves the columns of a file as they are and keeps which lists remain. So does this: columns stay where
they lie, and each event says where its rows begin and end. Copying what remains would cost more than the correction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.nano.jagged import not_jagged, numbers_of
from coffea_mljec.numerics.jit import njit

__all__ = ["Index", "Spans", "Table", "rows_of", "spans_of"]

Index = npt.NDArray[np.int64]


class Spans(NamedTuple):
    """Event ``i`` owns the rows ``starts[i]:stops[i]``; both of shape (n_events,)."""

    starts: Index
    stops: Index


def spans_of(offsets: Index) -> Spans:
    """The spans of events whose rows lie one after the other."""
    return Spans(offsets[:-1], offsets[1:])


class Table:
    """One jagged collection of records.

    Parameters
    ----------
    layout : awkward content
        Of a collection, shape (n_events, variable), eager or virtual.
    name : str
        For messages.

    Attributes
    ----------
    spans : Spans
        Rows of each event in the columns that `column` returns.

    Raises
    ------
    InputError
        If it is not a plain jagged array of records (option or union types, for example).
    """

    def __init__(self, layout: ak.contents.Content, name: str) -> None:
        self.name = name
        collection, lists = ak.Array(layout), None
        if layout.is_indexed and not layout.is_option:
            lists, layout = _numbers(layout.index), layout.content
        if not layout.is_list:
            raise not_jagged(collection, name)
        if layout.is_regular:
            layout = layout.to_ListOffsetArray64(False)
        self._lazy = layout.is_list and not layout.is_regular and _is_lazy(getattr(layout, "offsets", None))
        starts, stops = _numbers(layout.starts), _numbers(layout.stops)
        self.spans = Spans(starts, stops) if lists is None else Spans(starts[lists], stops[lists])
        record, self._chosen = layout.content, None
        if record.is_indexed and not record.is_option:
            self._chosen, record = _numbers(record.index), record.content
        if not record.is_record:
            raise not_jagged(collection, name)
        self._record = record
        self._from_file: Callable[[str], npt.NDArray[Any]] | None = None
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._flat: dict[str, npt.NDArray[Any]] = {}

    @classmethod
    def of(cls, events: ak.contents.Content, name: str) -> Table:
        """A collection of the events, from their layout."""
        if events.is_record:
            # As it is: a slice of an array that was read does not tell any more that it is the file's own.
            table = events.contents[events.field_to_index(name)]
            if table.length == events.length:
                return cls(table, name)
        return cls(events[name], name)

    def as_in_file(self, spans: Spans, read: Callable[[str], npt.NDArray[Any]] | None = None) -> Table:
        """The same columns with the rows that the file has, whatever was chosen of them; or columns that are read
        otherwise."""
        other = copy(self)
        other._from_file = read
        for derived in ("counts", "offsets", "_rows"):
            other.__dict__.pop(derived, None)
        other.spans, other._chosen, other._columns, other._flat = spans, None, {}, {}
        return other

    @property
    def is_chosen(self) -> bool:
        """Whether rows were cut, sorted or repeated within the events."""
        return self._chosen is not None

    def is_lazy(self, fields: Iterable[str]) -> bool:
        """Whether the rows and these columns are still those that are read from the file when they are asked for."""
        contents = (self._record.contents[self._record.field_to_index(name)] for name in fields)
        return self._lazy and all(_is_lazy(content) for content in contents)

    @property
    def length(self) -> int:
        """Rows of the stored columns, whatever was chosen of them."""
        return int(self._record.length)

    @cached_property
    def counts(self) -> Index:
        """Rows of each event, shape (n_events,)."""
        return self.spans.stops - self.spans.starts

    @cached_property
    def offsets(self) -> Index:
        """Event ``i`` owns ``offsets[i]:offsets[i + 1]`` of what `flat` returns."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])

    def column(self, field: str) -> npt.NDArray[Any]:
        """All rows of the file's chunk, also those of events that were cut; see `spans`."""
        if field not in self._columns:
            values = self._read(field)
            self._columns[field] = values if self._chosen is None else values[self._chosen]
        return self._columns[field]

    def flat(self, field: str) -> npt.NDArray[Any]:
        """The rows of these events alone, one event after the other; see `offsets`."""
        if field not in self._flat:
            rows = self._rows
            self._flat[field] = self._read(field)[rows]
        return self._flat[field]

    @cached_property
    def _rows(self) -> slice | Index:
        """Rows of the stored columns that belong to these events."""
        starts, stops = self.spans
        if np.array_equal(starts[1:], stops[:-1]):
            together = slice(int(starts[0]), int(stops[-1])) if len(starts) else slice(0, 0)
            return together if self._chosen is None else self._chosen[together]
        rows = rows_of(self.spans)
        return rows if self._chosen is None else self._chosen[rows]

    def _read(self, field: str) -> npt.NDArray[Any]:
        if self._from_file is not None:
            return self._from_file(field)
        values = numbers_of(self._record.content(field), f"{self.name}.{field}")
        if len(values) < self._record.length:
            raise InputError(
                f"{self.name}.{field} has {len(values)} values for {self._record.length} rows: the file is "
                "inconsistent."
            )
        return values


def _is_lazy(array: Any) -> bool:
    """Whether an index or a column is one of awkward's virtual arrays, read or not."""
    return hasattr(getattr(array, "data", None), "materialize")


def rows_of(spans: Spans) -> Index:
    """All rows of the spans, one after the other."""
    return _listed(*spans, int(np.sum(spans.stops - spans.starts)))


def _numbers(index: Any) -> Index:
    return np.asarray(index.data).astype(np.int64, copy=False)


@njit()
def _listed(starts: Index, stops: Index, size: int) -> Index:
    rows = np.empty(size, np.int64)
    count = 0
    for event in range(len(starts)):
        for row in range(starts[event], stops[event]):
            rows[count] = row
            count += 1
    return rows
