"""The nearest names to one that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(name: str, names: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The names most like this one, best first; those less alike than ``cutoff`` (0 to 1) are left out."""
    return difflib.get_close_matches(name, list(names), n=most, cutoff=cutoff)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``"Did you mean 'pfn-r'? "`` for an error's message, or nothing where no name is near."""
    close = nearest(name, names)
    return f"Did you mean {close[0]!r}? " if close else ""
