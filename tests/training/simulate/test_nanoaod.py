"""What is written is what was simulated, in a layout that coffea reads without surprises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from coffea_mljec.errors import InputError
from coffea_mljec.nano import flatten
from coffea_mljec.payloads import read_text
from coffea_mljec.status import Status
from tests.training.simulate.fakes import random_batch
from training.simulate.batch import Jagged, RecoBatch
from training.simulate.branches import FORMAT_VERSION, TABLES
from training.simulate.nanoaod import correct_jets, read, truncate, write
from training.simulate.tables import EVENTS_A_SEED, EventTables, JetSelection, assemble


@pytest.fixture(scope="module")
def batch() -> RecoBatch:
    return random_batch(11, n_events=6)


@pytest.fixture(scope="module")
def events(batch: RecoBatch) -> EventTables:
    return assemble(batch, JetSelection(unmatched_raw_pt_min=8.0, ak8_pt_min=30.0), seed=3, first_event=40, block=5)


@pytest.fixture(scope="module")
def path(events: EventTables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("nano") / "events.root"
    write(where, events)
    return where


@pytest.fixture(scope="module")
def jec(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    path = tmp_path_factory.mktemp("jec") / "Toy_V1_MC_L2Relative_AK4PFchs.jec.txt"
    path.write_text("{1 JetEta 1 JetPt max(0.1,[0]-[1]*log10(x)) Correction L2Relative}\n"
                    "-5.191 0.0 4 1 6500 0.8 0.2\n0.0 5.191 4 1 6500 2.5 0.4\n")  # fmt: skip
    return [path]


def test_truncation_keeps_ten_bits_and_rounds() -> None:
    values = np.array([1.0, 1.0 + 2**-11, 1.0 + 2**-12, -3.14159265, 1e-30, 0.0, 65504.9], np.float32)
    kept = truncate(values, 10)
    assert kept[:3].tolist() == [1.0, 1.0 + 2**-10, 1.0]
    assert np.all(kept.view(np.uint32) & 0x1FFF == 0)
    relative = np.abs(kept - values)[values != 0] / np.abs(values[values != 0])
    assert relative.max() <= 2**-11
    assert truncate(values, 23) is not None
    assert (truncate(values, 23) == values).all()


def test_both_schemas_open_it(path: Path, open_nano: Callable[..., Any]) -> None:
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    plain = NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=NanoAODSchema, mode="eager").events()
    nano = open_nano(path, mode="eager")
    assert ak.all(plain.Jet.pt == nano.Jet.pt)
    assert len(nano) == 6
    assert ak.num(nano.Jet)[-1] == 0  # the empty event stays
    assert set(np.asarray(nano.MLJEC.simulation)) == {FORMAT_VERSION}
    matched = nano.Jet.matched_gen
    near = nano.Jet.delta_r(matched)
    assert ak.all(near[~ak.is_none(matched, axis=1)] < 0.4)
    assert ak.sum(~ak.is_none(matched, axis=1)) > 10
    constituents = nano.Jet.constituents.pf
    assert ak.all(ak.num(constituents, axis=2) == nano.Jet.nConstituents)


@pytest.mark.parametrize("collection", ["Jet", "FatJet"])
def test_constituents_are_complete(path: Path, open_nano: Callable[..., Any], collection: str) -> None:
    nano = open_nano(path)
    flat = flatten(nano, collection, constituents={"charged": (), "neutral": (), "sv": ()})
    assert len(flat) > 5
    bad = Status.BAD_INPUT | Status.NO_CONSTITUENTS | Status.INCOMPLETE_CONSTITUENTS
    assert not np.any(flat.flags & np.uint8(bad))


def test_the_file_has_every_branch_with_its_title(path: Path) -> None:
    with uproot.open(path) as file:
        tree = file["Events"]
        for table, fields in TABLES.items():
            for name, branch in fields.items():
                whole = f"{table}_{name}" if table else name
                assert tree[whole].title == branch.title
            if table:
                assert f"n{table}" in tree.keys()  # noqa: SIM118
        assert tree.num_entries == 6
        interpretation = tree["event"].interpretation.from_dtype
    assert interpretation == np.dtype(">u8")


def test_titles_name_units() -> None:
    momenta = [branch for fields in TABLES.values() for name, branch in fields.items() if name in ("pt", "mass")]
    assert all("GeV" in branch.title for branch in momenta)


def test_names_are_those_of_pfnano(real_data: Path, path: Path) -> None:
    """What PFNano has under the same name is of the same kind; what only we have is known."""
    ours_alone = {
        "MLJEC_simulation", "MLJEC_process", "MLJEC_scatter", "Jet_nBHadrons", "Jet_nCHadrons", "nGenJetAK8",
        "GenJet_nConstituents", "GenJetAK8_nConstituents",
    }  # fmt: skip
    with uproot.open(real_data / "nano" / "pfnano_ul17_mc.root") as file:
        theirs = {branch.name: branch.interpretation for branch in file["Events"].branches}
    with uproot.open(path) as file:
        ours = {branch.name: branch.interpretation for branch in file["Events"].branches}
    allowed = {
        "PFCands_numberOfHits", "PFCands_numberOfPixelHits", "PFCands_hcalFraction", "PFCands_fromPV",
        *(name for name in ours if name.startswith("FatJet_")),
    } | ours_alone  # fmt: skip
    assert sorted(set(ours) - set(theirs) - allowed) == []

    def kind(interpretation: Any) -> str:
        content = getattr(interpretation, "content", interpretation)
        return str(np.dtype(content.from_dtype).kind).replace("u", "i")

    different = [name for name in set(ours) & set(theirs) if kind(ours[name]) != kind(theirs[name])]
    # Stored as float in the link table and as integers by us, or the other way round: none.
    assert different == []


def test_reading_gives_back_what_was_written(path: Path, events: EventTables) -> None:
    again = read(path)
    assert set(again.tables) == set(events.tables)
    assert again.scalars["event"].tolist() == [3 * EVENTS_A_SEED + 41 + i for i in range(6)]
    for name, table in events.tables.items():
        assert again.tables[name].offsets.tolist() == table.offsets.tolist()
    assert again.tables["Jet"]["pt"] == pytest.approx(events.tables["Jet"]["pt"], rel=2**-12)
    assert again.tables["JetPFCands"]["pFCandsIdx"].tolist() == events.tables["JetPFCands"]["pFCandsIdx"].tolist()


def test_only_candidates_of_jets_are_kept(events: EventTables, batch: RecoBatch) -> None:
    kept = events.tables["PFCands"]
    begin = kept.offsets[:-1]
    used = set()
    for links in ("JetPFCands", "FatJetPFCands"):
        table = events.tables[links]
        used |= set((table["pFCandsIdx"] + np.repeat(begin, table.counts)).tolist())
    assert used == set(range(int(kept.offsets[-1])))
    assert 0 < len(used) < len(batch.candidates["pt"])


def test_unmatched_jets_need_more_momentum(batch: RecoBatch) -> None:
    tables = assemble(batch, JetSelection(unmatched_raw_pt_min=70.0, ak8=False), 1, 0, 1).tables
    unmatched = tables["Jet"]["genJetIdx"] < 0
    assert (tables["Jet"]["pt"][unmatched] >= 70.0).all()
    assert (tables["Jet"]["pt"][~unmatched] < 70.0).any()
    assert "FatJet" not in tables


def test_fractions_add_up(events: EventTables) -> None:
    jets = events.tables["Jet"]
    total = sum(jets[name] for name in ("chHEF", "neHEF", "chEmEF", "neEmEF", "muEF"))
    assert total == pytest.approx(np.ones(len(total)), abs=1e-6)
    assert set(jets["jetId"].tolist()) <= {0, 2, 6}
    assert (jets["jetId"] == 6).any()


def test_correcting_keeps_the_raw_momentum_and_moves_the_links(
    events: EventTables, jec: list[Path], tmp_path: Path, open_nano: Callable[..., Any]
) -> None:
    payload = read_text(jec)
    changed = correct_jets(events, payload)
    assert (np.diff(changed.tables["Jet"]["pt"])[np.diff(changed.tables["Jet"].event) == 0] <= 0).all()
    write(tmp_path / "corrected.root", changed)
    stored = read(tmp_path / "corrected.root").tables["Jet"]
    raw = stored["pt"].astype(np.float64) * (1 - stored["rawFactor"].astype(np.float64))
    order = np.lexsort((-events.tables["Jet"]["pt"], events.tables["Jet"].event))
    back = np.lexsort((-raw, stored.event))
    assert raw[back] == pytest.approx(events.tables["Jet"]["pt"][order], rel=1e-3)
    factor, _ = payload.evaluate({"pt_raw": raw, "eta": stored["eta"]})
    assert stored["pt"] == pytest.approx(raw * factor, rel=2e-3)
    # The factors differ so much between the two sides that jets change places: their constituents go with them.
    assert not np.array_equal(back, np.arange(len(back)))
    nano = open_nano(tmp_path / "corrected.root")
    flags = flatten(nano, "Jet", constituents={"charged": (), "neutral": ()}).flags
    assert not np.any(flags & np.uint8(Status.INCOMPLETE_CONSTITUENTS | Status.NO_CONSTITUENTS))
    twice = correct_jets(changed, payload).tables["Jet"]
    assert twice["pt"] == pytest.approx(changed.tables["Jet"]["pt"], rel=1e-3)


def test_bad_input(events: EventTables, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown compression 'zip': choose one of zstd, lzma"):
        write(tmp_path / "a.root", events, "zip")
    pt = np.array(events.tables["Jet"]["pt"])
    pt[0] = np.nan
    broken = dict(events.tables) | {
        "Jet": Jagged(events.tables["Jet"].offsets, dict(events.tables["Jet"].columns) | {"pt": pt})
    }
    with pytest.raises(InputError, match=r"Jet_pt holds 1 numbers that are not finite \(row 0: nan\)"):
        write(tmp_path / "a.root", EventTables(events.scalars, broken))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*Free some space"):
        write(tmp_path / "file" / "a.root", events)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("Events", {"x": "f4"}).extend({"x": np.zeros(2, "f4")})
    with pytest.raises(InputError, match=r"was not written by this project's simulation"):
        read(tmp_path / "other.root")
    with uproot.recreate(tmp_path / "older.root") as file:
        file.mktree("Events", {"MLJEC_simulation": "i4"}).extend({"MLJEC_simulation": np.ones(2, "i4")})
    with pytest.raises(InputError, match=r"lacks .*: an older version of the simulation wrote it; simulate it again"):
        read(tmp_path / "older.root")
    with pytest.raises(InputError, match="could not be read"):
        read(tmp_path / "nowhere.root")
