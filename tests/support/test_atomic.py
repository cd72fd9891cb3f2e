"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder, whole_file, write_arrays, write_bytes, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask() -> Iterator[Callable[[int], object]]:
    """``umask(0o027)``: this process withholds these rights until the test ends."""
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


def test_arrays_arrive(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", {"x": np.arange(3), "y": np.ones((2, 2), np.float32)})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as content:
        assert content["x"].tolist() == [0, 1, 2]
        assert content["y"].dtype == np.float32
    assert names(tmp_path) == ["a.npz"]


def test_text_and_bytes_arrive(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "20 µm\n")
    write_bytes(tmp_path / "bytes", b"\x00\xff")
    assert (tmp_path / "text").read_bytes() == "20 µm\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["bytes", "text"]


def test_an_older_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old, and longer")
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_target_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "file").write_text("old")

    def interrupted() -> None:
        with whole_file(tmp_path / "file") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_target_is_the_old_one_until_the_block_ends(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with whole_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "file").read_text() == "old"
    assert (tmp_path / "file").read_text() == "new"


def test_a_writer_that_removes_its_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"), whole_file(tmp_path / "file") as temporary:
        temporary.unlink()
    assert names(tmp_path) == []


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "precious").write_text("precious")
    # Even to someone who knows the name in advance.
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    planted = tmp_path / ".file.known.part"
    planted.symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="file: File exists"):
        write_text(tmp_path / "file", "other")
    assert (tmp_path / "precious").read_text() == "precious"
    assert planted.is_symlink()


def test_a_target_that_is_a_link_is_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "file").symlink_to(tmp_path / "precious")
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize(("mask", "rights"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_rights_are_those_of_the_umask(tmp_path: Path, umask: Callable[[int], object], mask: int, rights: int) -> None:
    umask(mask)
    write_text(tmp_path / "file", "shared")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == rights


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    with whole_file(tmp_path / "file") as one, whole_file(tmp_path / "file") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "file").read_text() == "one"
    assert names(tmp_path) == ["file"]


def test_the_suffix_and_a_name_of_the_longest_kind(tmp_path: Path) -> None:
    with whole_file(tmp_path / ("x" * 255), suffix=".part.png") as temporary:
        assert temporary.name.endswith(".part.png")
        assert temporary.parent == tmp_path
    assert names(tmp_path) == ["x" * 255]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"cannot write .*/nowhere/file: No such file or directory. Free some space, or"
    ):
        write_text(tmp_path / "nowhere" / "file", "text")


def test_a_full_disk_is_an_error_of_the_package(tmp_path: Path) -> None:
    """None that is or chains an OSError, which coffea's skipbadfiles would take for a bad input."""
    (tmp_path / "file").write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*/file: File too large") as caught:
            write_bytes(tmp_path / "file", bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.__suppress_context__
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_folders(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b") == make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "a", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="cannot make the folder"):
            make_folder(path)
