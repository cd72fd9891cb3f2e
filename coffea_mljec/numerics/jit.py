"""numba's ``njit`` with an on-disk cache where one can be written."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import numba

__all__ = ["njit"]


def njit(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile in nopython mode, without the GIL, with IEEE division, cached on disk where that is possible.

    numba keeps compiled functions beside the module, or in the user's cache folder, and refuses to *define* a cached
    function when neither is writable (a read-only container on a worker node, say). They then go to a private folder
    among the temporary files, so that the processes of a node compile once; without even that, or on a disk that is
    full, every process compiles afresh.

    Parameters
    ----------
    **options
        Passed on to `numba.njit`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        settings: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"} | options
        try:
            return _compiled(function, settings)
        except RuntimeError as error:
            if "cannot cache function" not in str(error):
                raise
        if (folder := _private_folder()) is not None:
            config: Any = numba.config
            before = config.CACHE_DIR
            config.CACHE_DIR = str(folder)
            try:
                return _compiled(function, settings)
            except RuntimeError as error:
                if "cannot cache function" not in str(error):
                    raise
            finally:
                config.CACHE_DIR = before
        return _compiled(function, settings | {"cache": False})

    return decorate


def _compiled(function: Callable[..., Any], settings: dict[str, Any]) -> Callable[..., Any]:
    compiled: Any = numba.njit(**settings)(function)
    kept = getattr(compiled, "_cache", None)  # none where numba is turned off
    if kept is not None:
        save = kept.save_overload

        def save_where_there_is_room(signature: Any, data: Any) -> None:
            with suppress(OSError):
                save(signature, data)

        kept.save_overload = save_where_there_is_room
    return cast("Callable[..., Any]", compiled)


@cache
def _private_folder() -> Path | None:
    """A folder that only this user can write to: what lies in a cache is executed when it is loaded."""
    if not hasattr(os, "getuid"):
        return None
    folder = Path(tempfile.gettempdir()) / f"coffea-mljec-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if private else None
