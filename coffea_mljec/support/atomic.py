"""Files that are there whole or not at all: written beside their place, then moved into it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file", "write_bytes", "write_text"]


@contextmanager
def whole_file(target: str | os.PathLike[str], suffix: str = ".part") -> Iterator[Path]:
    """A temporary file in the target's folder that replaces the target when the block ends well.

    Its name cannot be foreseen and it is created anew, so that no link planted beside the target is followed. When the
    block raises, the temporary file is removed and the target stays as it was.

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
    OSError
        As from opening, writing or moving a file.
    """
    target = Path(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp gives the file to its owner alone; what people share has the rights that open() would give it.
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write a whole text file in UTF-8; see `whole_file`."""
    with whole_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(target: str | os.PathLike[str], content: bytes) -> None:
    """Write a whole file; see `whole_file`."""
    with whole_file(target) as temporary:
        temporary.write_bytes(content)


def _umask() -> int:
    """The rights that this process withholds; there is no way to ask without setting them."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
