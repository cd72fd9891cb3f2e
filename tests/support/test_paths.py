"""Paths that no file system takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coffea_mljec import MLJEC
from coffea_mljec.errors import InputError
from coffea_mljec.payloads import read_resolution_text
from coffea_mljec.support.paths import checked_path


def test_paths_of_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "nothing", tmp_path / "file" / "below", "root://host//x.root"):
        assert checked_path(path, "a file") == Path(path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("x" * 300, r"expected .*, got 'x{40}\.\.\. \(300 characters\)': File name too long\."),
        ("x/" * 3000, r"expected .*, got '(x/){20}\.\.\. \(6000 characters\)': File name too long\."),
        ("a\0b", r"expected .*, got 'a\\x00b'\."),
        (None, "expected .*, got None"),
        (5, "expected .*, got 5"),
        (b"x", "expected .*, got b'x'"),
        ([], r"expected .*, got \[\]"),
    ],
)
def test_what_is_no_path(given: Any, message: str) -> None:
    of_models = () if given is None else (MLJEC,)  # which takes None for the best network
    for use in (lambda path: checked_path(path, "a file"), read_resolution_text, *of_models):
        with pytest.raises(InputError, match=message):
            use(given)


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="Too many levels of symbolic links"):
        MLJEC(tmp_path / "a")
