"""Paths as people give them: what the file system cannot even look at is an error of the package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError

__all__ = ["checked_path"]


def checked_path(given: Any, what: str) -> Path:
    """The path, whether something is there or not.

    Parameters
    ----------
    given : str or path
    what : str
        What it is to be, for the message: ``"the path of a payload"``.

    Raises
    ------
    InputError
        If it is no path, its name is longer than a file system takes, or a folder on the way may not be looked into.
    """
    try:
        path = Path(given)
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        text = os.fspath(given)
        shown = text if len(text) <= 80 else f"{text[:40]}... ({len(text)} characters)"
        raise InputError(f"expected {what}, got {shown!r}: {error.strerror}.") from None
    except (TypeError, ValueError):
        raise InputError(f"expected {what}, got {given!r}.") from None
    return path
