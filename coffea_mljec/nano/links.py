"""The constituents of each jet, from a file's links, and whether they are all there and belong to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, JetsChangedError
from coffea_mljec.nano.algorithm import radius
from coffea_mljec.nano.grouping import group_links, order_rows, pick_groups, rows_of_links
from coffea_mljec.nano.layout import Layout
from coffea_mljec.nano.momenta import constituent_sums
from coffea_mljec.nano.origin import Origin, find_origin
from coffea_mljec.nano.quantities import outside
from coffea_mljec.nano.table import Index, Table, spans_of
from coffea_mljec.nano.vertices import group_near, strays
from coffea_mljec.numerics.geometry import delta_phis
from coffea_mljec.status import Status, StatusArray, mark, no_status

if TYPE_CHECKING:
    from coffea_mljec.nano.chunk import JetChunk

__all__ = [
    "COMPLETENESS_TOLERANCE",
    "DIRECTION_TOLERANCE",
    "RAW_FACTOR_ROUNDING",
    "WEIGHT_ROUNDING",
    "Grouped",
    "Groups",
    "compare_sums",
    "group_constituents",
]

COMPLETENESS_TOLERANCE = 0.002
DIRECTION_TOLERANCE = 0.02
RAW_FACTOR_ROUNDING = 2.0**-7
WEIGHT_ROUNDING = 2.0**-8
"""A jet is complete where |pT of the constituents' sum / raw jet pT - 1| is below COMPLETENESS_TOLERANCE (the
candidates' own rounding) plus what the rounding of the stored rawFactor can do to the raw pT: NanoAOD keeps 6 bits of
it (pfnano_ul17_mc: 0.23 % at rawFactor -0.56); with PUPPI weights also what their rounding to 8 bits can do. The sum
also points along the jet, within DIRECTION_TOLERANCE in delta R (real files: within 0.0025)."""

_VERTEX_MARGIN = 0.05
"""Links of vertices are those within the jet's radius (PFNano, plugins/JetConstituentTableProducer.cc), in delta R
before rounding (real files: at most 0.36 in jets of 0.4, 0.51 in those of 0.8). Beyond it by this, a vertex is not the
jet's own."""

_FARTHEST_SUM = 1.5
"""Constituents of a jet lie about within its radius, so their sum does too, whatever part of them the file kept: a sum
beyond this many radii belongs to another jet."""

_FARTHEST_CANDIDATE = 2.5
"""Radii: no candidate of an anti-kT jet is that far from its axis (of 219,000 simulated ones none beyond 1.9)."""


@dataclass(frozen=True)
class Groups:
    """Constituents of one table, grouped by jet (`coffea_mljec.nano.grouping.group_links`)."""

    index: Index
    offsets: Index
    broken: npt.NDArray[np.bool_]
    beyond: int = -1
    links: Index | None = None
    """Row of each constituent in the table of links, where that is asked for."""


@dataclass(frozen=True)
class Grouped:
    """The constituents of a chunk by jet.

    Attributes
    ----------
    groups : dict of str to Groups
        Kind -> its constituents; all candidates under ``charged`` where charged and neutral ones share a table.
    flags : ndarray of `coffea_mljec.status.STATUS_TYPE`, shape (n_jets,)
        Jets that have no constituents, or a part of them.
    """

    groups: dict[str, Groups]
    flags: StatusArray


def group_constituents(chunk: JetChunk, kinds: Iterable[str], with_links: bool = False) -> Grouped:
    """Group the constituents by jet, and tell the jets that have none or a part of them.

    Where the links do not fit the jets, the jets are looked for in the file (`find_origin`): cut, sorted or repeated
    jets get the constituents that they have there.

    Raises
    ------
    JetsChangedError
        If the jets were cut or sorted and cannot be found again.
    """
    layout = chunk.layout
    tables = list({layout.linkage(kind): kind for kind in reversed(list(kinds))}.values())[::-1]
    linked = tuple(kind for kind in tables if layout.linkage(kind).links is not None)
    candidates = tuple(kind for kind in linked if kind != "sv")
    groups = {kind: _linked(chunk, kind, chunk.offsets, with_links) for kind in linked}
    beyond = max((group.beyond for group in groups.values()), default=-1)
    flags, complete, wrong = no_status(len(chunk)), False, -1
    if beyond < 0:  # else the jets are others than the file's, and their sums would say nothing
        complete, wrong = _check(chunk, groups, candidates, flags)
    # Vertices alone have nothing that tells whose they are. A file that keeps only some candidates is compared too: it
    # costs two small columns, and an exchange of jets that are both incomplete would be seen nowhere else.
    if wrong >= 0 or not complete or (linked and not candidates):
        origin = find_origin(chunk)
        if origin is None and (beyond >= 0 or wrong >= 0):
            raise _changed(layout, linked, beyond, wrong)
        if origin is not None and not origin.unchanged:
            groups = {kind: _moved(_linked(chunk, kind, origin.offsets, with_links), origin) for kind in linked}
            flags = no_status(len(chunk))
            _check(chunk, groups, candidates, flags)
        elif beyond >= 0:  # the file's own links are wrong
            _check(chunk, groups, candidates, flags)
    if "sv" in linked:
        mark(flags, groups["sv"].broken | _strays(chunk, groups["sv"]), Status.INCOMPLETE_CONSTITUENTS)
    if "sv" in tables and "sv" not in linked:
        groups["sv"] = _near(chunk)
        mark(flags, _beside_lost_vertices(chunk), Status.INCOMPLETE_CONSTITUENTS)
    return Grouped(groups, flags)


