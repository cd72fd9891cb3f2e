"""NanoEvents -> `FlatJets`: the one place that reads jets and constituents from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, JetsChangedError
from coffea_mljec.geometry import delta_r2
from coffea_mljec.jit import njit
from coffea_mljec.layouts.flat import Constituents, FlatJets
from coffea_mljec.layouts.grouping import constituent_sums, group_links, split_charged
from coffea_mljec.layouts.jagged import content_and_offsets, flat_column, offsets_of
from coffea_mljec.layouts.layout import Layout, detect
from coffea_mljec.status import Status, mark

__all__ = [
    "COMPLETENESS_TOLERANCE",
    "JET_QUANTITIES",
    "RAW_FACTOR_ROUNDING",
    "WEIGHT_ROUNDING",
    "flatten",
    "raw_jets",
    "required_paths",
]

COMPLETENESS_TOLERANCE = 0.002
RAW_FACTOR_ROUNDING = 2.0**-7
WEIGHT_ROUNDING = 2.0**-8
"""A jet is complete where |pT of the constituents' sum / raw jet pT - 1| is below COMPLETENESS_TOLERANCE (the
candidates' own rounding) plus what the rounding of the stored rawFactor can do to the raw pT: NanoAOD keeps 6 bits of
it (pfnano_ul17_mc: 0.23 % at rawFactor -0.56); with PUPPI weights also what their rounding to 8 bits can do."""

JET_QUANTITIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "pt_raw": (("jet", "pt"), ("jet", "raw_factor")),
    "mass_raw": (("jet", "mass"), ("jet", "raw_factor")),
    "eta": (("jet", "eta"),),
    "phi": (("jet", "phi"),),
    "area": (("jet", "area"),),
    "charged_hadron_fraction": (("jet", "charged_hadron_fraction"),),
    "neutral_hadron_fraction": (("jet", "neutral_hadron_fraction"),),
    "charged_em_fraction": (("jet", "charged_em_fraction"),),
    "neutral_em_fraction": (("jet", "neutral_em_fraction"),),
    "muon_fraction": (("jet", "muon_fraction"),),
    "n_constituents": (("jet", "n_constituents"),),
    "rho": (("event", "rho"),),
    "n_pv": (("event", "n_pv"),),
    "run": (("event", "run"),),
    "luminosity_block": (("event", "luminosity_block"),),
    "event": (("event", "event"),),
}
"""Canonical quantity of a jet -> the quantities of the file that it is made from."""

_TABLE_OF = {"charged": "candidate", "neutral": "candidate", "sv": "vertex"}
_CANDIDATE_BASICS = ("pt", "eta", "phi", "pdg_id")
_FARTHEST_SUM = {"FatJet": 1.2}
_FARTHEST_SUM_AK4 = 0.6


def required_paths(
    layout: Layout,
    jet: Iterable[str],
    constituents: Mapping[str, Iterable[str]],
    user: str,
    feature_of: Callable[[str, str], str | None] = lambda kind, quantity: None,
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return (kind, quantity) -> path in the events, for everything that `flatten` reads.

    Raises
    ------
    MissingBranchError
        If the file lacks any of them.
    """
    paths: dict[tuple[str, str], tuple[str, ...]] = {}
    for quantity in dict.fromkeys(("pt_raw", "eta", "phi", *jet)):
        for kind, name in JET_QUANTITIES[quantity]:
            paths[kind, name] = layout.require(kind, name, _who(feature_of("jet", quantity), user))
    for collection, quantities in constituents.items():
        kind = _TABLE_OF[collection]
        _, links, index = layout.require_links(kind, user)
        paths[kind, "link_jet"] = (links, "jetIdx")
        paths[kind, "link_target"] = (links, index)
        basics = _CANDIDATE_BASICS if kind == "candidate" else ()
        for quantity in dict.fromkeys((*basics, *quantities)):
            paths[kind, quantity] = layout.require(kind, quantity, _who(feature_of(kind, quantity), user))
        if kind == "candidate" and layout.puppi_weighting == "weight":
            paths[kind, "puppi_weight"] = layout.require(kind, "puppi_weight", user)
    return paths


