"""Which file it is, and whether it stays that file while it is read."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from coffea_mljec.errors import DamagedFileError

__all__ = ["footer_uuid", "unchanged"]


def footer_uuid(file: Any) -> str:
    """What identifies a Parquet file, which has no UUID of its own: the md5 of its footer, written as a UUID.

    The footer holds schema, sizes, places and, as a rule, ranges of all columns. Files of equal footers are taken for
    the same.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
    """
    footer = io.BytesIO()
    file.metadata.write_metadata_file(footer)
    return str(UUID(bytes=hashlib.md5(footer.getvalue(), usedforsecurity=False).digest()))


@contextmanager
def unchanged(name: str) -> Iterator[None]:
    """Compare size and time of a local file before and after the block, which reads it.

    A file that is moved away or replaced by another is still the old one for who has it open. One that is written to in
    its place is neither the old one nor the new one.

    Parameters
    ----------
    name : str
        A local path; others are not looked at.

    Raises
    ------
    DamagedFileError
        If the block ends well, and the file was written to meanwhile.
    """
    before = _stamp(name)
    yield
    after = _stamp(name)
    if before != after and before is not None and after is not None:
        raise DamagedFileError(
            f"{name} was changed while it was read (from {before[0]} to {after[0]} bytes): what was read is of neither "
            "file. Run again once it is written."
        )


def _stamp(name: str) -> tuple[int, int] | None:
    """Size and time of the last change. Not the inode, which network file systems may give anew."""
    try:
        status = os.stat(name)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns
