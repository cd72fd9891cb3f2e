"""The constituents of each jet, from a file's links, and whether they are all there and belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, JetsChangedError
from coffea_mljec.nano.algorithm import radius
from coffea_mljec.nano.grouping import group_links, group_near, pick_groups
from coffea_mljec.nano.jagged import content_and_offsets, flat_column, offsets_of
from coffea_mljec.nano.layout import Layout
from coffea_mljec.nano.momenta import constituent_sums
from coffea_mljec.nano.origin import Origin, find_origin
from coffea_mljec.numerics.geometry import delta_phis
from coffea_mljec.status import STATUS_TYPE, Status, StatusArray, mark

__all__ = [
    "COMPLETENESS_TOLERANCE",
    "DIRECTION_TOLERANCE",
    "RAW_FACTOR_ROUNDING",
    "WEIGHT_ROUNDING",
    "Groups",
    "compare_sums",
    "group_constituents",
    "sum_of_groups",
]

COMPLETENESS_TOLERANCE = 0.002
DIRECTION_TOLERANCE = 0.02
RAW_FACTOR_ROUNDING = 2.0**-7
WEIGHT_ROUNDING = 2.0**-8
"""A jet is complete where |pT of the constituents' sum / raw jet pT - 1| is below COMPLETENESS_TOLERANCE (the
candidates' own rounding) plus what the rounding of the stored rawFactor can do to the raw pT: NanoAOD keeps 6 bits of
it (pfnano_ul17_mc: 0.23 % at rawFactor -0.56); with PUPPI weights also what their rounding to 8 bits can do. The sum
also points along the jet, within DIRECTION_TOLERANCE in delta R (real files: within 0.0025)."""

_FARTHEST_SUM = 1.5
"""Constituents of a jet lie about within its radius, so their sum does too, whatever part of them the file kept: a sum
beyond this many radii belongs to another jet."""

Paths = Mapping[tuple[str, str], tuple[str, ...]]
Table = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Groups:
    """Constituents of one kind, grouped by jet (`coffea_mljec.nano.grouping.group_links`)."""

    index: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    broken: npt.NDArray[np.bool_]
    beyond: int = -1


def group_constituents(
    events: Any,
    layout: Layout,
    paths: Paths,
    tables: Mapping[str, Table],
    jets: Table,
    jet_offsets: npt.NDArray[np.int64],
    flags: StatusArray,
) -> dict[str, Groups]:
    """Group the constituents by jet and set the bits of jets that have none or a part of them.

    Where the links do not fit the jets, the jets are looked for in the file (`find_origin`): cut, sorted or repeated
    jets get the constituents that they have there.

    Parameters
    ----------
    events : NanoEvents
    layout : Layout
    paths : mapping
        As of `required_paths`.
    tables : mapping of str to mapping of str to ndarray
        Kind -> its columns.
    jets : mapping of str to ndarray, shape (n_jets,)
        ``pt_raw``, ``eta``, ``phi``, and ``pt_stored``, the pT that the file has.
    jet_offsets : ndarray of int64, shape (n_events + 1,)
    flags : ndarray of `coffea_mljec.status.STATUS_TYPE`, shape (n_jets,)
        Changed in place.

    Returns
    -------
    dict of str to Groups

    Raises
    ------
    JetsChangedError
        If the jets were cut or sorted and cannot be found again.
    """
    linked = tuple(kind for kind in tables if (kind, "link_jet") in paths)
    groups = {kind: _linked(events, layout, kind, paths, jet_offsets) for kind in linked}
    candidates = tuple(kind for kind in linked if kind != "vertex")
    complete, wrong = _check(groups, tables, candidates, jets, layout, flags)
    beyond = max((group.beyond for group in groups.values()), default=-1)
    # Vertices alone have nothing that tells whose they are. A file that keeps only some candidates is compared too: it
    # costs two small columns, and an exchange of jets that are both incomplete would be seen nowhere else.
    if beyond >= 0 or wrong >= 0 or not complete or (linked and not candidates):
        origin = find_origin(events, layout.collection, jets, jet_offsets)
        if origin is None and (beyond >= 0 or wrong >= 0):
            raise _changed(layout, linked, beyond, wrong)
        if origin is not None and not origin.unchanged:
            groups = {kind: _moved(_linked(events, layout, kind, paths, origin.offsets), origin) for kind in linked}
            _unmark(flags)
            _check(groups, tables, candidates, jets, layout, flags)
    if "vertex" in tables and "vertex" not in linked:
        groups["vertex"] = _near(events, layout, tables["vertex"], jets, jet_offsets)
    return groups


def sum_of_groups(groups: Mapping[str, Groups], tables: Mapping[str, Table]) -> npt.NDArray[np.float64]:
    """Return ``(px, py, pz)`` of each jet's candidates, shape (n_jets, 3), in GeV."""
    total: float | npt.NDArray[np.float64] = 0.0
    for kind, group in groups.items():
        table = tables[kind]
        total = total + constituent_sums(group.index, group.offsets, table["pt"], table["eta"], table["phi"])
    return np.asarray(total)


