"""NanoAOD files as this package opens them: checked first, with errors that say what is wrong with the file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from coffea_mljec.errors import InputError, MissingBranchError

__all__ = ["IDENTITY", "NanoFile", "open_nano", "quiet_coffea"]

IDENTITY = ("run", "luminosityBlock", "event")
"""The branches that tell one event from all others."""

_HARMLESS = ("Missing cross-reference", "Found duplicate branch", r"Branch Photon_(mass|charge) already exists")


def quiet_coffea() -> None:
    """Silence, by message, what coffea says about every small or older file: links without a target, a branch twice."""
    for message in _HARMLESS:
        warnings.filterwarnings("ignore", message)


@dataclass(frozen=True)
class NanoFile:
    """An open NanoAOD file.

    Attributes
    ----------
    path : str
    treename : str
    entries : int
        Number of events.
    branches : tuple of str
    """

    path: str
    treename: str
    entries: int
    branches: tuple[str, ...]
    directory: Any

    def events(self, start: int = 0, stop: int | None = None, mode: str = "virtual") -> Any:
        """NanoEvents of the entries ``start:stop``, with PFNanoAODSchema (which reads any NanoAOD file)."""
        from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

        return NanoEventsFactory.from_root(
            self.directory,
            treepath=self.treename,
            schemaclass=PFNanoAODSchema,
            entry_start=start,
            entry_stop=self.entries if stop is None else stop,
            mode=mode,
        ).events()


@contextmanager
def open_nano(path: str | os.PathLike[str], treename: str = "Events") -> Iterator[NanoFile]:
    """Open a NanoAOD file for reading.

    Parameters
    ----------
    path : str or path
        A local file, or whatever uproot opens (``root://...``).
    treename : str

    Yields
    ------
    NanoFile

    Raises
    ------
    InputError
        If there is no such file, it is no readable ROOT file, or it has no such tree.
    MissingBranchError
        If the tree lacks the branches that identify an event: it is not NanoAOD.
    """
    import uproot

    name = os.fspath(path)
    with _readable(name):
        # An opened mapping, because a colon in a plain string would be read as the start of a tree's name.
        directory = uproot.open({name: None})
    try:
        _check_whole(name, directory)
        trees = [key for key, kind in directory.classnames(cycle=False).items() if kind == "TTree"]
        if treename not in trees:
            raise InputError(
                f"{name} has no tree {treename!r}: it has {', '.join(trees) or 'no tree at all'}; name another with "
                "--tree."
            )
        with _readable(name):
            tree = directory[treename]
        branches = tuple(tree.keys())
        lacking = [branch for branch in IDENTITY if branch not in branches]
        if lacking:
            raise MissingBranchError(
                f"{name} is not a NanoAOD file: its tree {treename!r} has no branch {', '.join(lacking)} (it has "
                f"{', '.join(branches[:6]) or 'no branches'}, ...)."
            )
        yield NanoFile(name, treename, int(tree.num_entries), branches, directory)
    finally:
        directory.close()


def _check_whole(name: str, directory: Any) -> None:
    """uproot reads the head of a cut file without complaint, and fails later, on a worker."""
    if os.path.isfile(name) and os.path.getsize(name) < directory.file.fEND:
        raise InputError(
            f"{name} cannot be read as a ROOT file: it has {os.path.getsize(name)} of {directory.file.fEND} bytes. It "
            "is cut short; fetch it again."
        )


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn what uproot raises on a missing, empty, foreign or cut file into one InputError."""
    import uproot.deserialization

    try:
        yield
    except FileNotFoundError:
        raise InputError(f"no such file: {name}") from None
    except (OSError, ValueError, uproot.deserialization.DeserializationError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{name} cannot be read as a ROOT file: {first}. It is empty, cut short or no ROOT file; "
            "fetch it again."
        ) from None
