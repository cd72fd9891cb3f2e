"""Jet tuples of record 12100 -> PFNano's layout: what went in comes out, event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import detect, open_nano
from tests.training.opendata import tuples
from training.dataset.selection import select_jets
from training.learning.recipe import read_recipe
from training.opendata import convert as conversion
from training.opendata.convert import convert
from training.opendata.jetntuple import blocks

RECIPE = Path(conversion.__file__).parent / "pfn-opendata.yaml"


@pytest.fixture(scope="module")
def jets(sample: Path) -> dict[str, Any]:
    return tuples.jets_of(sample)


@pytest.fixture
def source(jets: dict[str, Any], tmp_path: Path) -> Path:
    return tuples.write(tmp_path / "JetNtuple_1.root", jets)


def read(path: Path) -> Any:
    with uproot.open(path) as file:
        return file["Events"].arrays()


def _by_pt(event: Any, rows: Any) -> dict[str, Any]:
    """The candidates of a jet by falling pT."""
    names = ("pt", "eta", "phi", "pdgId", "charge", "fromPV")
    columns = {name: np.asarray(event[f"PFCands_{name}"])[rows] for name in names}
    order = np.lexsort((columns["eta"], -columns["pt"]))
    return {name: values[order] for name, values in columns.items()}


@pytest.mark.parametrize("block", [100_000, 40])
@pytest.mark.parametrize("order", ["as written", "shuffled"])
def test_what_went_in_comes_out(jets, sample, tmp_path, monkeypatch, block, order):
    monkeypatch.setattr(conversion, "BLOCK", block)
    rows = np.arange(len(jets["jetPt"]))
    if order == "shuffled":
        np.random.default_rng(1).shuffle(rows)
    source = tuples.write(
        tmp_path / "a.root", tuples.taken(jets, rows), folder="" if order == "shuffled" else "AK4jets/"
    )
    (done,) = convert([str(source)], tmp_path / "out", progress=False)
    found = read(done.path)
    with uproot.open(sample) as file:
        given = file["Events"].arrays(entry_stop=200)
    given = given[ak.any((given["Jet_pt"] > 30) & (abs(given["Jet_eta"]) < 2.5), axis=1)]
    found = found[np.argsort(found["event"])]
    given = given[np.argsort(given["event"])]
    kept = (given["Jet_pt"] > 30) & (abs(given["Jet_eta"]) < 2.5)
    assert (done.events, done.jets) == (len(given), len(rows))
    for name in ("run", "luminosityBlock", "event", "fixedGridRhoFastjetAll", "PV_npvsGood", "genWeight"):
        assert ak.all(found[name] == given[name])
    order_of = ak.argsort(given["Jet_pt"][kept], ascending=False, stable=True)
    for name in ("pt", "eta", "phi", "mass", "area", "hadronFlavour", "partonFlavour", "nConstituents"):
        assert ak.all(found[f"Jet_{name}"] == given[f"Jet_{name}"][kept][order_of]), name
    raw = [one["Jet_pt"] * (1 - one["Jet_rawFactor"]) for one in (found, given)]
    np.testing.assert_allclose(ak.flatten(raw[0]), ak.flatten(raw[1][kept][order_of]), rtol=1e-5)
    # Each jet has its candidates, and its generator jet.
    index = ak.local_index(given["Jet_pt"])[kept][order_of]
    for event in range(0, len(found), 7):
        one, other = found[event], given[event]
        for place, where in enumerate(index[event]):
            mine = one["JetPFCands_pFCandsIdx"][one["JetPFCands_jetIdx"] == place]
            theirs = other["JetPFCands_pFCandsIdx"][other["JetPFCands_jetIdx"] == where]
            assert len(mine) == one["Jet_nConstituents"][place] == len(theirs)
            ours, given_ = _by_pt(one, mine), _by_pt(other, theirs)
            for name in ("pt", "pdgId", "charge", "fromPV"):
                assert ours[name].tolist() == given_[name].tolist(), name
            for name in ("eta", "phi"):
                np.testing.assert_allclose(ours[name], given_[name], atol=1e-5)
            partner, theirs = one["Jet_genJetIdx"][place], other["Jet_genJetIdx"][where]
            assert (partner < 0) == (theirs < 0)
            if partner >= 0:
                assert one["GenJet_pt"][partner] == other["GenJet_pt"][theirs]


def test_what_is_absent_stays_absent_and_the_rest_trains(source, tmp_path):
    (done,) = convert([str(source)], tmp_path / "out", progress=False)
    with open_nano(done.path) as nano:
        assert not [name for name in nano.branches if name.startswith(("SV", "PFCands_d", "MLJEC", "FatJet"))]
        events = nano.events()
        assert not detect(events).simulation  # no parametrised simulation
        recipe = read_recipe(RECIPE)
        assert not recipe.fast_simulation
        assert "full simulation" in recipe.sample
        table = select_jets(events, recipe.feature_set, recipe.selection)
        assert table.counts["usable constituents"] == table.counts["all"] == done.jets
        assert len(table) > 0.5 * done.jets


def test_a_tuple_that_lacks_branches(jets, tmp_path):
    bad = tuples.write(tmp_path / "bad.root", jets, without=("PF_fromAK4Jet", "rhoAll"))
    with pytest.raises(MissingBranchError, match=r"bad\.root: AK4jets/jetTree lacks PF_fromAK4Jet, rhoAll, without"):
        convert([str(bad)], tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_tuples(sample, tmp_path):
    with pytest.raises(InputError, match=r"has 0 trees 'jetTree' \(it has Events\)"):
        convert([str(sample)], tmp_path / "out", progress=False)
    (tmp_path / "cut.root").write_bytes(sample.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cut\.root cannot be read as a ROOT file"):
        convert([str(tmp_path / "cut.root")], tmp_path / "out", progress=False)
    with pytest.raises(InputError, match="no such file"):
        convert([str(tmp_path / "absent.root")], tmp_path / "out", progress=False)


def test_jets_of_one_event_in_two_files(jets, tmp_path):
    first = np.arange(len(jets["jetPt"])) < 31
    while jets["event"][first][-1] != jets["event"][~first][0]:  # tear an event apart
        first[np.argmin(first)] = True
    names = [
        str(tuples.write(tmp_path / f"{name}.root", tuples.taken(jets, rows)))
        for name, rows in (("a", first), ("b", ~first))
    ]
    torn = jets["event"][~first][0]
    with pytest.raises(InputError, match=rf"1 events have jets in two files, 1:\d+:{torn} in .*a\.root and .*b\.root"):
        convert(names, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_jets_that_disagree_about_their_event(jets, tmp_path):
    changed = tuples.taken(jets, np.arange(20))
    twice = np.flatnonzero(changed["event"][1:] == changed["event"][:-1])[0] + 1
    changed["rhoAll"][twice] += 1
    source = tuples.write(tmp_path / "a.root", changed)
    with pytest.raises(InputError, match=r"jets of the event 1:\d+:\d+ disagree in rhoAll"):
        convert([str(source)], tmp_path / "out", progress=False)
    assert list((tmp_path / "out").iterdir()) == []


def test_files_that_exist(source, tmp_path):
    command = ([str(source)], tmp_path / "out")
    convert(*command, progress=False)
    with pytest.raises(InputError, match=r"JetNtuple_1\.root exist already: add --resume to keep them, or --force"):
        convert(*command, progress=False)
    assert convert(*command, resume=True, progress=False) == []
    assert len(convert(*command, force=True, progress=False)) == 1
    with pytest.raises(InputError, match="holds the tuples themselves"):
        convert([str(source)], tmp_path, force=True, progress=False)
    with pytest.raises(InputError, match="two of the files have one name"):
        convert([str(source), str(tmp_path / "x" / source.name)], tmp_path / "out2", progress=False)


def test_blocks_tear_no_event_apart():
    identity = np.array([[1, 1, n] for n in (1, 1, 2, 3, 3, 3, 4, 5, 5)])
    assert blocks(identity, 2) == [(0, 2), (2, 6), (6, 7), (7, 9)]
    for size in (1, 2, 3, 5, 100):
        found = blocks(identity, size)
        assert [start for start, _ in found] == [0, *(stop for _, stop in found[:-1])]
        assert found[-1][1] == len(identity)
        for start, _ in found[1:]:
            assert tuple(identity[start]) != tuple(identity[start - 1])
    assert blocks(identity[[0, 2, 1]], 1) == [(0, 3)]
    assert blocks(identity[:0], 1) == []