def compare_sums(
    sums: npt.NDArray[np.float64], pt: npt.NDArray[Any], eta: npt.NDArray[Any], phi: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return pT of each sum over the jet's raw pT, and the squared angle between sum and jet (0 for an empty sum)."""
    px, py, pz = sums.T
    total = np.hypot(px, py)
    some = (total > 0.0) & (pt > 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        d_eta = np.arcsinh(pz / total) - eta
        d_phi = delta_phis(np.arctan2(py, px), phi)
        return np.where(some, total / pt, 0.0), np.where(some, d_eta * d_eta + d_phi * d_phi, 0.0)


def _check(
    groups: Mapping[str, Groups],
    tables: Mapping[str, Table],
    candidates: tuple[str, ...],
    jets: Table,
    layout: Layout,
    flags: StatusArray,
) -> tuple[bool, int]:
    """Set the bits; return whether all jets that have constituents have them all, and the first jet whose constituents
    point elsewhere, -1 if there is none."""
    if not candidates:
        return True, -1
    own = {kind: groups[kind] for kind in candidates}
    ratio, distance2 = compare_sums(sum_of_groups(own, tables), jets["pt_raw"], jets["eta"], jets["phi"])
    empty = np.logical_and.reduce([np.diff(group.offsets) == 0 for group in own.values()])
    broken = np.logical_or.reduce([group.broken for group in own.values()])
    with np.errstate(invalid="ignore", divide="ignore"):
        tolerance = COMPLETENESS_TOLERANCE + RAW_FACTOR_ROUNDING * np.abs(jets["pt_stored"] / jets["pt_raw"] - 1.0)
        if layout.puppi_weighting == "weight":
            tolerance = tolerance + WEIGHT_ROUNDING
        whole = (np.abs(ratio - 1.0) <= tolerance) & (distance2 <= DIRECTION_TOLERANCE**2)
        far = np.flatnonzero(distance2 > (_FARTHEST_SUM * (radius(layout.collection) or 0.4)) ** 2)
    part = ~empty & (broken | ~whole)
    mark(flags, empty, Status.NO_CONSTITUENTS)
    mark(flags, part, Status.INCOMPLETE_CONSTITUENTS)
    return not np.any(part), int(far[0]) if len(far) else -1


def _unmark(flags: StatusArray) -> None:
    flags &= ~STATUS_TYPE(Status.NO_CONSTITUENTS | Status.INCOMPLETE_CONSTITUENTS)


def _linked(events: Any, layout: Layout, kind: str, paths: Paths, jet_offsets: npt.NDArray[np.int64]) -> Groups:
    links = paths[kind, "link_jet"][0]
    table = str(layout.table(kind))
    link_jet, link_offsets = content_and_offsets(events[links]["jetIdx"], f"{links}.jetIdx")
    target_offsets = offsets_of(events[table], table)
    if (kind, "link_target") in paths:
        field = paths[kind, "link_target"][1]
        link_target = flat_column(events[links][field], f"{links}.{field}")
        if len(link_target) != len(link_jet):
            raise InputError(
                f"{links}.{field} has {len(link_target)} values and {links}.jetIdx {len(link_jet)}: the file is "
                "inconsistent."
            )
    else:  # each row belongs to one jet: it is its own target
        link_target = np.arange(len(link_jet)) - np.repeat(link_offsets[:-1], np.diff(link_offsets))
    return Groups(*group_links(link_offsets, link_jet, link_target, jet_offsets, target_offsets))


def _moved(groups: Groups, origin: Origin) -> Groups:
    """The groups of the file's jets, given to the jets of the chunk."""
    return Groups(*pick_groups(origin.rows, groups.index, groups.offsets, groups.broken))


def _near(events: Any, layout: Layout, table: Table, jets: Table, jet_offsets: npt.NDArray[np.int64]) -> Groups:
    size = radius(layout.collection)
    assert size is not None  # `Layout.require_links` has seen to it
    target_offsets = offsets_of(events[layout.vertices], str(layout.vertices))
    index, offsets = group_near(jets["eta"], jets["phi"], jet_offsets, table["eta"], table["phi"], target_offsets, size)
    return Groups(index, offsets, np.zeros(len(offsets) - 1, np.bool_))


def _changed(layout: Layout, linked: tuple[str, ...], beyond: int, wrong: int) -> JetsChangedError:
    links = layout.candidate_links if linked != ("vertex",) else layout.vertex_links
    if beyond >= 0:
        seen = f"the links {links} lead to jets that {layout.collection} does not have (event {beyond} of this chunk)"
    else:
        seen = f"the constituents that {links} links to jet {wrong} of this chunk point elsewhere than the jet"
    return JetsChangedError(
        f"{seen}: {layout.collection} was cut or sorted before the correction, and the jets of the file cannot be read "
        "again to find the same ones (dask mode, pickled events, a closed file). Correct first, then cut: "
        f"events['{layout.collection}'] = mljec.apply(events), then select."
    )
