"""Files that are there whole or not at all: written beside their place, then moved into it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from coffea_mljec.errors import InputError

__all__ = ["make_folder", "remove_unfinished", "whole_file", "write_arrays", "write_bytes", "write_text"]

_UNFINISHED: set[Path] = set()
"""The temporary files of this process."""


@contextmanager
def whole_file(target: str | os.PathLike[str], suffix: str = ".part") -> Iterator[Path]:
    """A temporary file in the target's folder that replaces the target when the block ends well.

    Its name cannot be foreseen and it is created anew: no link planted beside the target is followed. Its rights are
    those that `open` gives. When the block raises, the temporary file is removed and the target stays as it was.

    Parameters
    ----------
    target : path
        In a folder that exists.
    suffix : str
        Of the temporary name, for writers that read the format from it: ``".part.png"``.

    Yields
    ------
    Path
        Write here.

    Raises
    ------
    InputError
        If it cannot be made, written or moved: the disk is full or read-only, or the folder is gone.
    """
    target = Path(target)
    # The start of the name only: with all of a long one the file system's limit would be passed.
    # Absolute: writers that take addresses too would look for a relative "file:/x" or "s3://x" elsewhere.
    temporary = target.absolute().with_name(f".{target.name[:40]}.{secrets.token_hex(8)}{suffix}")
    try:
        # Not tempfile's mkstemp, whose files are their owner's alone; what people share has the rights of the umask.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o666))
        _UNFINISHED.add(temporary)
        try:
            yield temporary
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        finally:
            _UNFINISHED.discard(temporary)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}. Free some space, or give another folder."
        ) from None


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder, with those above it, unless it is there.

    Raises
    ------
    InputError
        If it cannot be made, or is no folder.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}. Give another.") from None
    return folder


def remove_unfinished() -> None:
    """Remove the temporary files of this process, for one that ends without coming back to the blocks that made them.

    Who goes on writing to one fails when it is to be moved into place.
    """
    for temporary in tuple(_UNFINISHED):
        with suppress(OSError):
            temporary.unlink()


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write a whole text file in UTF-8; see `whole_file`."""
    with whole_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(target: str | os.PathLike[str], content: bytes) -> None:
    """Write a whole file; see `whole_file`."""
    with whole_file(target) as temporary:
        temporary.write_bytes(content)


def write_arrays(target: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Write a whole ``.npz`` file of arrays by name, not compressed; see `whole_file`."""
    with whole_file(target) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
