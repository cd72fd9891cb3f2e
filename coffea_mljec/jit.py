"""numba's ``njit`` with an on-disk cache where one can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["njit"]


def njit(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile in nopython mode, without the GIL, with IEEE division, cached on disk where that is possible.

    numba refuses to *define* a cached function when neither the installation nor the
    user's cache folder is writable (a read-only container, say). Such a process compiles afresh instead.

    Parameters
    ----------
    **options
        Passed on to `numba.njit`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        settings: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"} | options
        try:
            compiled: Callable[..., Any] = numba.njit(**settings)(function)
        except RuntimeError as error:
            if "cannot cache function" not in str(error):
                raise
            compiled = numba.njit(**(settings | {"cache": False}))(function)
        return compiled

    return decorate