def _sum(chunk: JetChunk, groups: Mapping[str, Groups]) -> npt.NDArray[np.float64]:
    """Return ``(px, py, pz)`` of each jet's candidates, shape (n_jets, 3), in GeV."""
    total: float | npt.NDArray[np.float64] = 0.0
    for kind, group in groups.items():
        momentum = (chunk.constituent(kind, name) for name in ("pt", "eta", "phi"))
        total = total + constituent_sums(group.index, group.offsets, *momentum)
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
    chunk: JetChunk, groups: Mapping[str, Groups], candidates: tuple[str, ...], flags: StatusArray
) -> tuple[bool, int]:
    """Set the bits; return whether all jets that have constituents have them all, and the first jet whose constituents
    point elsewhere, -1 if there is none."""
    if not candidates:
        return True, -1
    own = {kind: groups[kind] for kind in candidates}
    pt_raw, pt_stored = chunk.jet("pt_raw"), chunk.jet("pt_stored")
    ratio, distance2 = compare_sums(_sum(chunk, own), pt_raw, chunk.jet("eta"), chunk.jet("phi"))
    broken = np.logical_or.reduce([group.broken for group in own.values()])
    empty = np.logical_and.reduce([np.diff(group.offsets) == 0 for group in own.values()]) & ~broken
    with np.errstate(invalid="ignore", divide="ignore"):
        tolerance = COMPLETENESS_TOLERANCE + RAW_FACTOR_ROUNDING * np.abs(pt_stored / pt_raw - 1.0)
        if chunk.layout.puppi_weighting == "weight":
            tolerance = tolerance + WEIGHT_ROUNDING
        whole = (np.abs(ratio - 1.0) <= tolerance) & (distance2 <= DIRECTION_TOLERANCE**2)
        far = np.flatnonzero(distance2 > (_FARTHEST_SUM * (radius(chunk.layout.collection) or 0.4)) ** 2)
    part = ~empty & (broken | ~whole | _miscounted(chunk, own.values()) | _with_others_candidates(chunk, own))
    mark(flags, empty, Status.NO_CONSTITUENTS)
    mark(flags, part, Status.INCOMPLETE_CONSTITUENTS)
    return not np.any(part), int(far[0]) if len(far) else -1


def _with_others_candidates(chunk: JetChunk, groups: Mapping[str, Groups]) -> npt.NDArray[np.bool_]:
    """Jets with a candidate that no clustering would have given them: a sum does not see soft ones."""
    size = _FARTHEST_CANDIDATE * (radius(chunk.layout.collection) or 0.4)
    found = np.zeros(len(chunk), np.bool_)
    for kind, group in groups.items():
        directions = (chunk.constituent(kind, "eta"), chunk.constituent(kind, "phi"))
        found |= strays(group.index, group.offsets, *directions, chunk.jet("eta"), chunk.jet("phi"), size, False)
    return found


def _miscounted(chunk: JetChunk, groups: Iterable[Groups]) -> npt.NDArray[np.bool_]:
    """Jets with another number of constituents than they say themselves: a sum does not see soft ones."""
    if chunk.layout.find("jet", "n_constituents") is None:
        return np.zeros(len(chunk), np.bool_)
    stated = chunk.jet("n_constituents")
    counted = np.sum([np.diff(group.offsets) for group in groups], axis=0)
    return np.asarray(counted.astype(stated.dtype) != stated)  # NanoAOD keeps 8 bits of it


