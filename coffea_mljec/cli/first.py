"""The first file that can be read: what the commands choose by a file's columns, they choose by its columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from coffea_mljec.cli.terminal import say_note
from coffea_mljec.errors import MLJECError
from coffea_mljec.nano.algorithm import is_simulation
from coffea_mljec.nano.first_file import FirstFile
from coffea_mljec.workers import first_files

__all__ = ["First"]


class First:
    """Of the files of a command; looked at when it is asked for.

    Parameters
    ----------
    run : coffea executor
        Where files are opened.
    names : sequence of str
        The files.
    tree : str
    """

    def __init__(self, run: Any, names: Sequence[str], tree: str) -> None:
        self._run, self._names, self._tree = run, names, tree

    @cached_property
    def file(self) -> FirstFile | None:
        """The file; None where none can be read, as whoever reads its events says."""
        return first_files(self._run, {"": self._names}, self._tree).get("")

    def is_data(self, collection: str) -> bool:
        """Whether its events are data."""
        layout = None if self.file is None else self.file.layout(collection)
        return layout is not None and not is_simulation(layout)

    def decided(self, corrector: Any, collection: str) -> Any:
        """A correction with the network that the file chooses, which is said; the same where one was named.

        Raises
        ------
        InputError
            If no bundled network is for these jets.
        MissingBranchError
            If the file can feed none.
        """
        if not getattr(corrector, "undecided", False):
            return corrector
        layout = None if self.file is None else self.file.layout(collection)
        if self.file is None or layout is None:
            return corrector
        try:
            chosen = corrector.decided(layout)
        except MLJECError as error:
            raise type(error)(f"{self.file.name}: {error}") from None
        say_note(f"network {chosen.card.name!r}, the best that the first file can feed: {self.file.name}")
        return chosen
