"""Friend trees: one small ROOT file of corrected jets an input file, entry for entry."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import awkward as ak
import numpy as np

from coffea_mljec.errors import DamagedFileError, InputError
from coffea_mljec.nano.friend_columns import COLUMNS, FLAG, VETOED, FriendContent, friend_content
from coffea_mljec.nano.jagged import with_columns
from coffea_mljec.nano.opening import IDENTITY, NanoFile, open_nano
from coffea_mljec.support.atomic import whole_file
from coffea_mljec.support.fingerprint import fingerprint
from coffea_mljec.support.paths import checked_path

__all__ = ["COLUMNS", "METADATA_KEY", "FriendSummary", "check_friend", "friend_paths", "write_friend"]

METADATA_KEY = "mljec"
"""Name of the TObjString beside the tree: a JSON text that says what wrote the file and from what."""

_IDENTITY_TYPES = {"run": "uint32", "luminosityBlock": "uint32", "event": "uint64"}


@dataclass
class FriendSummary:
    """What was written.

    Attributes
    ----------
    source, path : str
        The input file and the friend file.
    events, jets : int
    status : Counter of int
        How many jets carry each value of ``mljec_status``.
    """

    source: str
    path: str
    events: int = 0
    jets: int = 0
    status: Counter[int] = field(default_factory=Counter)


def friend_paths(sources: Iterable[str | os.PathLike[str]], folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Name one friend file an input: ``<stem>_mljec.root``, led by as many parent folders as tell the inputs apart.

    Parameters
    ----------
    sources : iterable of str or path
    folder : str or path
        Where the friend files go.

    Returns
    -------
    dict of str to Path
        Input -> friend file, in the order given.

    Raises
    ------
    InputError
        If an input is given twice, or its name is none that a file can have.
    """
    names = [os.fspath(source) for source in sources]
    for name in names:
        if not PurePosixPath(name).name:
            raise InputError(f"{name!r} is no name of a file: give NanoAOD files.")
        checked_path(name, "a NanoAOD file")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError(f"given more than once: {', '.join(twice)}; give each input file once.")
    parts = {name: [part for part in PurePosixPath(name).with_suffix("").parts if part != "/"] for name in names}
    for depth in range(1, max((len(value) for value in parts.values()), default=0) + 1):
        stems = {name: "_".join(value[-depth:]) for name, value in parts.items()}
        if len(set(stems.values())) == len(names):
            found = {name: Path(folder) / f"{stem}_mljec.root" for name, stem in stems.items()}
            return {name: checked_path(path, "a friend file that can be written") for name, path in found.items()}
    if not names:
        return {}
    raise InputError(f"cannot tell the friend files of {', '.join(names)} apart by name; write them to two folders.")


def check_friend(
    path: str | os.PathLike[str],
    source: str | os.PathLike[str],
    corrector: Any,
    collection: str = "Jet",
    *,
    met: Any = None,
    veto: Any = None,
    variations: bool = False,
) -> None:
    """Check that a friend file is what `write_friend` would write now, by what it says of itself.

    Raises
    ------
    InputError
        If it is no friend file, or of another input, correction, collection or version of this package.
    """
    import uproot

    try:
        with uproot.open(path) as file:
            found = json.loads(file[METADATA_KEY])
    except Exception as error:  # whatever uproot makes of a file that is none of ours
        raise InputError(
            f"{path} is no friend file of ours ({type(error).__name__}): it cannot be kept. Move it away, or overwrite "
            "it with --force."
        ) from None
    wanted = _made_with(corrector, collection, met, veto, variations) | {"source": os.fspath(source)}
    other = [
        f"{name} was {found.get(name)} and is {value}" for name, value in wanted.items() if found.get(name) != value
    ]
    if other:
        raise InputError(
            f"{path} was written with another configuration: {'; '.join(other)}. Give the old options again, another "
            "output folder, or --force to overwrite it."
        )


