"""Varied jets: columns of the corrected collection in coffea's convention, evaluated when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.record import refreshed_raw_factor
from coffea_mljec.nano import Layout
from coffea_mljec.nano.jagged import traced_column, with_columns
from coffea_mljec.systematics.shifted import Direction, Shifted
from coffea_mljec.systematics.shifts import Systematics

__all__ = ["pair_of", "stale_fields", "varied_columns", "varied_meta", "with_variations", "without_fields"]

Columns = dict[str, npt.NDArray[Any]]

_DIRECTIONS: tuple[Direction, Direction] = ("up", "down")
_SHIFTED_FIELDS = ("pt", "mass", "rawFactor")
_JEC_FIELDS = ("pt_jec", "mass_jec")
_JER_FIELDS = ("pt_jer", "mass_jer", "jet_energy_resolution", "jet_energy_resolution_correction")
_SCALE_FACTOR = "jet_energy_resolution_scale_factor"
_UNCERTAINTY = "jet_energy_uncertainty_"


def stale_fields(jets: Any) -> tuple[str, ...]:
    """Return the fields that an earlier correction by this package has set and the next one must not leave behind."""
    if "mljec_status" not in jets.fields:
        return ()
    known = {*_JEC_FIELDS, *_JER_FIELDS, _SCALE_FACTOR, "JER", "JMS", "JMR", "pt_resolution"}
    ours = (_UNCERTAINTY, "JES_", "JER_", "mljec_")
    return tuple(name for name in jets.fields if name != "mljec_status" and (name in known or name.startswith(ours)))


def nominal_columns(columns: Columns, shifted: Shifted) -> Columns:
    """Return the columns with nominal smearing, and what it was made from, beside them.

    Parameters
    ----------
    columns : dict of str to ndarray
        From `coffea_mljec.corrections.record.correction_columns`, not smeared.
    shifted : Shifted
    """
    columns = columns | {"pt_jec": columns["pt"], "mass_jec": columns["mass"]}
    if not shifted.smears:
        return columns
    factor = shifted.nominal
    columns |= _shifted(columns, factor)
    return columns | {
        "pt_jer": columns["pt"],
        "mass_jer": columns["mass"],
        "jet_energy_resolution": shifted.resolution.astype(np.float32),
        "jet_energy_resolution_correction": factor.astype(np.float32),
    }


def _shifted(columns: Columns, factor: npt.NDArray[np.float64]) -> Columns:
    """pt, mass and rawFactor where the corrected, unsmeared jets are scaled by a factor."""
    with np.errstate(invalid="ignore", over="ignore"):
        pt = (columns["pt_jec"] * factor).astype(np.float32)
        mass = (columns["mass_jec"] * factor).astype(np.float32)
    return {"pt": pt, "mass": mass, "rawFactor": refreshed_raw_factor(pt, columns["pt_raw"])}


def with_variations(jets: ak.Array, columns: Columns, shifted: Shifted, names: tuple[str, ...]) -> ak.Array:
    """Return the corrected collection with all its variations, none of which is evaluated yet.

    Parameters
    ----------
    jets : ak.Array
        The collection as it came.
    columns : dict of str to ndarray
        From `correction_columns`, not smeared.
    shifted : Shifted
    names : tuple of str
        From `Systematics.names`.

    Returns
    -------
    ak.Array
        The collection with ``pt`` smeared, ``pt_jec``, ``mass_jec``, ``pt_jer``, ``mass_jer``, the resolution and its
        scale factors (nominal, up, down), for each source ``jet_energy_uncertainty_<source>`` (1 + up, 1 - down), and
        for each variation a record ``JetSystematic`` of jets ``up`` and ``down``: jets as they are, with another
        ``pt``, ``mass`` and ``rawFactor``.
    """
    columns = nominal_columns(columns, shifted)
    nominal = with_columns(jets, columns, without=stale_fields(jets))
    record = nominal.layout.content
    added: dict[str, Any] = {}
    if shifted.smears:
        added[_SCALE_FACTOR] = _virtual(_ScaleFactors(shifted).table, len(record), np.float32, 3)
    for number, name in enumerate(names):
        pair = _Pair(shifted, number, columns)
        if pair.source is not None:
            added[_UNCERTAINTY + pair.source] = _virtual(pair.table, len(record), np.float32, 2)
        added[name] = pair_of(pair.jets(record, "up"), pair.jets(record, "down"))
    return with_columns(nominal, added)


def varied_columns(columns: Columns, shifted: Shifted, names: tuple[str, ...]) -> Iterator[tuple[str, Columns]]:
    """Yield the name and the columns of nominal and every variation, one at a time; nothing is kept."""
    nominal = nominal_columns(columns, shifted)
    yield "nominal", nominal
    for number, name in enumerate(names):
        for direction in _DIRECTIONS:
            yield f"{name}_{direction}", nominal | _shifted(nominal, shifted.variation(number, direction))


def varied_meta(jets: ak.Array, systematics: Systematics, layout: Layout, names: tuple[str, ...]) -> ak.Array:
    """The same collection for a typetracer: the types of `with_variations` without any values."""
    smears = systematics.smears(layout)
    single = (*_JEC_FIELDS, *(_JER_FIELDS if smears else ()))
    nominal = with_columns(jets, {name: traced_column(np.float32) for name in single})
    record = ak.to_layout(nominal).content
    # All at once: to add one field after another takes a time that rises with their number squared.
    added = {_SCALE_FACTOR: traced_column(np.float32, 3)} if smears else {}
    first = len(systematics.resolution_names(layout))
    for number, name in enumerate(names):
        if number >= first and systematics.uncertainties is not None:
            source = systematics.uncertainties.sources[number - first]
            added[_UNCERTAINTY + source] = traced_column(np.float32, 2)
        added[name] = pair_of(record, record)
    return with_columns(nominal, added)


def without_fields(jets: ak.Array, names: tuple[str, ...]) -> ak.Array:
    """Leave fields out, for a typetracer."""
    return ak.without_field(jets, list(names)) if names else jets


def pair_of(up: Any, down: Any) -> Any:
    """The record of a variation, of two records of jets."""
    parameters = {"__record__": "JetSystematic"}
    return ak.contents.RecordArray([up, down], list(_DIRECTIONS), parameters=parameters, backend=up.backend)


def _virtual(values: Callable[[], npt.NDArray[Any]], length: int, dtype: Any, width: int | None = None) -> Any:
    """One column that is evaluated when it is read."""
    form = ak.forms.NumpyForm(np.dtype(dtype).name, inner_shape=() if width is None else (width,), form_key="column")
    return ak.from_buffers(form, length, {"column-data": values}, highlevel=False)


class _ScaleFactors:
    def __init__(self, shifted: Shifted) -> None:
        self.shifted = shifted

    def table(self) -> npt.NDArray[np.float32]:
        """Nominal, up and down of each jet, as coffea has them."""
        columns = [self.shifted.scale_factor(shift) for shift in ("nominal", "up", "down")]
        return np.stack(columns, axis=1).astype(np.float32)


class _Pair:
    """One variation, up and down."""

    def __init__(self, shifted: Shifted, number: int, columns: Columns) -> None:
        self.shifted = shifted
        self.number = number
        self.columns = columns

    @property
    def source(self) -> str | None:
        """Name of the source, None for the resolution."""
        return self.shifted.source_of(self.number)

    @cached_property
    def _relative(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """Shifted / nominal of a source: both directions come of one evaluation."""
        assert self.source is not None
        return dict(zip(_DIRECTIONS, self.shifted.source(self.source), strict=True))

    def table(self) -> npt.NDArray[np.float32]:
        """1 + up and 1 - down of each jet, as coffea has them."""
        return np.stack([self._relative[direction] for direction in _DIRECTIONS], axis=1).astype(np.float32)

    def jets(self, record: Any, direction: Direction) -> Any:
        """The nominal record with another pt, mass and rawFactor."""
        side = _Side(self, direction)
        new = {name: _virtual(side.reader(name), len(record), np.float32) for name in _SHIFTED_FIELDS}
        contents = [new.get(name, record.content(name)) for name in record.fields]
        return ak.contents.RecordArray(contents, record.fields, length=len(record), parameters=record.parameters)

    def factor(self, direction: Direction) -> npt.NDArray[np.float64]:
        """Varied / corrected (unsmeared) pT."""
        if self.source is None:
            return self.shifted.resolution_variation(self.number, direction)
        return self.shifted.nominal * self._relative[direction]


class _Side:
    """One direction of a variation."""

    def __init__(self, pair: _Pair, direction: Direction) -> None:
        self.pair = pair
        self.direction = direction

    @cached_property
    def _columns(self) -> Columns:
        return _shifted(self.pair.columns, self.pair.factor(self.direction))

    def reader(self, name: str) -> Callable[[], npt.NDArray[Any]]:
        """A function that returns a column."""
        return lambda: self._columns[name]
