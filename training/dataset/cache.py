"""The prepared jets on disk: memory-mapped arrays in a folder named after everything that they depend on."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.features import FeatureSet
from coffea_mljec.nano import open_nano, quiet_coffea
from coffea_mljec.nano.opening import reading
from coffea_mljec.support.atomic import make_folder, whole_file, write_arrays, write_text
from coffea_mljec.support.digest import digest
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.workers.pool import Workers, in_order
from training.dataset.files import identity_of, is_address, sources_of
from training.dataset.selection import JetTable, Selection, select_jets
from training.simulate.nanoaod import algorithm_of

__all__ = ["PreparedJets", "open_shard", "prepare"]

#: Part of the folder's name: raised when the arrays change their meaning.
FORMAT = 3


@dataclass(frozen=True)
class PreparedJets:
    """Selected jets with their features.

    Attributes
    ----------
    columns : dict of str to array [n]
        Those of `training.dataset.selection.Selection.columns`.
    features : dict of str to array
        ``jet_features`` and, per collection, ``c_features`` and ``c_offsets`` (memory-mapped when read from a cache).
    feature_set : FeatureSet
        Names of the columns.
    description : dict
        Digest, shards with their digests, selection, jets after each step.
    """

    columns: dict[str, NDArray[Any]]
    features: dict[str, NDArray[Any]]
    feature_set: FeatureSet
    description: dict[str, Any]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.columns["target"])


def prepare(
    productions: Sequence[Path | str],
    feature_set: FeatureSet,
    selection: Selection,
    cache: Path,
    progress: bool = True,
    algorithm: str | None = None,
    workers: Workers = 1,
) -> PreparedJets:
    """Return the prepared jets of some productions, from the cache where they are there.

    Each file becomes one part; an interrupted preparation goes on after the last complete part. The parts are then
    joined, written under a temporary name and renamed.

    Parameters
    ----------
    productions : sequence of Path or str
        Folders with ROOT files, files, patterns of them, or addresses of files (``root://``, ``https://``), in the
        PFNano layout.
    feature_set : FeatureSet
        Features to compute.
    selection : Selection
        Which jets.
    cache : Path
        Folder for all caches; this one is named by the digest of files, features and selection.
    progress : bool
        Whether to show a progress bar.
    algorithm : str, optional
        Jet algorithm and pileup scheme that the AK4 jets of our simulation must have, by the first file of each
        production.
    workers : int or ClusterExecutor
        Processes; the jets do not depend on them.

    Raises
    ------
    InputError, MissingBranchError
        See `sources_of` and `training.dataset.selection.select_jets`; also if no jet is selected at all, two files
        hold the same bytes, or the jets are of another algorithm.
    WorkerError
        See `coffea_mljec.workers.pool.in_order`; also if a worker lacks a plug-in, or does not see the cache.
    """
    sources = sources_of(productions)
    if algorithm is not None and selection.collection == "Jet":
        _check_algorithm(productions, algorithm)
    digests = [identity_of(source) for source in sources]
    if len(set(digests)) != len(digests):
        raise InputError("two files of the productions are identical: every jet would be used twice; remove the copy")
    settings = {"format": FORMAT, "features": feature_set.names(), "selection": selection.identity}
    text = json.dumps([settings, sorted(digests)], sort_keys=True)
    of_all = digest(text.encode())
    folder = cache / of_all[:16]
    if not (folder / "description.json").is_file():
        _build(folder, sources, digests, feature_set, selection, settings | {"digest": of_all}, progress, workers)
    return load(folder)


def _check_algorithm(productions: Sequence[Path | str], algorithm: str) -> None:
    for production in productions:
        made = algorithm_of(sources_of([production])[0])
        if made not in (None, algorithm):
            raise InputError(
                f"{production} holds {made} jets, and {algorithm} jets are to be trained on: give another production, "
                f"or set the recipe's algorithm to {made}"
            )


def load(folder: Path) -> PreparedJets:
    """Open the prepared jets of one cache folder; the features stay on disk until they are touched."""
    description = json.loads((folder / "description.json").read_text())
    feature_set = FeatureSet.from_names(description["features"])
    of_jets = Selection.model_validate(description["selection"]).columns
    # np.asarray: a plain view, so that numba and torch see an ordinary array.
    columns = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in of_jets}
    features = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _arrays(feature_set)}
    return PreparedJets(columns, features, feature_set, description)


def _arrays(feature_set: FeatureSet) -> list[str]:
    return ["jet_features"] + [f"{c}_{kind}" for c in feature_set.constituents for kind in ("features", "offsets")]


class _Part(NamedTuple):
    """A file to prepare, what identifies it, and where its jets go."""

    source: str
    identity: str
    path: Path

    def __str__(self) -> str:
        return self.source


def _build(
    folder: Path,
    sources: Sequence[str],
    identities: Sequence[str],
    feature_set: FeatureSet,
    selection: Selection,
    description: dict[str, Any],
    progress: bool,
    workers: Workers,
) -> None:
    folder = folder.resolve()  # workers of a cluster have a working directory of their own
    make_folder(folder / "parts")
    by_identity = sorted(zip(sources, identities, strict=True), key=lambda pair: pair[1])
    parts = [_Part(_whole(name), identity, folder / "parts" / f"{identity}.npz") for name, identity in by_identity]
    counts: dict[str, int] = {}
    work = partial(_make_part, feature_set=feature_set, selection=selection)
    with (
        progress_bar("preparing jets", len(parts), "files", "{jets:,} jets", progress, jets=0) as bar,
        closing(in_order(work, parts, workers)) as made,
    ):
        for part, of_part in zip(parts, made, strict=True):
            if not part.path.is_file():
                raise WorkerError(
                    f"the jets of {part.source} are not at {part.path}: the workers of a cluster write into the cache. "
                    "Put it where all machines have it under the same name."
                )
            for step, number in of_part.items():
                counts[step] = counts.get(step, 0) + number
            bar.advance(jets=list(counts.values())[-1])
    if list(counts.values())[-1] == 0:
        raise InputError(f"no jet is left after the selection {selection.model_dump()}: jets after each step {counts}")
    _join(folder, [part.path for part in parts], [*selection.columns, *_arrays(feature_set)])
    description |= {"shards": dict(zip(sources, identities, strict=True)), "counts": counts}
    write_text(folder / "description.json", json.dumps(description, indent=1))
    shutil.rmtree(folder / "parts")


def _whole(source: str) -> str:
    return source if is_address(source) else str(Path(source).resolve())


def _make_part(part: _Part, feature_set: FeatureSet, selection: Selection) -> dict[str, int]:
    """Write the jets of a file, unless they are there; return how many are left after each step of the selection."""
    if not part.path.is_file():
        if is_address(part.source):
            with warnings.catch_warnings(), open_nano(part.source) as file, reading(part.source):
                quiet_coffea()
                table = select_jets(file.events(), feature_set, selection, source=part.source)
        else:
            table = select_jets(open_shard(Path(part.source)), feature_set, selection, source=part.source)
        _write_part(part.path, table)
    with np.load(part.path, allow_pickle=False) as stored:
        return dict(zip(map(str, stored["count_names"]), map(int, stored["count_values"]), strict=True))


def open_shard(shard: Path) -> Any:
    """Return the events of one file of PFNano, virtual; `InputError` if it cannot be opened."""
    from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

    try:
        with warnings.catch_warnings():
            # coffea, on every table that a link of its schema could lead to and the sample lacks.
            warnings.filterwarnings("ignore", message="Missing cross-reference", category=RuntimeWarning)
            # Virtual: only what selection and features touch is read.
            # Each column is read once: uproot's cache of 100 MB would fill for nothing.
            return NanoEventsFactory.from_root(
                {str(shard): "Events"},
                schemaclass=PFNanoAODSchema,
                mode="virtual",
                uproot_options={"array_cache": None},
            ).events()
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{shard} cannot be opened as NanoAOD ({error}): remove or simulate it again") from None


def _write_part(path: Path, table: JetTable) -> None:
    counts = {"count_names": np.array(list(table.counts)), "count_values": np.array(list(table.counts.values()))}
    write_arrays(path, counts | table.columns | table.features)


def _join(folder: Path, parts: Sequence[Path], names: Sequence[str]) -> None:
    """Write each array of all parts as one file, part by part: memory holds one part, however large the production."""
    for name in names:
        shapes, kind = [], np.dtype(np.float32)
        for path in parts:
            shape, kind = _shape(path, name)
            shapes.append(shape)
        is_offsets = name.endswith("_offsets")
        rows = sum(shape[0] for shape in shapes) - (len(shapes) - 1 if is_offsets else 0)
        with whole_file(folder / f"{name}.npy") as temporary:
            joined = np.lib.format.open_memmap(temporary, mode="w+", dtype=kind, shape=(rows, *shapes[0][1:]))
            start = 0
            for path in parts:
                with np.load(path, allow_pickle=False) as part:
                    piece = part[name]
                if is_offsets and start:
                    piece = piece[1:] + joined[start - 1]
                joined[start : start + len(piece)] = piece
                start += len(piece)
            joined.flush()
            del joined


def _shape(part: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of one array of a part from its header alone."""
    with zipfile.ZipFile(part) as archive, archive.open(f"{name}.npy") as file:
        np.lib.format.read_magic(file)
        shape, _, kind = np.lib.format.read_array_header_1_0(file)
    return shape, kind