def raw_jets(
    events: Any, layout: Layout, quantities: Iterable[str], user: str
) -> tuple[dict[str, Any], npt.NDArray[np.int64]]:
    """Read canonical jet quantities, flat.

    A collection that was corrected by this package starts from its ``pt_raw`` and ``mass_raw``, whatever was applied
    since.

    Returns
    -------
    columns : dict of str to ndarray, shape (n_jets,)
    jet_offsets : ndarray of int64, shape (n_events + 1,)
    """
    jets = events[layout.collection]
    offsets = offsets_of(jets, layout.collection)
    counts = np.diff(offsets)
    columns: dict[str, Any] = {}
    for quantity in quantities:
        if quantity in ("pt_raw", "mass_raw"):
            name = quantity.removesuffix("_raw")
            if quantity in jets.fields:
                columns[quantity] = _jet_column(jets, quantity, offsets, layout)
                continue
            layout.require("jet", "raw_factor", user)
            factor = _jet_column(jets, "rawFactor", offsets, layout).astype(np.float64)
            value = _jet_column(jets, name, offsets, layout)
            columns[quantity] = (value * (1.0 - factor)).astype(np.float32)
            continue
        ((kind, name),) = JET_QUANTITIES[quantity]
        path = layout.require(kind, name, user)
        if kind == "jet":
            columns[quantity] = _jet_column(jets, path[1], offsets, layout)
        else:
            columns[quantity] = np.repeat(_event_column(events, path, len(counts)), counts)
    return columns, offsets


def flatten(
    events: Any,
    collection: str = "Jet",
    *,
    jet: Iterable[str] = (),
    constituents: Mapping[str, Iterable[str]] | None = None,
    user: str = "this call",
    feature_of: Callable[[str, str], str | None] = lambda kind, quantity: None,
) -> FlatJets:
    """Read all jets of a chunk and their constituents as flat arrays.

    Parameters
    ----------
    events : NanoEvents
        Eager or virtual (a concrete chunk); only the columns asked for are read.
    collection : str
        The jet collection.
    jet : iterable of str
        Canonical jet quantities beyond ``pt_raw``, ``eta`` and ``phi`` (see `JET_QUANTITIES`).
    constituents : mapping of str to iterable of str
        ``charged``, ``neutral`` or ``sv`` -> canonical quantities wanted.
    user : str
        Who asks, for error messages.
    feature_of : callable
        (kind, canonical quantity) -> the feature that needs it, for error messages (`FeatureSet.user_of`).

    Returns
    -------
    FlatJets

    Raises
    ------
    MissingBranchError
        If the file lacks a quantity.
    JetsChangedError
        If the jets no longer line up with the link table (cut or sorted before the correction).
    InputError
        If a column is not a plain jagged array.
    """
    constituents = constituents or {}
    layout = detect(events, collection)
    paths = required_paths(layout, jet, constituents, user, feature_of)
    columns, jet_offsets = raw_jets(events, layout, dict.fromkeys(("pt_raw", "eta", "phi", *jet)), user)
    n_jets = int(jet_offsets[-1])
    flags = np.zeros(n_jets, np.uint8)
    with np.errstate(invalid="ignore"):
        bad = ~(np.isfinite(columns["pt_raw"]) & (columns["pt_raw"] > 0))
    for values in columns.values():
        bad |= ~np.isfinite(values)
    mark(flags, bad, Status.BAD_INPUT)
    collections: dict[str, Constituents] = {}
    if "charged" in constituents or "neutral" in constituents:
        tables = _table(events, layout, "candidate", paths)
        index, offsets, broken = _linked(events, layout, "candidate", paths, jet_offsets)
        if layout.puppi_weighting == "weight":
            tables["pt"] = tables["pt"] * tables["puppi_weight"]
        jets = events[collection]
        stored_pt = _jet_column(jets, "pt_orig" if "pt_orig" in jets.fields else "pt", jet_offsets, layout)
        _flag_constituents(flags, columns, stored_pt, index, offsets, broken, tables, layout)
        split = split_charged(index, offsets, tables["pdg_id"])
        for name, (part, part_offsets) in zip(("charged", "neutral"), (split[:2], split[2:]), strict=True):
            if name in constituents:
                collections[name] = Constituents(tables, part, part_offsets)
    if "sv" in constituents:
        # A vertex that the file dropped (index -1) is no loss of the jet's energy: it is skipped.
        index, offsets, _ = _linked(events, layout, "vertex", paths, jet_offsets)
        collections["sv"] = Constituents(_table(events, layout, "vertex", paths), index, offsets)
    return FlatJets(columns, collections, jet_offsets, flags)


def _who(feature: str | None, user: str) -> str:
    return user if feature is None else f"feature {feature} of {user}"


def _jet_column(jets: Any, field: str, offsets: npt.NDArray[np.int64], layout: Layout) -> npt.NDArray[Any]:
    column = flat_column(jets[field], f"{layout.collection}.{field}")
    if len(column) != offsets[-1]:
        raise InputError(
            f"{layout.collection}.{field} has {len(column)} values for {offsets[-1]} jets: the file is inconsistent."
        )
    return column


