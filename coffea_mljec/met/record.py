"""Vectors per event -> the corrected MET collection, with variations that are evaluated when they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.jagged import traced_column
from coffea_mljec.status import STATUS_TYPE

__all__ = ["Vectors", "met_meta", "with_met"]

FloatArray = npt.NDArray[np.float64]
Vectors = Callable[[], FloatArray]
"""px and py of a chunk, shape (n_events, 2), when they are asked for."""

_FIELDS: dict[str, Any] = {
    "pt": np.float32, "phi": np.float32, "pt_raw": np.float32, "phi_raw": np.float32,
    "pt_orig": np.float32, "phi_orig": np.float32, "mljec_status": STATUS_TYPE,
}  # fmt: skip
_SYSTEMATIC = "METSystematic"
_DIRECTIONS = ("up", "down")


def with_met(
    met: ak.Array, columns: Mapping[str, npt.NDArray[Any]], variations: Mapping[str, Mapping[str, Vectors]]
) -> ak.Array:
    """Return the collection with new columns; everything else is shared with the input.

    Parameters
    ----------
    met : ak.Array
        One record an event.
    columns : mapping of str to ndarray, shape (n_events,)
        All of pt, phi, pt_raw, phi_raw, pt_orig, phi_orig, mljec_status.
    variations : mapping of str to mapping of str to callable
        Name -> ``up``, ``down`` -> px and py. Those of an earlier correction are replaced.

    Returns
    -------
    ak.Array
        With a record ``METSystematic`` of ``up`` and ``down`` for each variation: the nominal record with another pt
        and phi, each evaluated when it is read.
    """
    layout = ak.to_layout(met)
    fields, parameters = _fields_of(layout)
    for name, dtype in _FIELDS.items():
        fields[name] = ak.contents.NumpyArray(np.ascontiguousarray(columns[name], dtype=dtype))
    added: dict[str, Any] = {}
    for name, directions in variations.items():
        pair = []
        for direction in _DIRECTIONS:
            polar = _Polar(directions[direction])
            new = {"pt": _virtual(polar.pt, layout.length), "phi": _virtual(polar.phi, layout.length)}
            pair.append(_record(layout, fields | new, parameters))
        added[name] = _record(layout, dict(zip(_DIRECTIONS, pair, strict=True)), {"__record__": _SYSTEMATIC})
    return ak.Array(_record(layout, fields | added, parameters), behavior=met.behavior, attrs=met.attrs)


def met_meta(met: ak.Array, names: tuple[str, ...]) -> ak.Array:
    """The same collection for a typetracer: the types of `with_met` without any values."""
    layout = ak.to_layout(met)
    fields, parameters = _fields_of(layout)
    fields |= {name: traced_column(dtype) for name, dtype in _FIELDS.items()}
    pair = _record(layout, dict.fromkeys(_DIRECTIONS, _record(layout, fields, parameters)), {"__record__": _SYSTEMATIC})
    new = _record(layout, fields | dict.fromkeys(names, pair), parameters)
    return ak.Array(new, behavior=met.behavior, attrs=met.attrs)


class _Polar:
    """One varied MET."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    @cached_property
    def _xy(self) -> FloatArray:
        return self.vectors()

    def pt(self) -> npt.NDArray[np.float32]:
        """GeV."""
        return np.hypot(self._xy[:, 0], self._xy[:, 1]).astype(np.float32)

    def phi(self) -> npt.NDArray[np.float32]:
        """In [-pi, pi]."""
        return np.arctan2(self._xy[:, 1], self._xy[:, 0]).astype(np.float32)


def _fields_of(layout: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a collection, without the variations of an earlier correction, and its parameters."""
    record = layout.content if layout.is_indexed else layout
    names = [name for name in record.fields if not _is_systematic(record.content(name))]
    return {name: _content(layout, name) for name in names}, record.parameters


def _record(like: Any, fields: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    """Records as many as there are."""
    return ak.contents.RecordArray(
        list(fields.values()), list(fields), length=like.length, parameters=parameters, backend=like.backend
    )


def _content(layout: Any, name: str) -> Any:
    """One field, through a lazy index if there is one (so that a virtual column stays virtual)."""
    if layout.is_indexed:
        inner = layout.content
        return ak.contents.IndexedArray.simplified(layout.index, inner.content(name)[: inner.length])
    return layout.content(name)[: layout.length]


def _is_systematic(content: Any) -> bool:
    while content.is_indexed:
        content = content.content
    return bool(content.parameter("__record__") == _SYSTEMATIC)


def _virtual(values: Callable[[], npt.NDArray[np.float32]], length: int) -> Any:
    """One column that is evaluated when it is read."""
    form = ak.forms.NumpyForm("float32", form_key="column")
    return ak.from_buffers(form, length, {"column-data": values}, highlevel=False)
