"""Checkpoints of a long run: what is done so far, on the machine that asked for it, and of which configuration.

They lie with the client, not with the workers, so no file system need be shared. One file holds all: results add up, so
a newer one replaces the older.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder, write_text
from coffea_mljec.workers.guard import Failure
from coffea_mljec.workers.store import load, save

__all__ = ["Checkpoints", "DamagedCheckpointsWarning", "Progress"]

_DONE, _CONFIGURATION = "done.zip", "configuration.json"
"""Results with their configuration; the configuration alone, for people: nothing reads it."""


class DamagedCheckpointsWarning(UserWarning):
    """Checkpoints cannot be read, so that the work that they held is done again."""


@dataclass
class Progress:
    """What a run has so far.

    Attributes
    ----------
    result : accumulator or None
        Of the chunks that are done; None before the first.
    done : set of (file, first entry, last entry + 1)
    skipped : set of Failure
        Chunks that were left out.
    """

    result: Any = None
    done: set[tuple[str, int, int]] = field(default_factory=set)
    skipped: set[Failure] = field(default_factory=set)


class Checkpoints:
    """The checkpoints of one run.

    Parameters
    ----------
    folder : path
        Made when the first is written, removed by `clear`.
    resume : bool
        Go on from what is there; without it a folder with checkpoints is an error, not overwritten.
    interval : float
        Seconds of work between two checkpoints, as far as the chunks allow.
    """

    def __init__(self, folder: str | os.PathLike[str], *, resume: bool = False, interval: float = 300.0) -> None:
        self.folder = Path(folder)
        self.resume = resume
        self.interval = interval
        self._configuration: dict[str, str] = {}

    def start(self, configuration: Mapping[str, str]) -> Progress:
        """Return what is done, and note the configuration. Damaged checkpoints warn, and nothing of them is done.

        Parameters
        ----------
        configuration : mapping of str to str
            What -> value or digest: everything on which the result depends.

        Raises
        ------
        InputError
            If there are checkpoints and `resume` was not asked for, they are of another configuration, or none can be
            written.
        """
        self._configuration = dict(configuration)
        done = self.folder / _DONE
        if done.exists() and not done.is_file():
            raise InputError(f"{done} is no plain file: delete the folder to start again.")
        if not done.is_file():
            self._write_configuration()
            return Progress()
        if not self.resume:
            raise InputError(
                f"{self.folder} holds checkpoints of a run that did not end: go on with --resume (resume=True), or "
                "delete the folder to start again."
            )
        try:
            kept = load(done)
            before, result = dict(kept["configuration"]), kept["result"]
            finished, skipped = set(kept["done"]), {Failure(*parts) for parts in kept["skipped"]}
        except (InputError, KeyError, TypeError, ValueError) as error:
            warnings.warn(
                f"the work is done again from its beginning: {error}", DamagedCheckpointsWarning, stacklevel=3
            )
            self._write_configuration()
            return Progress()
        changed = [
            f"{what} was {_short(before.get(what))} and is {_short(configuration.get(what))}"
            for what in sorted(before.keys() | configuration.keys())
            if before.get(what) != configuration.get(what)
        ]
        if changed:
            raise InputError(
                f"the checkpoints in {self.folder} are of another configuration: {'; '.join(changed)}. Give the old "
                "options again, or delete the folder to start again."
            )
        return Progress(result, finished, skipped)

    def save(self, progress: Progress) -> None:
        """Write what is done so far.

        Raises
        ------
        InputError
            If it cannot be written; what was written before stays.
        """
        content = {
            "configuration": self._configuration,
            "result": progress.result,
            "done": progress.done,
            "skipped": [failure.as_tuple() for failure in sorted(progress.skipped)],
        }
        make_folder(self.folder)
        try:
            save(self.folder / _DONE, content)
        except InputError as error:
            raise InputError(f"no checkpoint after {len(progress.done)} chunks: {error} Go on with --resume.") from None

    def clear(self) -> None:
        """Remove the checkpoints: the run came to its end."""
        for name in (_DONE, _CONFIGURATION):
            (self.folder / name).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            shutil.rmtree(self.folder)

    def _write_configuration(self) -> None:
        make_folder(self.folder)
        write_text(self.folder / _CONFIGURATION, json.dumps(self._configuration, indent=1, sort_keys=True) + "\n")


def _short(value: str | None) -> str:
    if value is None:
        return "not there"
    return value if len(value) <= 40 else f"{value[:12]}..."