def _event_column(events: Any, path: tuple[str, ...], n_events: int) -> npt.NDArray[Any]:
    values = events
    for name in path:
        values = values[name]
    column = np.asarray(values)
    if column.shape != (n_events,):
        raise InputError(f"{'_'.join(path)} must hold one number per event ({n_events}); got shape {column.shape}.")
    return column


def _table(
    events: Any, layout: Layout, kind: str, paths: Mapping[tuple[str, str], tuple[str, ...]]
) -> dict[str, npt.NDArray[Any]]:
    wanted = {
        quantity: path for (of, quantity), path in paths.items() if of == kind and not quantity.startswith("link_")
    }
    return {quantity: flat_column(events[path[0]][path[1]], "_".join(path)) for quantity, path in wanted.items()}


def _linked(
    events: Any,
    layout: Layout,
    kind: str,
    paths: Mapping[tuple[str, str], tuple[str, ...]],
    jet_offsets: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    links, field = paths[kind, "link_target"]
    table = layout.table(kind)
    link_jet, link_offsets = content_and_offsets(events[links]["jetIdx"], f"{links}.jetIdx")
    link_target = flat_column(events[links][field], f"{links}.{field}")
    target_offsets = offsets_of(events[table], str(table))
    index, offsets, broken, beyond = group_links(link_offsets, link_jet, link_target, jet_offsets, target_offsets)
    if beyond >= 0:
        raise JetsChangedError(
            f"the link table {links} refers to jets that {layout.collection} does not have (event {beyond} of this "
            "chunk): the "
            "jets were cut before the correction, and constituents would go to the wrong jets. Correct first, then "
            "cut: "
            f"events['{layout.collection}'] = mljec.apply(events), then select."
        )
    return index, offsets, broken


@njit()
def _compare_sums(
    sums: npt.NDArray[np.float64], pt: npt.NDArray[Any], eta: npt.NDArray[Any], phi: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return pT of each sum over the jet's raw pT, and the squared angle between sum and jet (0 for an empty sum)."""
    ratio = np.zeros(len(pt))
    distance2 = np.zeros(len(pt))
    for jet in range(len(pt)):
        total = np.hypot(sums[jet, 0], sums[jet, 1])
        if total > 0.0 and pt[jet] > 0.0:
            ratio[jet] = total / pt[jet]
            distance2[jet] = delta_r2(
                np.arcsinh(sums[jet, 2] / total), np.arctan2(sums[jet, 1], sums[jet, 0]), eta[jet], phi[jet]
            )
    return ratio, distance2


def _flag_constituents(
    flags: npt.NDArray[np.uint8],
    jets: Mapping[str, npt.NDArray[Any]],
    stored_pt: npt.NDArray[Any],
    index: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    broken: npt.NDArray[np.bool_],
    table: Mapping[str, npt.NDArray[Any]],
    layout: Layout,
) -> None:
    """Set the bits for jets without constituents or with a part of them; refuse constituents that belong to other
    jets."""
    sums = constituent_sums(index, offsets, table["pt"], table["eta"], table["phi"])
    ratio, distance2 = _compare_sums(sums, jets["pt_raw"], jets["eta"], jets["phi"])
    # Constituents of a jet lie about within its radius, so their sum does too, whatever part of them the file kept.
    wrong = distance2 > _FARTHEST_SUM.get(layout.collection, _FARTHEST_SUM_AK4) ** 2
    if np.any(wrong):
        first = int(np.flatnonzero(wrong)[0])
        raise JetsChangedError(
            f"the constituents that {layout.candidate_links} links to jet {first} of this chunk point "
            f"{np.sqrt(distance2[first]):.2f} "
            f"away from it in (eta, phi): {layout.collection} was sorted or cut before the correction. Correct "
            "first, then select: "
            f"events['{layout.collection}'] = mljec.apply(events)."
        )
    empty = np.diff(offsets) == 0
    mark(flags, empty, Status.NO_CONSTITUENTS)
    with np.errstate(invalid="ignore", divide="ignore"):
        tolerance = COMPLETENESS_TOLERANCE + RAW_FACTOR_ROUNDING * np.abs(stored_pt / jets["pt_raw"] - 1.0)
    if layout.puppi_weighting == "weight":
        tolerance = tolerance + WEIGHT_ROUNDING
    part = ~empty & (broken | ~(np.abs(ratio - 1.0) <= tolerance))
    mark(flags, part, Status.INCOMPLETE_CONSTITUENTS)
