"""The first file of a data set: what is chosen by the columns of a file is chosen by its columns, for all files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from coffea_mljec.nano.detection import fields_of, layout_of
from coffea_mljec.nano.layout import Layout
from coffea_mljec.nano.opening import open_nano

__all__ = ["FirstFile", "deciding", "first_file"]

_DECIDING: ContextVar[FirstFile | None] = ContextVar("first_file", default=None)


@dataclass(frozen=True)
class FirstFile:
    """The columns of a file.

    Attributes
    ----------
    name : str
    fields : dict of str to tuple of str
        Its collections and the fields of each.
    """

    name: str
    fields: dict[str, tuple[str, ...]]

    @classmethod
    def look(cls, name: str, treename: str = "Events") -> FirstFile:
        """Look at a file's columns; errors are those of `coffea_mljec.nano.open_nano`."""
        with open_nano(name, treename) as nano:
            return cls(name, fields_of(nano.events(0, 0)))

    def layout(self, collection: str) -> Layout | None:
        """The layout of its jets; None where it has no such collection."""
        return layout_of(self.fields, collection) if collection in self.fields else None


@contextmanager
def deciding(first: FirstFile | None) -> Iterator[None]:
    """Let this file decide in what is called inside (in this thread); None: each file decides for itself."""
    token = _DECIDING.set(first)
    try:
        yield
    finally:
        _DECIDING.reset(token)


def first_file() -> FirstFile | None:
    """The file that decides here."""
    return _DECIDING.get()
