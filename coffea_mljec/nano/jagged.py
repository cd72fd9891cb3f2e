"""From one awkward column to flat content + offsets, and back. Only this and `table` look into awkward layouts."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError

__all__ = [
    "content_and_offsets",
    "flat_column",
    "jagged_of",
    "not_jagged",
    "numbers_of",
    "offsets_of",
    "traced_column",
    "with_columns",
]


def content_and_offsets(array: ak.Array, what: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return the flat content of a jagged numeric column and its offsets, which start at 0.

    Parameters
    ----------
    array : ak.Array
        One number per entry of a jagged collection, shape (n_events, variable).
    what : str
        Name for the error message, such as ``"Jet.pt"``.

    Raises
    ------
    InputError
        If the column is not a plain jagged array of numbers (option or union types, for example).
    """
    layout = ak.to_layout(array)
    if layout.is_indexed and not layout.is_option:
        layout = layout.project()
    if not layout.is_list:
        raise not_jagged(array, what)
    layout = layout.to_ListOffsetArray64(True)
    offsets = np.asarray(layout.offsets.data, dtype=np.int64)
    content = layout.content[: offsets[-1]]
    return numbers_of(content, what), offsets


def numbers_of(content: ak.contents.Content, what: str) -> npt.NDArray[Any]:
    """Return the numbers of a flat content, one a row, in a type that numba knows.

    Parameters
    ----------
    content : awkward content
    what : str
        Name for the error message, such as ``"Jet.pt"``.

    Raises
    ------
    InputError
        If there are missing values, lists, records, text, dates, truth values or complex numbers.
    """
    if content.is_option and not np.any(content.mask_as_bool(valid_when=False)):
        content = content.project()
    if content.is_indexed and not content.is_option:
        content = content.project()
    if not content.is_numpy:
        raise InputError(
            f"{what} must hold one number a row; got type {ak.type(content)}. Remove missing values (ak.drop_none, "
            "ak.fill_none) and lists (ak.firsts) first."
        )
    values = np.asarray(content.to_backend_array())
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise InputError(
            f"{what} must hold one number a row; got {values.dtype}{f' of shape {values.shape}' * (values.ndim != 1)}."
        )
    if values.dtype.kind == "f" and values.itemsize not in (4, 8):
        return values.astype(np.float32 if values.itemsize < 4 else np.float64)
    return values


def flat_column(array: ak.Array, what: str) -> npt.NDArray[Any]:
    """Return the flat content of a jagged numeric column (see `content_and_offsets`)."""
    return content_and_offsets(array, what)[0]


def offsets_of(collection: ak.Array, what: str) -> npt.NDArray[np.int64]:
    """Return the offsets of a jagged collection of records, starting at 0, without reading any of its fields."""
    layout = ak.to_layout(collection)
    if layout.is_indexed and not layout.is_option:
        layout = layout.project()
    if not layout.is_list:
        raise not_jagged(collection, what)
    counts = np.asarray(ak.num(layout, axis=1, highlevel=False).to_backend_array(), dtype=np.int64)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def with_columns(
    collection: ak.Array, columns: Mapping[str, npt.NDArray[Any] | ak.contents.Content], without: Container[str] = ()
) -> ak.Array:
    """Return a copy of a jagged collection with flat columns set, everything else shared with the input.

    It may be a typetracer, with columns that are typetracers.
    Fields that are not set are neither copied nor read (virtual columns stay virtual); record name, behaviours,
    documentation and coffea's cross references are kept.

    Parameters
    ----------
    collection : ak.Array
        Jagged collection of records, shape (n_events, variable).
    columns : mapping of str to ndarray or awkward content, length n_records
        New or replaced fields, in the order of the flattened records.
    without : container of str
        Fields to leave out.
    """
    layout = ak.to_layout(collection)
    if layout.is_indexed and not layout.is_option:
        layout = layout.project()
    if not layout.is_list:
        raise not_jagged(collection, "the collection")
    traced = ak.backend(layout) == "typetracer"  # of unknown length
    layout = layout.to_ListOffsetArray64(not traced)
    offsets = layout.offsets
    content = layout.content if traced else layout.content[: int(offsets[-1])]
    fields = {name: _field(content, name) for name in content.fields if name not in without}
    if content.is_indexed and not content.is_option:
        record_parameters = (content.content.parameters or {}) | (content.parameters or {})
    elif content.is_record:
        record_parameters = content.parameters
    else:
        raise not_jagged(collection, "the collection")
    for name, values in columns.items():
        is_content = isinstance(values, ak.contents.Content)
        fields[name] = values if is_content else ak.contents.NumpyArray(np.ascontiguousarray(values))
    record = ak.contents.RecordArray(
        list(fields.values()), list(fields), length=content.length, parameters=record_parameters, backend=layout.backend
    )
    new = ak.contents.ListOffsetArray(offsets, record, parameters=layout.parameters)
    return ak.Array(new, behavior=collection.behavior, attrs=collection.attrs)


def traced_column(dtype: npt.DTypeLike, width: int | None = None) -> ak.contents.Content:
    """A column without values for the collection of a typetracer, of numbers or of rows of `width` numbers."""
    form = ak.forms.NumpyForm(np.dtype(dtype).name, inner_shape=() if width is None else (width,))
    return form.length_zero_array(highlevel=False).to_typetracer(forget_length=True)


def jagged_of(columns: Mapping[str, npt.NDArray[Any]], offsets: npt.NDArray[np.int64]) -> ak.Array:
    """Return flat columns as records, one list an event; event ``i`` owns the rows ``offsets[i]:offsets[i + 1]``."""
    contents = [ak.contents.NumpyArray(np.ascontiguousarray(values)) for values in columns.values()]
    record = ak.contents.RecordArray(contents, list(columns), length=int(offsets[-1]))
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), record))


def _field(content: Any, name: str) -> Any:
    """One field of a record content, through a lazy index if there is one (so that a virtual column stays virtual)."""
    if content.is_indexed:
        inner = content.content
        return ak.contents.IndexedArray.simplified(content.index, inner.content(name)[: inner.length])
    return content.content(name)[: content.length]


def not_jagged(array: ak.Array, what: str) -> InputError:
    """The error for an array that is not one list of plain values an event."""
    return InputError(
        f"{what} must be a plain jagged array, one list of values per event; got type {ak.type(array)}. "
        "Remove missing values (ak.drop_none) and merged types (ak.concatenate of unlike records) first."
    )
