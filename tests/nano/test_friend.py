"""`coffea_mljec.nano.friend`: friend trees, entry for entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import COLUMNS, friend_paths, open_nano, write_friend
from tests.factories import jets_of_pt, write


class Scale:
    """A provider small enough to know its answer: corrected pT is raw pT times 1.25, status 1 above 30 GeV, else 4."""

    name = "scale"

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        jets = events[collection]
        raw = 1 - jets.rawFactor
        out = ak.with_field(jets, jets.pt, "pt_orig")
        for name, values in {
            "mass_orig": jets.mass,
            "pt_raw": jets.pt * raw,
            "mass_raw": jets.mass * raw,
            "jet_energy_correction": ak.full_like(jets.pt, 1.25),
            "mljec_status": ak.values_astype(ak.where(jets.pt * raw > 30, 1, 4), np.uint8),
            "pt": jets.pt * raw * 1.25,
            "mass": jets.mass * raw * 1.25,
            "rawFactor": ak.full_like(jets.pt, 1 - 1 / 1.25),
        }.items():
            out = ak.with_field(out, values, name)
        return out


PT = [[100.0, 40.0], [], [20.0], [], [], [60.0, 50.0, 30.0]]


@pytest.fixture
def nano(tmp_path) -> Path:
    return write(jets_of_pt(PT), tmp_path / "nano.root")


@pytest.mark.parametrize("chunk_size", [1, 2, 4, 6, 1000])
def test_entry_for_entry_in_any_chunks(nano, tmp_path, chunk_size):
    seen: list[tuple[int, int]] = []
    before = nano.read_bytes()

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    summary = write_friend(nano, tmp_path / "out.root", Scale(), chunk_size=chunk_size, progress=note)
    with uproot.open(tmp_path / "out.root") as file:
        tree = file["Events"]
        assert tree["event"].array().tolist() == [2**40 + i for i in range(6)]
        assert tree["luminosityBlock"].array().tolist() == list(range(6))
        assert tree["nJet"].array().tolist() == [2, 0, 1, 0, 0, 3]
        assert tree["Jet_pt"].array().tolist() == PT
        assert tree["Jet_mljec_status"].array().tolist() == [[1, 1], [], [4], [], [], [1, 1, 4]]
        kinds = {name: str(tree[f"Jet_{name}"].array().type.content.content) for name in COLUMNS}
    assert kinds == COLUMNS
    assert (summary.events, summary.jets, summary.status) == (6, 6, {1: 4, 4: 2})
    assert seen == [(min(done, 6), 6) for done in range(0, 6 + chunk_size, chunk_size)]
    assert nano.read_bytes() == before


@pytest.mark.parametrize("mode", ["eager", "virtual"])
def test_nanoevents_opens_it(nano, tmp_path, open_nano, mode):
    write_friend(nano, tmp_path / "out.root", Scale())
    jets = open_nano(tmp_path / "out.root", mode).Jet
    assert ak.parameters(jets.layout.content)["__record__"] == "Jet"
    np.testing.assert_allclose(ak.flatten(jets.pt * (1 - jets.rawFactor)), ak.flatten(jets.pt_raw), rtol=1e-6)
    np.testing.assert_allclose(ak.flatten(jets.jet_energy_correction), 1.25)
    assert ak.all(np.isfinite(jets.px))


def test_friend_columns_can_be_corrected_against_the_input(nano, tmp_path):
    """A friend is read beside its input: same entries, same jets."""
    write_friend(nano, tmp_path / "out.root", Scale())
    with open_nano(nano) as mine, open_nano(tmp_path / "out.root") as friend:
        assert ak.all(mine.events().event == friend.events().event)
        assert ak.all(mine.events().Jet.pt == friend.events().Jet.pt_orig)


@pytest.mark.parametrize("pt", [[], [[], [], []]], ids=["no events", "no jets"])
def test_nothing_in_the_file(tmp_path, open_nano, pt):
    write(jets_of_pt(pt), tmp_path / "nano.root")
    summary = write_friend(tmp_path / "nano.root", tmp_path / "out.root", Scale())
    assert (summary.events, summary.jets) == (len(pt), 0)
    events = open_nano(tmp_path / "out.root")
    assert len(events) == len(pt)
    assert events.Jet.pt.tolist() == pt
    assert set(COLUMNS) <= set(events.Jet.fields)


def test_what_wrote_it_is_in_it(nano, tmp_path):
    write_friend(nano, tmp_path / "out.root", Scale())
    with uproot.open(tmp_path / "out.root") as file, uproot.open(nano) as source:
        metadata = json.loads(file["mljec"])
        assert metadata["source_uuid"] == str(source.file.uuid)
    assert metadata["provider"] == "scale"
    assert metadata["entries"] == 6
    assert metadata["source"] == str(nano)
    assert metadata["digest"] is None


def test_an_existing_file_is_kept_unless_forced(nano, tmp_path):
    out = tmp_path / "out.root"
    out.write_text("mine")
    with pytest.raises(InputError, match=r"out.root exists already; give --force"):
        write_friend(nano, out, Scale())
    assert out.read_text() == "mine"
    write_friend(nano, out, Scale(), force=True)
    assert uproot.open(out)["Events"].num_entries == 6


def test_the_input_is_never_overwritten(nano):
    before = nano.read_bytes()
    with pytest.raises(InputError, match="is the input itself"):
        write_friend(nano, nano, Scale(), force=True)
    assert nano.read_bytes() == before


def test_nothing_half_written_remains(nano, tmp_path):
    class Fails(Scale):
        calls = 0

        def apply(self, events: Any, collection: str = "Jet") -> Any:
            self.calls += 1
            if self.calls == 2:
                raise MissingBranchError("no such branch")
            return super().apply(events, collection)

    with pytest.raises(MissingBranchError, match="no such branch"):
        write_friend(nano, tmp_path / "out.root", Fails(), chunk_size=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nano.root"]


def test_a_provider_that_drops_jets_is_caught(nano, tmp_path):
    class Drops(Scale):
        def apply(self, events: Any, collection: str = "Jet") -> Any:
            jets = super().apply(events, collection)
            return jets[jets.pt > 30]

    with pytest.raises(InputError, match="scale returned other jets than Jet has"):
        write_friend(nano, tmp_path / "out.root", Drops())


def test_a_provider_that_forgets_a_field_is_caught(nano, tmp_path):
    class Forgets(Scale):
        def apply(self, events: Any, collection: str = "Jet") -> Any:
            return ak.without_field(super().apply(events, collection), "mljec_status")

    with pytest.raises(InputError, match="scale returned jets without mljec_status"):
        write_friend(nano, tmp_path / "out.root", Forgets())


def test_no_folder_and_no_entries_at_a_time(nano, tmp_path):
    with pytest.raises(InputError, match=r"no folder .*nowhere to write out.root to"):
        write_friend(nano, tmp_path / "nowhere" / "out.root", Scale())
    with pytest.raises(InputError, match="chunk_size must be 1 or more, got 0"):
        write_friend(nano, tmp_path / "out.root", Scale(), chunk_size=0)


def test_names_of_friend_files():
    assert friend_paths(["a/nano.root", "a/other.root"], "out") == {
        "a/nano.root": Path("out/nano_mljec.root"),
        "a/other.root": Path("out/other_mljec.root"),
    }
    same_stem = friend_paths(["root://host//store/0000/nano_1.root", "root://host//store/0001/nano_1.root"], "out")
    assert [path.name for path in same_stem.values()] == ["0000_nano_1_mljec.root", "0001_nano_1_mljec.root"]
    assert friend_paths([], "out") == {}


def test_names_that_cannot_be_told_apart():
    with pytest.raises(InputError, match=r"given more than once: a/nano.root"):
        friend_paths(["a/nano.root", "a/nano.root"], "out")
    with pytest.raises(InputError, match=r"cannot tell the friend files of /nano.root, nano.root apart"):
        friend_paths(["/nano.root", "nano.root"], "out")
