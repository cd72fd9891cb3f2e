"""Several files of the simulation joined into one small one, as it is shipped with the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Payload
from training.simulate.batch import Jagged
from training.simulate.branches import kind_of_jets
from training.simulate.nanoaod import correct_jets, read, write
from training.simulate.tables import EventTables

__all__ = ["concatenate", "merge", "skim_jets", "take_events"]


def take_events(events: EventTables, chosen: NDArray[np.int64]) -> EventTables:
    """Return the events named by ``chosen`` (int array), in that order."""
    return EventTables(
        {name: column[chosen] for name, column in events.scalars.items()},
        {name: table.take(chosen) for name, table in events.tables.items()},
    )


def concatenate(parts: Sequence[EventTables]) -> EventTables:
    """Return the events of all parts, one part after the other; all must have the tables of the first."""
    tables = {(kind_of_jets(part.scalars), *sorted(part.tables)) for part in parts}
    if len(tables) != 1:
        raise InputError(f"files with different tables cannot be joined: {' / '.join(map(', '.join, sorted(tables)))}")
    return EventTables(
        {name: np.concatenate([part.scalars[name] for part in parts]) for name in parts[0].scalars},
        {name: Jagged.concatenate([part.tables[name] for part in parts]) for name in parts[0].tables},
    )


def skim_jets(events: EventTables, raw_pt_min: float, unmatched_raw_pt_min: float) -> EventTables:
    """Drop AK4 jets below a raw pT in GeV, with and without generator jet, and candidates that no jet has then."""
    jets = events.tables["Jet"]
    raw = jets["pt"] * (1.0 - jets["rawFactor"])
    kept = raw >= np.where(jets["genJetIdx"] >= 0, raw_pt_min, unmatched_raw_pt_min)
    tables = dict(events.tables) | {"Jet": jets.select(kept)}
    for name in ("JetPFCands", "JetSVs"):
        links = tables[name]
        jet = links["jetIdx"] + np.repeat(jets.offsets[:-1], links.counts)
        links = Jagged(links.offsets, dict(links.columns) | {"jetIdx": _renumbered(jets, kept)[jet]})
        tables[name] = links.select(kept[jet])
    candidates = tables["PFCands"]
    used = np.zeros(int(candidates.offsets[-1]), np.bool_)
    for name in ("JetPFCands", "FatJetPFCands"):
        if name in tables:
            used[tables[name]["pFCandsIdx"] + np.repeat(candidates.offsets[:-1], tables[name].counts)] = True
    number = _renumbered(candidates, used)
    for name in ("JetPFCands", "FatJetPFCands"):
        if name in tables:
            links = tables[name]
            row = links["pFCandsIdx"] + np.repeat(candidates.offsets[:-1], links.counts)
            tables[name] = Jagged(links.offsets, dict(links.columns) | {"pFCandsIdx": number[row]})
    tables["PFCands"] = candidates.select(used)
    return EventTables(events.scalars, tables)


def _renumbered(table: Jagged, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, for each row, its index within its event once the others are gone (meaningless for those)."""
    before = np.concatenate([[0], np.cumsum(kept)])
    number: NDArray[np.int64] = before[:-1] - np.repeat(before[table.offsets[:-1]], table.counts)
    return number


def merge(
    inputs: Sequence[Path],
    output: Path,
    raw_pt_min: float,
    unmatched_raw_pt_min: float,
    payload: Payload | None = None,
    compression: str = "lzma",
) -> int:
    """Join files, skim their jets, correct them and write one file; events of the files alternate.

    Returns
    -------
    int
        Number of events.

    Raises
    ------
    InputError
        If there is no file, or one cannot be used.
    """
    if not inputs:
        raise InputError("nothing to merge: give files of 'python -m training simulate'")
    parts = [skim_jets(read(path), raw_pt_min, unmatched_raw_pt_min) for path in inputs]
    number = np.concatenate([np.arange(len(part.scalars["event"])) for part in parts])
    events = take_events(concatenate(parts), np.argsort(number, kind="stable"))
    if payload is not None:
        events = correct_jets(events, payload)
    write(output, events, compression)
    return len(number)
