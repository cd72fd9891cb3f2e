"""NanoEvents -> `FlatJets`: the one place that reads jets and constituents from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.nano.flat import Constituents, FlatJets
from coffea_mljec.nano.grouping import split_charged
from coffea_mljec.nano.jagged import flat_column, offsets_of
from coffea_mljec.nano.layout import Layout, detect
from coffea_mljec.nano.links import Groups, group_constituents
from coffea_mljec.status import Status, mark, no_status

__all__ = ["JET_QUANTITIES", "Missing", "flatten", "missing_branches", "raw_jets", "required_paths"]

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
    for kind in _wanted(layout, constituents):
        _, links, index = layout.require_links(kind, user)
        if links is not None:
            paths[kind, "link_jet"] = (links, "jetIdx")
        if links is not None and index is not None:
            paths[kind, "link_target"] = (links, index)
    for kind, name, feature in _needs(layout, jet, constituents, feature_of):
        paths[kind, name] = layout.require(kind, name, user if feature is None else f"feature {feature} of {user}")
    return paths


@dataclass(frozen=True)
class Missing:
    """A branch that a file lacks.

    Attributes
    ----------
    feature : str or None
        The feature that needs it.
    quantity : str
        What it is, canonically.
    looked_for : tuple of str
        The names that it could have.
    nearest : str or None
        The branch of the file with the most similar name.
    """

    feature: str | None
    quantity: str
    looked_for: tuple[str, ...]
    nearest: str | None


def missing_branches(
    layout: Layout,
    jet: Iterable[str],
    constituents: Mapping[str, Iterable[str]],
    feature_of: Callable[[str, str], str | None] = lambda kind, quantity: None,
) -> tuple[Missing, ...]:
    """List all that a file lacks of what `required_paths` asks for (which stops at the first); tables that are not
    there at all are not gone into."""
    lacking = {}
    for kind, name, feature in _needs(layout, jet, constituents, feature_of):
        if layout.table(kind) is not None and layout.find(kind, name) is None:
            tried = layout.looked_for(kind, name)
            lacking[kind, name] = Missing(feature, name, tried, layout.nearest(tried))
    return tuple(lacking.values())


def _needs(
    layout: Layout,
    jet: Iterable[str],
    constituents: Mapping[str, Iterable[str]],
    feature_of: Callable[[str, str], str | None],
) -> Iterator[tuple[str, str, str | None]]:
    """(kind, quantity, feature that needs it) of everything that is read beside links."""
    for quantity in dict.fromkeys(("pt_raw", "eta", "phi", *jet)):
        for kind, name in JET_QUANTITIES[quantity]:
            yield kind, name, feature_of("jet", quantity)
    for kind, quantities in _wanted(layout, constituents).items():
        for quantity in quantities:
            feature = feature_of("vertex" if kind == "vertex" else "candidate", quantity)
            for name in layout.sources(kind, quantity):
                yield kind, name, feature


def _wanted(layout: Layout, constituents: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Kind -> canonical quantities to read: those asked for, and what the adapter itself needs."""
    wanted: dict[str, dict[str, None]] = {}
    if "charged" in constituents or "neutral" in constituents:
        # Both, always: only all constituents together tell whether a jet has them all.
        for kind in dict.fromkeys(layout.kind_of(name) for name in ("charged", "neutral")):
            basics = ("pt", "eta", "phi") if layout.split else ("pt", "eta", "phi", "pdg_id")
            weight = ("puppi_weight",) if layout.puppi_weighting == "weight" else ()
            wanted[kind] = dict.fromkeys((*basics, *weight))
    if "sv" in constituents:
        wanted["vertex"] = dict.fromkeys(() if layout.vertex_links else ("eta", "phi"))
    for collection, quantities in constituents.items():
        wanted[layout.kind_of(collection)].update(dict.fromkeys(quantities))
    return {kind: tuple(quantities) for kind, quantities in wanted.items()}


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
    flags = no_status(n_jets)
    with np.errstate(invalid="ignore"):
        bad = ~(np.isfinite(columns["pt_raw"]) & (columns["pt_raw"] > 0))
    for values in columns.values():
        bad |= ~np.isfinite(values)
    mark(flags, bad, Status.BAD_INPUT)
    kinds = tuple(_wanted(layout, constituents))
    tables = {kind: _table(events, layout, kind, paths) for kind in kinds}
    jets = events[collection]
    stored_pt = _jet_column(jets, "pt_orig" if "pt_orig" in jets.fields else "pt", jet_offsets, layout)
    groups = group_constituents(events, layout, paths, tables, columns | {"pt_stored": stored_pt}, jet_offsets, flags)
    return FlatJets(columns, _collections(layout, constituents, tables, groups), jet_offsets, flags)


def _collections(
    layout: Layout,
    constituents: Iterable[str],
    tables: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    groups: Mapping[str, Groups],
) -> dict[str, Constituents]:
    """Charged and neutral constituents apart, beside the vertices."""
    found = {}
    if "candidate" in groups:
        table, group = tables["candidate"], groups["candidate"]
        split = split_charged(group.index, group.offsets, table["pdg_id"])
        found = {"charged": Constituents(table, *split[:2]), "neutral": Constituents(table, *split[2:])}
    for name, kind in (("charged", "charged"), ("neutral", "neutral"), ("sv", "vertex")):
        if kind in groups:
            found[name] = Constituents(tables[kind], groups[kind].index, groups[kind].offsets)
    return {name: found[name] for name in constituents}


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
    """Columns of a table of constituents; pT is that in the jet: weighted by PUPPI, once, where the jets are."""
    table = {
        quantity: flat_column(events[path[0]][path[1]], "_".join(path))
        for (of, quantity), path in paths.items()
        if of == kind and not quantity.startswith("link_")
    }
    if "px" in table:
        pt = np.hypot(table["px"], table["py"])
        table |= {"pt": pt, "phi": np.arctan2(table["py"], table["px"])}
        if "pz" in table:
            with np.errstate(invalid="ignore", divide="ignore"):
                table["eta"] = np.arcsinh(table["pz"] / pt)
    if kind != "vertex" and layout.puppi_weighting == "weight":
        table["pt"] = table["pt"] * table["puppi_weight"]
    return table
