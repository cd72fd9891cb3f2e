"""What can happen to a file while a run goes on; each takes the file's path and leaves the fault behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.factories import Tables, jets_with_met, response_events, two_jets, write

__all__ = ["FILE_FAULTS"]


def _moved_into_place(tables: Tables, path: Path) -> None:
    os.replace(write(tables, path.with_name("other.root")), path)


def _written_over(path: Path) -> None:
    # The same events, of the same layout and size: what differs is the UUID in the head.
    content = write(two_jets(60), path.with_name("other.root")).read_bytes()
    path.with_name("other.root").unlink()
    with path.open("r+b") as file:
        file.write(content)


FILE_FAULTS: dict[str, Callable[[Path], None]] = {
    "removed": lambda path: path.unlink(),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "zeroed": lambda path: path.write_bytes(b"\0" * path.stat().st_size) and None,
    "another layout": lambda path: _moved_into_place(jets_with_met(), path),
    "other events": lambda path: _moved_into_place(response_events(60), path),
    "fewer events": lambda path: _moved_into_place(two_jets(30), path),
    "written over": _written_over,
}
"""What happens to ``b.root``, which has 60 events of `two_jets`."""
