"""The digest of bytes and of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffea_mljec.support.digest import digest, file_digest

# FIPS 180-2, appendix B.1 and B.3.
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MILLION = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"


def test_the_standards_own_examples(tmp_path: Path) -> None:
    assert digest(b"abc") == ABC
    (tmp_path / "file").write_bytes(b"a" * 1_000_000)
    assert file_digest(tmp_path / "file") == MILLION


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "nowhere")
