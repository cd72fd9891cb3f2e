"""Masses of the jets that are corrected, scaled and smeared after the pT (`JetMass`): columns, and varied jets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.variation_record import pair_of
from coffea_mljec.nano import JetChunk
from coffea_mljec.nano.jagged import flat_column, with_columns
from coffea_mljec.systematics.jet_mass import JetMass, stored_mass

__all__ = ["MassColumns", "mass_columns", "with_mass_meta", "with_mass_variations"]

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class MassColumns:
    """The masses of a chunk's jets.

    Attributes
    ----------
    columns : dict of str to ndarray
        Those of the correction, with the masses set, and ``<field>_orig``, the file's, beside each.
    ratios : dict of str to dict of str to (ndarray, ndarray)
        ``JMS``, ``JMR`` -> field -> varied over nominal mass, up and down.
    """

    columns: Columns
    ratios: dict[str, dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]]

    def varied(self, nominal: Mapping[str, npt.NDArray[Any]]) -> Iterator[tuple[str, tuple[Columns, Columns]]]:
        """Yield each variation's name, and the masses up and down, from nominal ones (which may be smeared with pT)."""
        for name, fields in self.ratios.items():
            up, down = ({f: stored_mass(nominal[f], pair[way]) for f, pair in fields.items()} for way in (0, 1))
            yield name, (up, down)


def mass_columns(masses: Sequence[JetMass], chunk: JetChunk, columns: Columns) -> MassColumns:
    """Set the masses of the jets of a concrete chunk.

    Parameters
    ----------
    masses : sequence of JetMass
    chunk : JetChunk
    columns : dict of str to ndarray, shape (n_jets,)
        From `coffea_mljec.corrections.record.correction_columns`, not smeared.
    """
    ratios: dict[str, dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]] = {}
    pt = columns["pt"].astype(np.float64)
    for one in masses:
        one.check_field(chunk.layout)
        if one.field not in columns:
            stored = chunk.field(one.field).astype(np.float32)
            columns = columns | {one.field: stored, f"{one.field}_orig": stored}
        before = columns[one.field].astype(np.float64)
        factors = one.factors(chunk, before, pt)
        columns = columns | {one.field: stored_mass(before, factors.nominal)}
        for name, (up, down) in factors.varied.items():
            ratios.setdefault(name, {})[one.field] = (up / factors.nominal, down / factors.nominal)
    return MassColumns(columns, ratios)


def with_mass_variations(jets: ak.Array, masses: MassColumns, without: Sequence[str]) -> ak.Array:
    """Return the corrected jets with a record of jets ``up`` and ``down`` for each variation of the masses.

    Parameters
    ----------
    jets : ak.Array
        With their nominal masses.
    masses : MassColumns
    without : sequence of str
        Other variations, which the varied jets do not carry.
    """
    if not masses.ratios:
        return jets
    record = ak.to_layout(jets).content
    fields = [name for name in record.fields if name not in without]
    set_fields = dict.fromkeys(field for one in masses.ratios.values() for field in one)
    nominal = {field: flat_column(jets[field], field) for field in set_fields}
    added = {
        name: pair_of(*(_replaced(record, fields, columns) for columns in pair))
        for name, pair in masses.varied(nominal)
    }
    return with_columns(jets, added)


def with_mass_meta(jets: ak.Array, names: Sequence[str], without: Sequence[str]) -> ak.Array:
    """The same for a typetracer."""
    record = ak.to_layout(jets).content
    kept = _replaced(record, [name for name in record.fields if name not in without], {})
    return with_columns(jets, {name: pair_of(kept, kept) for name in names}) if names else jets


def _replaced(record: Any, fields: Sequence[str], columns: Mapping[str, npt.NDArray[Any]]) -> ak.contents.RecordArray:
    contents = [
        ak.contents.NumpyArray(columns[name]) if name in columns else record.content(name) for name in fields
    ]  # fmt: skip
    return ak.contents.RecordArray(
        contents, list(fields), length=record.length, parameters=record.parameters, backend=record.backend
    )
