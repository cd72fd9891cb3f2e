"""One file in PFNano's layout: written with uproot, read back, and its jets corrected.

What differs from CMS: only candidates that belong to a written jet are kept; the link tables do not repeat pt; no
leptons, triggers or missing momentum; ``MLJEC_simulation`` marks the file as this project's parametrised simulation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Payload
from coffea_mljec.support.atomic import whole_file
from training import defaults
from training.simulate.batch import Jagged, offsets_of
from training.simulate.branches import TABLES, Branch, kind_of_jets, layout_of, rho_name
from training.simulate.tables import EventTables

__all__ = ["COMPRESSIONS", "algorithm_of", "correct_jets", "read", "truncate", "write"]

#: Name -> level; LZMA packs best and is slow to read, as CMS ships it, ZSTD reads six times faster.
COMPRESSIONS = {"zstd": 5, "lzma": 9}


def truncate(values: NDArray[np.generic], bits: int) -> NDArray[np.float32]:
    """Round float32 values to ``bits`` mantissa bits (half up in magnitude), as NanoAOD does before it compresses."""
    single = np.ascontiguousarray(values, np.float32)
    if bits >= 23:
        return single
    drop = np.uint32(23 - bits)
    raw = single.view(np.uint32)
    half = np.uint32(1) << (drop - np.uint32(1))
    rounded = ((raw + half) >> drop) << drop
    return np.where(np.isfinite(single), rounded.view(np.float32), single)


def _stored(name: str, values: NDArray[np.generic], branch: Branch) -> NDArray[np.generic]:
    """Return ``values`` as the branch keeps them."""
    if branch.kind != "f4":
        return np.ascontiguousarray(values, np.dtype(branch.kind))
    bad = np.flatnonzero(~np.isfinite(np.asarray(values, np.float32)))
    if len(bad):
        raise InputError(
            f"{name} holds {len(bad)} numbers that are not finite (row {bad[0]}: {values[bad[0]]}): a file with them "
            "is not written; the simulation that made them needs repair"
        )
    kept = truncate(values, branch.bits)
    # Rounding must not carry an azimuth beyond pi.
    return np.clip(kept, -np.float32(np.pi), np.float32(np.pi)) if name.endswith("_phi") else kept


def correct_jets(events: EventTables, payload: Payload, collection: str = "Jet") -> EventTables:
    """Return the events with ``pt``, ``mass`` and ``rawFactor`` of the jets set by a standard correction.

    Raw values are taken from ``pt (1 - rawFactor)``, so that correcting again replaces the correction. Jets are sorted
    by corrected pT within an event, and the link tables follow. Jets beyond |eta| 5.191, which no payload covers, keep
    their raw pT.
    """
    jets = events.tables[collection]
    raw, raw_mass = (np.asarray(jets[name], np.float64) * (1.0 - jets["rawFactor"]) for name in ("pt", "mass"))
    columns = {name: jets[name] for name in ("eta", "phi", "area")}
    rho = np.repeat(events.scalars[rho_name(events.scalars)], jets.counts)
    factor, valid = payload.evaluate({"pt_raw": raw, "rho": rho, "run": np.ones(len(raw)), **columns})
    factor = np.where(valid, factor, 1.0)
    order = np.lexsort((-raw * factor, jets.event))
    pt = _stored("Jet_pt", raw * factor, TABLES[collection]["pt"]).astype(np.float64)
    changed = dict(jets.columns) | {"pt": pt, "mass": raw_mass * factor, "rawFactor": 1.0 - raw / pt}
    tables = dict(events.tables)
    tables[collection] = Jagged(jets.offsets, {name: column[order] for name, column in changed.items()})
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    for links in (collection + "PFCands", collection + "SVs"):
        if links in tables:
            tables[links] = _follow(tables[links], jets.offsets, place)
    return EventTables(events.scalars, tables)


def _follow(links: Jagged, jet_offsets: NDArray[np.int64], place: NDArray[np.int64]) -> Jagged:
    """Return the links with ``jetIdx`` after the jets moved to ``place`` (flat rows), grouped by jet again."""
    begin = np.repeat(jet_offsets[:-1], links.counts)
    moved = place[links["jetIdx"] + begin]
    order = np.lexsort((moved, links.event))
    columns = {name: column[order] for name, column in links.columns.items()}
    columns["jetIdx"] = (moved - begin)[order]
    return Jagged(links.offsets, columns)


def _set_titles(tree: Any, titles: Mapping[str, str]) -> None:
    """Give the branches their titles: `mktree` has no argument for them, so its metadata is written once more."""
    cascading = tree._cascading
    for datum in cascading._branch_data:
        if datum.get("fName") in titles:
            datum["fTitle"] = titles[datum["fName"]]
    cascading._relocate(tree._file, tree._file.sink)


def write(path: str | os.PathLike[str], events: EventTables, compression: str = "zstd") -> None:
    """Write the tree ``Events``, complete or not at all.

    Raises
    ------
    InputError
        A column is missing, or unknown, or not finite; the compression is unknown; the file cannot be written.
    """
    import uproot

    if compression not in COMPRESSIONS:
        raise InputError(f"unknown compression {compression!r}: choose one of {', '.join(COMPRESSIONS)}")
    data: dict[str, Any] = {}
    kinds: dict[str, Any] = {}
    titles: dict[str, str] = {}
    layout = layout_of(_names(events))
    for name, branch in layout[""].items():
        data[name] = _stored(name, _column(events.scalars, name, ""), branch)
        kinds[name], titles[name] = np.dtype(branch.kind), branch.title
    for table, fields in layout.items():
        if table == "" or table not in events.tables:
            continue
        rows = events.tables[table]
        data[f"n{table}"] = rows.counts.astype(np.int32)
        titles[f"n{table}"] = f"number of {table}"
        for field, branch in fields.items():
            name = f"{table}_{field}"
            content = ak.contents.NumpyArray(_stored(name, _column(rows.columns, field, table), branch))
            data[name] = ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(rows.offsets), content))
            # The type itself: uproot would build awkward's parser afresh, 40 ms, for every datashape given as text.
            kinds[name] = ak.types.ListType(ak.types.NumpyType(np.dtype(branch.kind).name))
            titles[name] = branch.title
    algorithm = {"zstd": uproot.ZSTD, "lzma": uproot.LZMA}[compression]
    with (
        whole_file(path) as temporary,
        uproot.recreate(temporary, compression=algorithm(COMPRESSIONS[compression])) as file,
    ):
        tree = file.mktree("Events", kinds, title="Events", counter_name=lambda branch: "n" + branch.split("_", 1)[0])
        _set_titles(tree, titles)
        tree.extend(data)


def _names(events: EventTables) -> set[str]:
    """Return the names of all branches."""
    fields = {f"{table}_{field}" for table, rows in events.tables.items() for field in rows.columns}
    return fields | set(events.scalars)


def _column(columns: Mapping[str, NDArray[np.generic]], name: str, table: str) -> NDArray[np.generic]:
    if name not in columns:
        raise InputError(f"table {table or 'of event numbers'} lacks the column {name}, which every file has")
    return columns[name]


def algorithm_of(path: str | os.PathLike[str]) -> str | None:
    """Return ``AK4PFchs`` or ``AK4PFPuppi`` for a file of our simulation, None for any other file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    import uproot

    try:
        with uproot.open(path) as file:
            tree = file["Events"]
            return defaults.ALGORITHMS[kind_of_jets(tree)] if "MLJEC_simulation" in tree else None
    except Exception as error:  # uproot raises many kinds, OSError among them
        raise InputError(f"{path} cannot be read: {error}") from None


