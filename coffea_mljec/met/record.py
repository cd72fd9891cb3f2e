"""Vectors per event -> the corrected MET collection, with variations that are evaluated when they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

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
    record = layout.content if layout.is_indexed else layout
    fields = {name: _content(layout, name) for name in record.fields if not _is_systematic(record.content(name))}
    for name, dtype in _FIELDS.items():
        fields[name] = ak.contents.NumpyArray(np.ascontiguousarray(columns[name], dtype=dtype))
    length, parameters = layout.length, record.parameters
    added: dict[str, Any] = {}
    for name, directions in variations.items():
        pair = []
        for direction in _DIRECTIONS:
            polar = _Polar(directions[direction])
            new = {"pt": _virtual(polar.pt, length), "phi": _virtual(polar.phi, length)}
            contents = [new.get(field, content) for field, content in fields.items()]
            pair.append(ak.contents.RecordArray(contents, list(fields), length=length, parameters=parameters))
        added[name] = ak.contents.RecordArray(
            pair, list(_DIRECTIONS), length=length, parameters={"__record__": _SYSTEMATIC}
        )
    fields |= added
    new_layout = ak.contents.RecordArray(list(fields.values()), list(fields), length=length, parameters=parameters)
    return ak.Array(new_layout, behavior=met.behavior, attrs=met.attrs)


def met_meta(met: ak.Array, names: tuple[str, ...]) -> ak.Array:
    """The same collection for a typetracer: the types of `with_met` without any values."""
    record = ak.to_layout(met)
    stale = [name for name in met.fields if _is_systematic(record.content(name))]
    nominal = ak.without_field(met, stale) if stale else met
    for name, dtype in _FIELDS.items():
        nominal = ak.with_field(nominal, ak.values_astype(met["pt"], dtype), name)
    varied = nominal
    for name in names:
        pair = ak.zip({"up": nominal, "down": nominal}, depth_limit=1, with_name=_SYSTEMATIC)
        varied = ak.with_field(varied, pair, name)
    return varied


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
