"""What to run on, in every form that coffea takes: lists of files, dictionaries, what its dataset_tools prepared."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from coffea_mljec.errors import InputError

__all__ = ["Fileset", "InputFile", "input_files"]

Fileset: TypeAlias = "Mapping[str, Any] | str | os.PathLike[str]"

_RESERVED = frozenset(
    {
        "dataset", "filename", "treename", "metadata", "entrystart", "entrystop", "fileuuid", "numentries", "uuid",
        "clusters", "preload",
    }
)  # fmt: skip
"""What coffea itself says of a chunk: no metadata may have these names."""
_WITH_TREE = re.compile(r"(?P<file>.+\.(?:root|parquet|parq)):(?P<tree>[^:/][^:]*)")


@dataclass(frozen=True)
class InputFile:
    """One file of a fileset.

    Attributes
    ----------
    name : str
        As the workers see it.
    dataset, treename : str
    steps : tuple of (int, int), or None
        First entry and last entry + 1 of what is to be read; None for all.
    uuid : str or None
        Which file it was when the steps were made.
    metadata : dict
        The dataset's own, for the events.
    preload : frozenset of str, or None
        Branches that coffea reads at once.
    """

    name: str
    dataset: str
    treename: str
    steps: tuple[tuple[int, int], ...] | None = None
    uuid: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    preload: frozenset[str] | None = None


def input_files(fileset: Fileset, treename: str) -> list[InputFile]:
    """The files of a fileset, in order.

    Parameters
    ----------
    fileset : mapping or path
        Dataset -> list of files; or file -> tree; or a dictionary with ``files`` (a list, file -> tree, or file ->
        ``{"object_path", "steps", "uuid"}``) and, if wanted, ``metadata``, ``treename`` and ``preload``. coffea's
        ``DataGroupSpec`` is one too, and the path of a JSON file with one. Whatever else a dictionary has, such as
        ``form``, is not needed.
    treename : str
        Where the fileset names none.

    Raises
    ------
    InputError
        If it is no fileset, has no file or one twice, two trees, a schema of its own, reserved names in metadata, or
        steps that are none.
    """
    datasets = _read(fileset)
    found = [file for dataset, given in datasets.items() for file in _of_dataset(dataset, given, treename)]
    if not found:
        raise InputError("there are no files to run on: give at least one.")
    counts = Counter(file.name for file in found)
    repeated = sorted(name for name, count in counts.items() if count > 1)
    if repeated:
        raise InputError(f"given more than once: {', '.join(repeated)}; give each input file once.")
    first: dict[str, str] = {}
    for file in found:
        first.setdefault(file.treename, file.name)
    if len(first) > 1:
        named = " and ".join(f"{tree!r} (of {name})" for tree, name in first.items())
        raise InputError(f"the fileset mixes the trees {named}: run on each alone.")
    return found


def _read(fileset: Fileset) -> Mapping[str, Any]:
    if isinstance(fileset, str | os.PathLike):
        try:
            fileset = json.loads(Path(fileset).read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{fileset} is no fileset in JSON ({error}): give one, or a mapping.") from None
    if hasattr(fileset, "model_dump"):  # coffea's DataGroupSpec
        fileset = fileset.model_dump()
    if not isinstance(fileset, Mapping):
        raise InputError(f"a fileset is a mapping from datasets to files, got a {type(fileset).__name__}.")
    return fileset


def _of_dataset(dataset: str, given: Any, treename: str) -> Iterator[InputFile]:
    if hasattr(given, "model_dump"):  # coffea's DatasetSpec
        given = given.model_dump()
    options = given if isinstance(given, Mapping) and "files" in given else {"files": given}
    if "schema" in options:
        raise InputError(
            f"dataset {dataset!r} names a schema: a run has one, workers.run(..., schema=...). Run datasets of "
            "different schemas on their own."
        )
    metadata = dict(options.get("metadata") or {})
    reserved = sorted(_RESERVED & metadata.keys())
    if reserved:
        raise InputError(
            f"the metadata of dataset {dataset!r} have {', '.join(reserved)}, which coffea says itself: rename them."
        )
    preload = options.get("preload")
    common: dict[str, Any] = {"metadata": metadata, "preload": None if preload is None else frozenset(preload)}
    for name, what in _entries(dataset, options["files"]):
        name, own = _tree_of(name)
        own = what.get("object_path") or own or options.get("treename") or treename
        yield InputFile(name, dataset, own, _steps(name, what.get("steps")), what.get("uuid"), **common)


def _entries(dataset: str, files: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each file's name, and what the fileset says of it."""
    if isinstance(files, Mapping):
        for name, what in files.items():
            if hasattr(what, "model_dump"):
                what = what.model_dump()
            if not isinstance(what, str | Mapping | None):
                raise _no_files(dataset, f"{name!r}: a {type(what).__name__}")
            yield os.fspath(name), what if isinstance(what, Mapping) else {"object_path": what}
        return
    if isinstance(files, str | os.PathLike) or not isinstance(files, Sequence):
        raise _no_files(dataset, f"a {type(files).__name__}")
    for name in files:
        if not isinstance(name, str | os.PathLike):
            raise _no_files(dataset, f"a list with a {type(name).__name__}")
        yield os.fspath(name), {}


def _no_files(dataset: str, got: str) -> InputError:
    return InputError(
        f"the files of dataset {dataset!r} must be a list of paths, {{path: tree}}, or {{'files': one of these, "
        f"'metadata': ...}}; got {got}."
    )


def _tree_of(name: str) -> tuple[str, str | None]:
    """``file.root:Events`` is a file and its tree."""
    both = _WITH_TREE.fullmatch(name)
    return (both["file"], both["tree"]) if both else (name, None)


def _steps(name: str, given: Any) -> tuple[tuple[int, int], ...] | None:
    if given is None:
        return None
    try:
        steps = sorted((int(start), int(stop)) for start, stop in given)
    except (TypeError, ValueError):
        raise InputError(f"{name}: steps must be pairs (first entry, last entry + 1), got {given!r}.") from None
    end = 0
    for start, stop in steps:
        if start < end or stop < start:
            raise InputError(f"{name}: steps overlap or go backwards, [{start}, {stop}] after {end}: make them anew.")
        end = stop
    return tuple(steps)
