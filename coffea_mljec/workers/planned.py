"""The file that a chunk was planned on, against the one that is under its name when the chunk's turn comes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from coffea_mljec.errors import DamagedFileError
from coffea_mljec.nano import open_nano
from coffea_mljec.nano.opening import PARQUET_NAMES

__all__ = ["check_same_file", "replaced"]


def check_same_file(events: Any) -> None:
    """Compare the file that coffea opened for these events with the one that their chunk was planned on.

    Parameters
    ----------
    events : NanoEvents
        Of coffea's Runner, on a plan of ours.

    Raises
    ------
    DamagedFileError
        If it is another one.
    """
    chunk = events.metadata
    if chunk["filename"].endswith(PARQUET_NAMES):
        with open_nano(chunk["filename"]) as nano:
            opened = nano.uuid
    else:
        # coffea's key of a chunk begins with the UUID of the file that it opened.
        opened = events.attrs["@events_factory"]._partition_key.partition("/")[0]
    if opened != chunk["fileuuid"]:
        raise _another_file(chunk["filename"], opened, chunk["fileuuid"])


def replaced(chunk: Any) -> DamagedFileError | None:
    """The reason behind any other error of a chunk, if its file is no longer the one that was planned on.

    Parameters
    ----------
    chunk : coffea's WorkItem
    """
    planned = str(UUID(bytes=chunk.fileuuid))
    try:
        with open_nano(chunk.filename, chunk.treename) as nano:
            return None if nano.uuid == planned else _another_file(chunk.filename, nano.uuid, planned)
    except Exception:  # it cannot be read at all, and the error itself says so
        return None


def _another_file(name: str, found: str, planned: str) -> DamagedFileError:
    return DamagedFileError(
        f"{name} is another file than at the start of the run (its UUID is {found}, it was {planned}): it was replaced "
        "meanwhile. Run again."
    )
