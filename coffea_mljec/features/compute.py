"""`FlatJets` -> the flat arrays that enter a network, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.features import kernels
from coffea_mljec.features.catalogue import Feature
from coffea_mljec.features.schema import FeatureSet
from coffea_mljec.layouts.flat import Constituents, FlatJets

__all__ = ["compute"]

_RELATIVE = {"pt": kernels.relative_pt, "eta": kernels.relative_eta, "phi": kernels.relative_phi}


def compute(
    flat: FlatJets, features: FeatureSet, start: int = 0, stop: int | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Compute the features of the jets ``start`` to ``stop``.

    Parameters
    ----------
    flat : FlatJets
        All jets of a chunk, with the quantities that the feature set needs.
    features : FeatureSet
        Which features, in which order.
    start, stop : int
        Range of jets; all by default.

    Returns
    -------
    dict of str to ndarray
        ``jet_features`` float32 [n, F_jet]; per collection c of the set ``c_features`` float32 [N_c, F_c] and
        ``c_offsets`` int64 [n + 1], starting at 0. Rows follow the flattened jets, constituents keep the order of the
        file. A jet without constituents has no rows, and multiplicity, ptD and axis2 of 0.
    """
    stop = len(flat) if stop is None else stop
    arrays: dict[str, npt.NDArray[Any]] = {"jet_features": _jet_features(flat, features, start, stop)}
    for collection in features.constituents:
        index, offsets = _range(flat.collections[collection], start, stop)
        columns = features.features(collection)
        out = np.empty((len(index), len(columns)), np.float32)
        for column, feature in enumerate(columns):
            _fill(feature, flat, collection, index, offsets, slice(start, stop), out, column)
        arrays[f"{collection}_features"] = out
        arrays[f"{collection}_offsets"] = offsets
    return arrays


def _range(constituents: Constituents, start: int, stop: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    offsets = constituents.offsets[start : stop + 1]
    return constituents.index[offsets[0] : offsets[-1]], offsets - offsets[0]


def _jet_features(flat: FlatJets, features: FeatureSet, start: int, stop: int) -> npt.NDArray[np.float32]:
    rows = features.features("jet")
    out = np.empty((stop - start, len(rows)), np.float32)
    shapes = None
    for column, feature in enumerate(rows):
        if feature.kernel == "shape":
            if shapes is None:
                shapes = _shapes(flat, start, stop)
            out[:, column] = shapes[:, feature.value]
        else:
            values = flat.jet[feature.quantities[0]][start:stop]
            if feature.kernel == "log":
                # A raw pT of 0 or below is flagged by the layout (BAD_INPUT) and never reaches a corrected jet.
                with np.errstate(divide="ignore", invalid="ignore"):
                    values = np.log(values)
            elif feature.kernel == "abs":
                values = np.abs(values)
            out[:, column] = values
    return out


def _shapes(flat: FlatJets, start: int, stop: int) -> npt.NDArray[np.float32]:
    charged, charged_offsets = _range(flat.collections["charged"], start, stop)
    neutral, neutral_offsets = _range(flat.collections["neutral"], start, stop)
    table = flat.collections["charged"].columns
    shapes: npt.NDArray[np.float32] = kernels.jet_shapes(
        table["pt"],
        table["eta"],
        table["phi"],
        charged,
        charged_offsets,
        neutral,
        neutral_offsets,
        flat.jet["eta"][start:stop],
        flat.jet["phi"][start:stop],
    )
    return shapes


def _fill(
    feature: Feature,
    flat: FlatJets,
    collection: str,
    index: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    jets: slice,
    out: npt.NDArray[np.float32],
    column: int,
) -> None:
    tables = flat.collections[collection].columns
    table = tables[feature.quantities[0]]
    if feature.kernel == "gather":
        kernels.gather(table, index, out, column)
    elif feature.kernel == "is_equal":
        kernels.is_equal(table, index, feature.value, out, column)
    elif feature.kernel == "significance":
        kernels.significance(table, tables[feature.quantities[1]], index, out, column)
    else:
        jet = flat.jet[feature.jet_quantities[0]][jets]
        _RELATIVE[feature.quantities[0]](table, index, offsets, jet, out, column)
