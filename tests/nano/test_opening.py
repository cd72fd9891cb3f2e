"""`coffea_mljec.nano.opening`: NanoAOD files checked before anything is done with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import open_nano


def write(path: Path, tree: str = "Events", **branches: np.ndarray) -> Path:
    with uproot.recreate(path) as file:
        file.mktree(tree, {name: values.dtype for name, values in branches.items()}).extend(branches)
    return path


def identity(n: int = 3) -> dict[str, np.ndarray]:
    return {
        "run": np.ones(n, np.uint32),
        "luminosityBlock": np.ones(n, np.uint32),
        "event": np.arange(n, dtype=np.uint64),
    }


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no such file: .*nowhere.root"), open_nano(tmp_path / "nowhere.root"):
        pass


@pytest.mark.parametrize("content", [b"", b"not a ROOT file at all" * 30])
def test_a_file_that_is_not_root(tmp_path, content):
    path = tmp_path / "bad.root"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad.root cannot be read as a ROOT file") as caught, open_nano(path):
        pass
    assert caught.value.__cause__ is None
    assert not isinstance(caught.value, OSError)


def test_a_file_cut_short(tmp_path):
    whole = write(tmp_path / "whole.root", **identity()).read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut.root cannot be read as a ROOT file"), open_nano(path):
        pass


def test_another_tree(tmp_path):
    path = write(tmp_path / "other.root", tree="Runs", **identity())
    with pytest.raises(InputError, match="no tree 'Events': it has Runs; name another with --tree"), open_nano(path):
        pass
    with open_nano(path, "Runs") as nano:
        assert nano.entries == 3


def test_no_nanoaod(tmp_path):
    path = write(tmp_path / "flat.root", x=np.zeros(3))
    with (
        pytest.raises(MissingBranchError, match=r"not a NanoAOD file: .* no branch run, luminosityBlock, event"),
        open_nano(path),
    ):
        pass


def test_a_colon_in_the_name_is_part_of_the_name(tmp_path):
    path = write(tmp_path / "run:1.root", **identity(2))
    with open_nano(path) as nano:
        assert nano.entries == 2


def test_a_range_of_entries(tmp_path):
    path = write(tmp_path / "nano.root", **identity(5))
    with open_nano(path) as nano:
        assert nano.events(1, 3).event.tolist() == [1, 2]
        assert nano.events(mode="eager").event.tolist() == [0, 1, 2, 3, 4]
        assert len(nano.events(5, 5)) == 0
