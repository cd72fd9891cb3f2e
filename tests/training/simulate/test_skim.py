"""Joined and skimmed events: what stays is unchanged, and links lead to the same candidates as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from tests.training.simulate.fakes import random_batch
from training.simulate.nanoaod import read, write
from training.simulate.skim import concatenate, merge, skim_jets
from training.simulate.tables import EventTables, JetSelection, assemble


def events(seed: int, ak8: bool = True) -> EventTables:
    return assemble(random_batch(seed, 5), JetSelection(5.0, 5.0, ak8=ak8, ak8_pt_min=30.0), seed, 0, 1)


def constituents(all_events: EventTables, jets: str = "Jet") -> dict[tuple[int, float], list[float]]:
    """(event, jet pT) -> its candidates' momenta, found through the links row by row."""
    table, links, candidates = (all_events.tables[name] for name in (jets, jets + "PFCands", "PFCands"))
    found: dict[tuple[int, float], list[float]] = {}
    for event in range(len(table)):
        rows = links.slice(event, event + 1)
        for jet, candidate in zip(rows["jetIdx"], rows["pFCandsIdx"], strict=True):
            key = (event, float(table["pt"][table.offsets[event] + jet]))
            found.setdefault(key, []).append(float(candidates["pt"][candidates.offsets[event] + candidate]))
    return found


def test_skimming_keeps_the_links() -> None:
    whole = events(1)
    small = skim_jets(whole, 60.0, 100.0)
    raw, matched = small.tables["Jet"]["pt"], small.tables["Jet"]["genJetIdx"] >= 0
    assert (raw >= np.where(matched, 60.0, 100.0)).all()
    assert 0 < len(raw) < len(whole.tables["Jet"]["pt"])
    before, after = constituents(whole), constituents(small)
    assert after == {key: before[key] for key in after}
    assert len(after) == len(raw)
    assert constituents(small, "FatJet") == constituents(whole, "FatJet")
    assert len(small.tables["PFCands"]["pt"]) < len(whole.tables["PFCands"]["pt"])
    assert (small.tables["JetSVs"].counts <= whole.tables["JetSVs"].counts).all()


def test_merging_alternates_files(tmp_path: Path) -> None:
    parts = [events(seed, ak8=False) for seed in (3, 4)]
    paths = [tmp_path / f"{i}.root" for i in range(2)]
    for path, part in zip(paths, parts, strict=True):
        write(path, part)
    assert merge(paths, tmp_path / "all.root", 5.0, 5.0) == 10
    joined = read(tmp_path / "all.root")
    expected = np.stack([part.scalars["event"] for part in parts], axis=1).reshape(-1)
    assert joined.scalars["event"].tolist() == expected.tolist()
    assert len(joined.tables["Jet"]["pt"]) == sum(len(part.tables["Jet"]["pt"]) for part in parts)


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to merge"):
        merge([], tmp_path / "all.root", 5.0, 5.0)
    with pytest.raises(InputError, match="files with different tables cannot be joined"):
        concatenate([events(1, ak8=True), events(1, ak8=False)])
