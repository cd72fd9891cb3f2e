"""The digest of bytes and of files: sha256, in hexadecimal."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["digest", "file_digest"]


def digest(content: bytes) -> str:
    """The sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file, read piece by piece; raises OSError as `open` does."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
