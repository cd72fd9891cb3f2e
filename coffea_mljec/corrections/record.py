"""A factor per jet -> the corrected jet collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.nano import JetChunk
from coffea_mljec.nano.jagged import traced_column, with_columns
from coffea_mljec.status import STATUS_TYPE, StatusArray

__all__ = ["CORRECTION_FIELDS", "corrected_jets_meta", "correction_columns", "refreshed_raw_factor", "set_before"]

CORRECTION_FIELDS: dict[str, Any] = {
    "pt": np.float32,
    "mass": np.float32,
    "rawFactor": np.float32,
    "pt_raw": np.float32,
    "mass_raw": np.float32,
    "pt_orig": np.float32,
    "mass_orig": np.float32,
    "jet_energy_correction": np.float32,
    "mljec_status": STATUS_TYPE,
}
"""The fields that `apply` sets, with their types; everything else of the collection is shared with the input."""


def refreshed_raw_factor(pt: npt.NDArray[np.float32], pt_raw: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return rawFactor so that ``pt * (1 - rawFactor)`` gives raw pT back to float precision; 0 where it cannot."""
    usable = np.isfinite(pt) & (pt > 0) & np.isfinite(pt_raw)
    raw_factor = np.zeros(len(pt), np.float64)
    np.divide(pt_raw, pt, out=raw_factor, where=usable, casting="same_kind", dtype=np.float64)
    raw_factor[usable] = 1.0 - raw_factor[usable]
    return raw_factor.astype(np.float32)


def correction_columns(
    chunk: JetChunk,
    factor: npt.NDArray[np.float64],
    kept: npt.NDArray[np.bool_],
    status: StatusArray,
    extras: Mapping[str, npt.NDArray[np.float64]],
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of the corrected collection.

    Parameters
    ----------
    chunk : JetChunk
    factor : ndarray of float64, shape (n_jets,)
        corrected / raw.
    kept : ndarray of bool, shape (n_jets,)
        Jets that keep the pT and mass that the file had.
    status : ndarray of `coffea_mljec.status.STATUS_TYPE`, shape (n_jets,)
    extras : mapping of str to ndarray of float64, shape (n_jets,)
        Further fields; ``mass`` (GeV) where it is not NaN in place of raw mass times factor, and a field with its
        original beside it (``msoftdrop``, ``msoftdrop_orig``) in place of the file's.

    Returns
    -------
    dict of str to ndarray, shape (n_jets,)
        `CORRECTION_FIELDS` and the further ones (float32), for `coffea_mljec.nano.jagged.with_columns`.
    """
    pt_raw, mass_raw = chunk.jet("pt_raw"), chunk.jet("mass_raw")
    pt_orig, mass_orig = (chunk.jet(name).astype(np.float32) for name in ("pt_stored", "mass_stored"))
    with np.errstate(invalid="ignore", over="ignore"):
        pt = np.where(kept, pt_orig, (pt_raw * factor).astype(np.float32))
        mass = np.where(kept, mass_orig, (mass_raw * factor).astype(np.float32))
        if "mass" in extras:
            mass = np.where(np.isnan(extras["mass"]), mass, extras["mass"].astype(np.float32))
    columns = {
        "pt": pt,
        "mass": mass,
        "rawFactor": refreshed_raw_factor(pt, pt_raw),
        "pt_raw": pt_raw,
        "mass_raw": mass_raw,
        "pt_orig": pt_orig,
        "mass_orig": mass_orig,
        "jet_energy_correction": factor,
        "mljec_status": status,
    }
    for name, stored in _stored(chunk, extras).items():
        said = extras.get(name, np.full(len(chunk), np.nan))
        extras = {**extras, name: np.where(np.isnan(said), stored, said), f"{name}_orig": stored}
    further = {name: value.astype(np.float32) for name, value in extras.items() if name != "mass"}
    return {name: np.asarray(columns[name], dtype=dtype) for name, dtype in CORRECTION_FIELDS.items()} | further


def set_before(fields: Iterable[str]) -> tuple[str, ...]:
    """The fields that an earlier correction has set beside pT and mass, such as ``msoftdrop``: the file's is kept."""
    have = set(fields)
    if "mljec_status" not in have:
        return ()
    return tuple(name for name in sorted(have) if f"{name}_orig" in have and name not in CORRECTION_FIELDS)


def _stored(chunk: JetChunk, extras: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float64]]:
    """What the file had in the fields that are set now or were set before: those that have an original beside them."""
    before = set_before(chunk.layout.fields[chunk.layout.collection])
    now = [name for name in extras if f"{name}_orig" in extras]
    return {
        name: chunk.field(f"{name}_orig" if name in before else name).astype(np.float64)
        for name in dict.fromkeys((*now, *before))
    }


def corrected_jets_meta(jets: ak.Array, extra_fields: Iterable[str]) -> ak.Array:
    """The same collection for a typetracer: the types of `correction_columns` without any values."""
    fields = CORRECTION_FIELDS | dict.fromkeys(extra_fields, np.float32)
    return with_columns(jets, {name: traced_column(dtype) for name, dtype in fields.items()})
