"""`FlatJets` -> the flat arrays that enter a network, by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.features import kernels
from coffea_mljec.features.catalogue import COLLECTIONS
from coffea_mljec.features.feature import NEAR_WIDTH, VERTEX_KERNELS, Feature
from coffea_mljec.features.functions import Function
from coffea_mljec.features.registry import function_of
from coffea_mljec.features.schema import FeatureSet
from coffea_mljec.nano.flat import FlatJets
from coffea_mljec.nano.quantities import outside, quantity_of

__all__ = ["compute"]

_COORDINATES = {"pt": kernels.PT, "eta": kernels.ETA, "phi": kernels.PHI}
_KINDS = {"gather": kernels.PLAIN, "significance": kernels.RATIO}


@dataclass(frozen=True)
class _Plan:
    """How the columns of one collection are made: the quantities to gather, what `kernels.fill_rows` takes, and the
    columns that functions give: (column, function, places of its quantities, the jet's quantities)."""

    quantities: tuple[str, ...]
    columns: npt.NDArray[np.int64]
    flags: npt.NDArray[np.int64]
    functions: tuple[tuple[int, Function, tuple[int, ...], tuple[str, ...]], ...]
    width: int


def compute(
    flat: FlatJets,
    features: FeatureSet,
    start: int = 0,
    stop: int | None = None,
    bad: npt.NDArray[np.bool_] | None = None,
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
    bad : ndarray of bool, shape (n_jets,), optional
        Of all jets of the chunk: set for those with a constituent that has a quantity which is NaN, infinite or beyond
        its bounds (`coffea_mljec.nano.quantities`).

    Returns
    -------
    dict of str to ndarray
        ``jet_features`` float32 [n, F_jet]; per collection c of the set ``c_features`` float32 [N_c, F_c] and
        ``c_offsets`` int64 [n + 1], starting at 0. Rows follow the flattened jets, constituents keep the order of the
        file. A jet without constituents has no rows, and multiplicity, ptD and axis2 of 0.
    """
    stop = len(flat) if stop is None else stop
    jets = np.empty((len(_COORDINATES), stop - start), np.float32)
    for row, name in enumerate(("pt_raw", "eta", "phi")):
        jets[row] = flat.jet[name][start:stop]
    shapes, of_vertices = _shapes(features), _of_vertices(features)
    moments = np.zeros((stop - start, kernels.MOMENTS), np.float64)
    arrays: dict[str, npt.NDArray[Any]] = {"jet_features": _jet_features(flat, features, start, stop)}
    for collection in COLLECTIONS[1:]:
        of_shapes = bool(shapes) and collection in ("charged", "neutral")
        of_jets = of_shapes or (bool(of_vertices) and collection == "sv")
        if not of_jets and collection not in features.constituents:
            continue
        constituents, plan = flat.collections[collection], _plan(features, collection)
        first, last = constituents.offsets[start], constituents.offsets[stop]
        offsets = constituents.offsets[start : stop + 1] - first
        values = np.empty((len(plan.quantities), last - first), np.float32)
        for quantity, row_of_values in zip(plan.quantities, values, strict=True):
            bounds = quantity_of(collection, quantity).bounds or (-np.inf, np.inf)
            index = constituents.rows(quantity)[first:last]
            inside = kernels.gather(constituents.columns[quantity], index, *bounds, row_of_values)
            if not inside and bad is not None:
                wrong = outside(collection, quantity, row_of_values)
                bad[start:stop] |= np.add.reduceat(np.append(wrong, False), offsets[:-1]) * np.diff(offsets) > 0
        if of_shapes:
            kernels.add_moments(values, offsets, jets, moments)
        elif of_jets:
            for column, feature in of_vertices:
                arrays["jet_features"][:, column] = _of_vertex(feature, plan, values, offsets, jets[0])
        if collection in features.constituents:
            out = np.empty((last - first, plan.width), np.float32)
            kernels.fill_rows(values, offsets, jets, plan.columns, plan.flags, out)
            if plan.functions:
                _call(plan, values, flat, np.repeat(np.arange(start, stop), np.diff(offsets)), out)
            arrays[f"{collection}_features"] = out
            arrays[f"{collection}_offsets"] = offsets
    if shapes:
        own = kernels.jet_shapes(moments)
        for column, value in shapes:
            arrays["jet_features"][:, column] = own[:, value]
    return arrays


def _call(
    plan: _Plan,
    values: npt.NDArray[np.float32],
    flat: FlatJets,
    jet: npt.NDArray[np.int64],
    out: npt.NDArray[np.float32],
) -> None:
    """Fill the columns that functions give; ``jet`` is the jet of each row."""
    repeated: dict[str, npt.NDArray[Any]] = {}
    for column, function, places, names in plan.functions:
        for name in names:
            if name not in repeated:
                repeated[name] = flat.jet[name].astype(np.float32)[jet]
        with np.errstate(all="ignore"):
            out[:, column] = function(*(values[place] for place in places), *(repeated[name] for name in names))


def _jet_features(flat: FlatJets, features: FeatureSet, start: int, stop: int) -> npt.NDArray[np.float32]:
    """The jets' own features; those of the constituents' shape are left open."""
    rows = features.features("jet")
    out = np.empty((stop - start, len(rows)), np.float32)
    for column, feature in enumerate(rows):
        if feature.kernel == "shape" or feature.kernel in VERTEX_KERNELS:
            continue
        if feature.kernel == "function":
            own = (flat.jet[name][start:stop].astype(np.float32) for name in feature.quantities)
            with np.errstate(all="ignore"):
                out[:, column] = function_of(feature)(*own)
            continue
        values = flat.jet[feature.quantities[0]][start:stop]
        if feature.kernel == "log":
            # A raw pT of 0 or below is flagged by the layout (BAD_INPUT) and never reaches a corrected jet.
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.log(values)
        elif feature.kernel == "abs":
            values = np.abs(values)
        elif feature.kernel == "near":
            values = np.exp(-0.5 * ((np.abs(values) - feature.value / 100.0) / NEAR_WIDTH) ** 2)
        out[:, column] = values
    return out


@lru_cache(maxsize=64)
def _shapes(features: FeatureSet) -> tuple[tuple[int, int], ...]:
    """(column, column of `kernels.jet_shapes`) of the jets' features that are made from constituents."""
    rows = features.features("jet")
    return tuple((column, feature.value) for column, feature in enumerate(rows) if feature.kernel == "shape")


@lru_cache(maxsize=64)
def _of_vertices(features: FeatureSet) -> tuple[tuple[int, Feature], ...]:
    """(column, feature) of the jets' features that are made from secondary vertices."""
    rows = features.features("jet")
    return tuple((column, feature) for column, feature in enumerate(rows) if feature.kernel in VERTEX_KERNELS)


def _of_vertex(
    feature: Feature, plan: _Plan, values: npt.NDArray[np.float32], offsets: npt.NDArray[np.int64],
    pt_raw: npt.NDArray[np.float32],
) -> npt.NDArray[Any]:  # fmt: skip
    """One of `VERTEX_KERNELS` of each jet; of vertices with the same pT the first counts."""
    counts = np.diff(offsets)
    if feature.kernel == "n_vertices":
        return counts
    pt = values[plan.quantities.index("pt")]
    order = np.lexsort((-pt, np.repeat(np.arange(len(counts)), counts)))
    found = np.zeros(len(counts), np.float32)
    some = counts > 0
    found[some] = values[plan.quantities.index(feature.quantities[0])][order[offsets[:-1][some]]]
    if not feature.jet_quantities:
        return found
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(some, found / pt_raw, 0.0)


@lru_cache(maxsize=64)
def _plan(features: FeatureSet, collection: str) -> _Plan:
    """Sort a collection's features by how they are made."""
    rows = features.features(collection)
    needed = features.constituent_quantities[collection]
    # The coordinates first: `kernels.add_moments` finds them there.
    quantities = tuple(dict.fromkeys((*(name for name in _COORDINATES if name in needed), *needed)))
    place = {quantity: i for i, quantity in enumerate(quantities)}
    columns: list[tuple[int, int, int, int]] = []
    tables: dict[str, npt.NDArray[np.int64]] = {}
    functions: list[tuple[int, Function, tuple[int, ...], tuple[str, ...]]] = []
    for column, feature in enumerate(rows):
        first, last = feature.quantities[0], feature.quantities[-1]
        if feature.kernel in ("is_equal", "is_abs_equal"):
            table = tables.setdefault(first, np.full(1 + 2 * kernels.FLAGGED, -1))
            table[0] = place[first]
            for value in {feature.value, -feature.value if feature.kernel == "is_abs_equal" else feature.value}:
                table[1 + kernels.FLAGGED + value] = column
        elif feature.kernel == "function":
            places = tuple(place[quantity] for quantity in feature.quantities)
            functions.append((column, function_of(feature), places, feature.jet_quantities))
        else:
            kind = _COORDINATES[first] if feature.kernel == "relative" else _KINDS[feature.kernel]
            columns.append((kind, column, place[first], place[last]))
    return _Plan(
        quantities,
        np.array(columns, np.int64).reshape(-1, 4),
        np.array(list(tables.values()), np.int64).reshape(-1, 1 + 2 * kernels.FLAGGED),
        tuple(functions),
        len(rows),
    )
