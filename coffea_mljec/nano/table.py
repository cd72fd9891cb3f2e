"""A jagged table of a chunk, flat: where each event's rows are, and its columns, each read once.

``events[mask]`` leaves the columns of a file as they are and keeps which lists remain. So does this: columns stay where
they lie, and each event says where its rows begin and end. Copying what remains would cost more than the correction.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.nano.jagged import not_jagged
from coffea_mljec.numerics.jit import njit

__all__ = ["Index", "Spans", "Table", "spans_of"]

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
        starts, stops = _numbers(layout.starts), _numbers(layout.stops)
        self.spans = Spans(starts, stops) if lists is None else Spans(starts[lists], stops[lists])
        record, self._chosen = layout.content, None
        if record.is_indexed and not record.is_option:
            self._chosen, record = _numbers(record.index), record.content
        if not record.is_record:
            raise not_jagged(collection, name)
        self._record = record
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._flat: dict[str, npt.NDArray[Any]] = {}

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
        rows = _listed(starts, stops, int(self.offsets[-1]))
        return rows if self._chosen is None else self._chosen[rows]

    def _read(self, field: str) -> npt.NDArray[Any]:
        content = self._record.content(field)
        if content.is_indexed and not content.is_option:
            content = content.project()
        if not content.is_numpy:
            raise not_jagged(ak.Array(content), f"{self.name}.{field}")
        values = np.asarray(content.to_backend_array())
        if len(values) < self._record.length:
            raise InputError(
                f"{self.name}.{field} has {len(values)} values for {self._record.length} rows: the file is "
                "inconsistent."
            )
        return values


def _numbers(index: Any) -> Index:
    return np.asarray(index.data).astype(np.int64, copy=False)


@njit()
def _listed(starts: Index, stops: Index, size: int) -> Index:
    """All rows of the spans, one after the other."""
    rows = np.empty(size, np.int64)
    count = 0
    for event in range(len(starts)):
        for row in range(starts[event], stops[event]):
            rows[count] = row
            count += 1
    return rows