def write_friend(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    corrector: Any,
    collection: str = "Jet",
    treename: str = "Events",
    *,
    met: Any = None,
    veto: Any = None,
    variations: bool = False,
    chunk_size: int = 50_000,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FriendSummary:
    """Correct the jets of one file and write them as a friend tree.

    The tree has one entry for each entry of the input, in its order and none skipped: ``run``, ``luminosityBlock``,
    ``event``, ``n<collection>``, the columns of each jet and those of MET. NanoEvents opens it. The input is only read.

    Parameters
    ----------
    source : str or path
        NanoAOD file.
    path : str or path
        Friend file. It is written under a temporary name and renamed when complete.
    corrector : provider
        Any object with ``name`` and ``apply(events, collection)``. Where it has ``decided(events, collection)``, what
        that returns is applied, and named in the friend file. Its ``columns(events, collection)``, if it has such
        a method, names the columns to write and their types; they are `COLUMNS` otherwise.
    collection : str
        Jet collection to correct.
    treename : str
        Name of the tree, in the input and in the friend file.
    met : Type1MET, optional
        Of the same provider: ``PuppiMET_pt``, ``PuppiMET_phi``, or those of ``MET``.
    veto : JetVetoMap, optional
        ``Jet_vetoed`` says which jets, as corrected, it vetoes, ``Flag_JetVetoed`` which events have one.
    variations : bool
        Write the variations of jets and MET too, under the names of nanoAOD-tools: ``Jet_pt_nom``,
        ``Jet_mass_jesTotalUp``, ``Jet_pt_jerDown``, ``MET_phi_jesTotalUp``, ``MET_pt_unclustEnUp``.
    chunk_size : int
        Entries read at a time.
    force : bool
        Overwrite an existing friend file.
    progress : callable, optional
        Called with the entries done and all entries, before the first chunk and after each.

    Returns
    -------
    FriendSummary

    Raises
    ------
    InputError
        If the file cannot be read, `path` exists or is the input, or the provider returns other jets than it was given.
    MissingBranchError
        If the file lacks what the provider needs.
    """
    import uproot

    if chunk_size < 1:
        raise InputError(f"chunk_size must be 1 or more, got {chunk_size}.")
    target = Path(path)
    if target.exists():
        if os.path.exists(source) and os.path.samefile(source, target):
            raise InputError(f"{target} is the input itself; it is never written to. Give another output folder.")
        if not force:
            raise InputError(f"{target} exists already; give --force (force=True) to overwrite it.")
    if not target.parent.is_dir():
        raise InputError(f"no folder {target.parent} to write {target.name} to; make it first.")
    summary = FriendSummary(os.fspath(source), str(target))
    with open_nano(source, treename) as nano, whole_file(target) as temporary:
        if hasattr(corrector, "decided"):
            corrector = corrector.decided(nano.events(0, 0), collection)
        with uproot.recreate(temporary, compression=uproot.ZSTD(3)) as out:
            content = friend_content(nano.events(0, 0), corrector, collection, met, variations, veto is not None)
            types = _IDENTITY_TYPES | content.types
            if progress is not None:
                progress(0, nano.entries)
            tree = out.mktree(treename, types, title=f"corrected {collection}")
            for start in range(0, nano.entries, chunk_size):
                stop = min(start + chunk_size, nano.entries)
                tree.extend(_correct(nano, start, stop, corrector, met, veto, content, summary))
                if progress is not None:
                    progress(stop, nano.entries)
            made = _made_with(corrector, collection, met, veto, variations) | _made_from(nano)
            out[METADATA_KEY] = json.dumps(made, sort_keys=True)
        if summary.events != nano.entries:
            raise InputError(
                f"{nano.path}: {summary.events} of {nano.entries} entries came through; nothing was written."
            )
    return summary


def _correct(
    nano: NanoFile,
    start: int,
    stop: int,
    corrector: Any,
    met: Any,
    veto: Any,
    content: FriendContent,
    summary: FriendSummary,
) -> dict[str, Any]:
    """Correct one chunk; returns the columns of the tree."""
    collection = content.collection
    try:
        events = nano.events(start, stop)
        jets = corrector.apply(events, collection)
        counts = np.asarray(ak.num(jets, axis=1))
        if len(jets) != stop - start or not np.array_equal(counts, np.asarray(ak.num(events[collection], axis=1))):
            raise InputError(f"{_name(corrector)} returned other jets than {collection} has: no provider may do that.")
        beside = {}
        if veto is not None:
            vetoed = veto.jets(events, collection, jets)
            jets = with_columns(jets, {VETOED: np.asarray(ak.flatten(vetoed, axis=1))})
            beside[FLAG] = np.asarray(ak.any(vetoed, axis=1))
        columns = content.jet_columns(jets, counts, _name(corrector))
        if met is not None:
            beside |= content.met_columns(met.apply(events, collection, jets=jets))
        identity = {name: np.asarray(events[name]).astype(_IDENTITY_TYPES[name]) for name in IDENTITY}
    except OSError as error:
        raise DamagedFileError(
            f"{nano.path}: entries {start} to {stop} cannot be read ({error}). The file is cut short or damaged: "
            "fetch it again."
        ) from None
    summary.events += len(counts)
    summary.jets += int(counts.sum())
    summary.status.update(ak.flatten(columns["mljec_status"], axis=1).tolist())
    return identity | {collection: ak.zip(columns, depth_limit=2)} | beside


def _name(corrector: Any) -> str:
    return str(getattr(corrector, "name", type(corrector).__name__))


def _made_with(corrector: Any, collection: str, met: Any, veto: Any, variations: bool) -> dict[str, Any]:
    """What the numbers of a friend file depend on, beside its input."""
    content: str | None
    of_met: str | None
    of_veto: str | None
    try:
        content = fingerprint(corrector)
        of_met, of_veto = (None if one is None else fingerprint(one) for one in (met, veto))
    except TypeError:  # it cannot be pickled, and need not be in one process
        content = of_met = of_veto = None
    return {
        "provider": _name(corrector),
        "digest": getattr(getattr(corrector, "card", None), "sha256", None),
        "fingerprint": content,
        "met": of_met,
        "veto": of_veto,
        "variations": variations,
        "collection": collection,
        "coffea_mljec": version("coffea-mljec"),
    }


def _made_from(nano: NanoFile) -> dict[str, Any]:
    return {
        "source": nano.path,
        "source_uuid": nano.uuid,
        "entries": nano.entries,
        "awkward": ak.__version__,
    }