def _linked(chunk: JetChunk, kind: str, jet_offsets: Index, with_links: bool) -> Groups:
    linkage = chunk.layout.linkage(kind)
    links = chunk.table(str(linkage.links))
    if linkage.index is None:  # each row belongs to one jet: it is its own target
        own = np.arange(int(links.offsets[-1])) - np.repeat(links.offsets[:-1], links.counts)
        rows = spans_of(links.offsets)
        link_jet = _whole(links, "jetIdx", links.flat)
        found = Groups(*group_links(rows, link_jet, own, jet_offsets, chunk.spans(kind)))
        order_rows(found.index, found.offsets, *_momenta(chunk, kind))
        return replace(found, links=found.index)
    link_jet, link_target = (_whole(links, name, links.column) for name in ("jetIdx", linkage.index))
    if len(link_target) != len(link_jet):
        raise InputError(
            f"{links.name}.{linkage.index} has {len(link_target)} values and {links.name}.jetIdx {len(link_jet)}: the "
            "file is inconsistent."
        )
    droppable = kind == "sv"
    found = Groups(*group_links(links.spans, link_jet, link_target, jet_offsets, chunk.spans(kind), droppable))
    if not with_links:
        return found
    rows = rows_of_links(found.index, found.offsets, links.spans, link_jet, link_target, jet_offsets, chunk.spans(kind))
    return replace(found, links=rows)


def _momenta(chunk: JetChunk, kind: str) -> Iterator[npt.NDArray[Any]]:
    """What orders rows without a number of their own, of all that is read of them in any case."""
    if kind != "sv":
        names = ("pt", "eta", "phi")
    else:  # eta and phi of vertices that only their links describe are made later, jet by jet
        names = ("eta", "phi", "phi") if not chunk.layout.direction else ("pt", "mass", "mass")
    return (chunk.constituent(kind, name) for name in names)


def _whole(links: Table, name: str, read: Callable[[str], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """A column of row numbers."""
    column = read(name)
    if column.dtype.kind not in "iu":
        raise InputError(f"{links.name}.{name} must hold whole numbers, rows of a table; got {column.dtype}.")
    return column


def _moved(groups: Groups, origin: Origin) -> Groups:
    """The groups of the file's jets, given to the jets of the chunk."""
    moved = Groups(*pick_groups(origin.rows, groups.index, groups.offsets, groups.broken))
    if groups.links is None:
        return moved
    return replace(moved, links=pick_groups(origin.rows, groups.links, groups.offsets, groups.broken)[0])


def _strays(chunk: JetChunk, groups: Groups) -> npt.NDArray[np.bool_]:
    """Jets with a linked vertex that lies elsewhere."""
    size = radius(chunk.layout.collection)
    if size is None or chunk.layout.sv.index is None:
        return np.zeros(len(chunk), np.bool_)
    jets, vertices = _directions(chunk)
    return np.asarray(strays(groups.index, groups.offsets, *vertices, *jets, size + _VERTEX_MARGIN, True))


def _directions(chunk: JetChunk) -> tuple[tuple[npt.NDArray[Any], ...], ...]:
    """(eta, phi) of the jets, and of the vertices."""
    return tuple((read("eta"), read("phi")) for read in (chunk.jet, partial(chunk.constituent, "sv")))


def _near(chunk: JetChunk) -> Groups:
    size = radius(chunk.layout.collection)
    assert size is not None  # `Layout.require_links` has seen to it
    jets, vertices = _directions(chunk)
    index, offsets = group_near(*jets, chunk.offsets, *vertices, chunk.spans("sv"), size)
    return Groups(index, offsets, np.zeros(len(offsets) - 1, np.bool_))


def _beside_lost_vertices(chunk: JetChunk) -> npt.NDArray[np.bool_]:
    """Jets of events with a vertex that is nowhere: it may have been any jet's."""
    _, (eta, phi) = _directions(chunk)
    lost = outside("sv", "eta", eta) | outside("sv", "phi", phi)
    if not lost.any():
        return np.zeros(len(chunk), np.bool_)
    spans = chunk.spans("sv")
    events = [lost[start:stop].any() for start, stop in zip(spans.starts, spans.stops, strict=True)]
    return np.repeat(np.array(events, np.bool_), np.diff(chunk.offsets))


def _changed(layout: Layout, linked: tuple[str, ...], beyond: int, wrong: int) -> JetsChangedError:
    kinds = [kind for kind in linked if kind != "sv"] or ["sv"]
    links = ", ".join(str(layout.linkage(kind).links) for kind in kinds)
    if beyond >= 0:
        seen = f"the links {links} lead to jets that {layout.collection} does not have (event {beyond} of this chunk)"
    else:
        seen = f"the constituents that {links} links to jet {wrong} of this chunk point elsewhere than the jet"
    return JetsChangedError(
        f"{seen}: {layout.collection} was cut or sorted before the correction, and the jets of the file cannot be read "
        "again to find the same ones (dask mode, pickled events, a closed file). Correct first, then cut: "
        f"events['{layout.collection}'] = mljec.apply(events), then select."
    )