def read(path: str | os.PathLike[str]) -> EventTables:
    """Read a file that `write` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, or is none of this project's simulation.
    """
    import uproot

    try:
        with uproot.open(path) as file:
            arrays = file["Events"].arrays(library="ak")
    except Exception as error:  # uproot raises many kinds, OSError among them
        raise InputError(f"{path} could not be read as a file of the simulation: {error}") from None
    if "MLJEC_simulation" not in arrays.fields:
        raise InputError(f"{path} lacks MLJEC_simulation: it was not written by this project's simulation")
    layout = layout_of(arrays.fields)
    present = {"": layout[""]} | {table: fields for table, fields in layout.items() if f"n{table}" in arrays.fields}
    wanted = [f"{table}_{field}" if table else field for table, fields in present.items() for field in fields]
    if missing := sorted(set(wanted) - set(arrays.fields)):
        raise InputError(
            f"{path} lacks {', '.join(missing[:5])}: an older version of the simulation wrote it; simulate it again"
        )
    scalars = {name: ak.to_numpy(arrays[name]) for name in layout[""]}
    tables: dict[str, Jagged] = {}
    for table, fields in layout.items():
        if table == "" or f"n{table}" not in arrays.fields:
            continue
        counts = ak.to_numpy(arrays[f"n{table}"]).astype(np.int64)
        tables[table] = Jagged(
            offsets_of(counts), {field: ak.to_numpy(ak.flatten(arrays[f"{table}_{field}"])) for field in fields}
        )
    return EventTables(scalars, tables)
