"""The files of a sample: folders, files, patterns and addresses, and what identifies each file."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from coffea_mljec.errors import InputError
from coffea_mljec.nano import open_nano
from coffea_mljec.support.digest import digest, file_digest

__all__ = ["Place", "identity_of", "is_address", "shards_of", "sources_of"]


def is_address(name: str | os.PathLike[str]) -> bool:
    """Whether it is an address (``root://``, ``https://``) and no path."""
    return "://" in os.fspath(name)


def _place(given: object) -> object:
    """A text as pydantic takes it: a path, which would make ``root:/`` of ``root://``, or an address as it is."""
    return Path(given) if isinstance(given, str) and not is_address(given) else given


Place = Annotated[Path | str, BeforeValidator(_place)]
"""A folder, file or pattern, or the address of a file."""


def sources_of(places: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files of folders, patterns, single files and addresses, sorted within each.

    Raises
    ------
    InputError
        As `shards_of`; also if an address is a pattern, or stands twice.
    """
    sources: list[str] = []
    for place in [os.fspath(one) for one in places]:
        if not is_address(place):
            sources += map(str, shards_of([place]))
            continue
        if set("*?[") & set(place.partition("?")[0]):
            raise InputError(f"{place} is a pattern of addresses, which nobody can list: name each file")
        sources.append(place)
    _refuse_twice([name if is_address(name) else str(Path(name).resolve()) for name in sources])
    return sources


def shards_of(places: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the ROOT files of folders, patterns (``train/*_qcd.root``) and single files, sorted within each.

    Raises
    ------
    InputError
        If a path does not exist, holds no ROOT file, or a file stands twice; or for an address.
    """
    shards: list[Path] = []
    for place in places:
        if is_address(place):
            raise InputError(f"{place} is an address, which prepare and train alone read: copy the file")
        shards += _found(Path(place))
    _refuse_twice([str(shard.resolve()) for shard in shards])
    return shards


def _found(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.rglob("*.root"))
    elif path.exists():
        found = [path]
    else:
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    if not found or not all(shard.is_file() for shard in found):
        raise InputError(f"no ROOT file at {path}: give a production's folder, its files or a pattern of them")
    return found


def _refuse_twice(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise InputError("a file stands twice among the productions: every jet would be used twice; name each once")


def identity_of(source: str) -> str:
    """Return what identifies a file's content, in hexadecimal: the digest of a local one, ROOT's UUID of another.

    Raises
    ------
    InputError
        If it cannot be read.
    WorkerError
        If opening an address takes a plug-in that is not installed.
    """
    if is_address(source):
        with open_nano(source) as file:
            return digest(f"{file.uuid} {file.entries}".encode())
    try:
        return file_digest(source)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}") from None
