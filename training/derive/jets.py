"""The jets that a correction is derived from: matched to generator jets, file by file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.nano.algorithm import PT_WITH_NEUTRINOS
from coffea_mljec.numerics.matching import match_flat
from coffea_mljec.numerics.subjets import masses_of_subjets
from coffea_mljec.status import Status, carries
from coffea_mljec.support.atomic import make_folder, write_arrays
from coffea_mljec.support.digest import digest
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.validation.common.binning import flavour_code
from coffea_mljec.workers.pool import Workers, in_order
from training import defaults
from training.dataset.splits import held_out
from training.derive.provider import corrected_jets, digest_of
from training.simulate.branches import kind_of_jets, rho_name

__all__ = ["COLLECTIONS", "MatchedJets", "files_of", "read_jets"]

COLLECTIONS = {"Jet": ("GenJet", 0.2), "FatJet": ("GenJetAK8", 0.4)}
"""Jets -> their generator jets, and how far apart the two may be."""

_JET = ("pt", "rawFactor", "eta", "phi", "area", "hadronFlavour", "partonFlavour")
_EVENT = ("Pileup_nPU", "genWeight", "MLJEC_process", "event")
#: Without them there is no correction of the soft-drop mass.
_SOFT_DROP = ("FatJet_msoftdrop", *(f"SubGenJetAK8_{name}" for name in ("pt", "eta", "phi", "mass")))
_SCATTER = "MLJEC_scatter"
_FORMAT = 4

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class MatchedJets:
    """Jets with their generator jet, and rho against pileup of their events.

    Attributes
    ----------
    columns : dict of str to float64 array [n]
        ``pt_raw eta area rho pt_gen eta_gen weight flavour process event``; momenta in GeV, flavour 0 to 5 or 21.
        With a provider also ``pt``, corrected by it; of large jets whose files have it ``msoftdrop`` and
        ``msoftdrop_gen`` in GeV, the latter NaN for generator jets without subjets. Events made from one hard scatter
        share the number ``event``.
    event_rho, event_n_pu : float64 arrays [n_events]
        Every event's rho and number of pileup interactions.
    uncorrected : int
        Jets left out because the provider did not correct them.
    algorithm : str
        Jet algorithm and pileup scheme: ``AK4PFchs``, ``AK4PFPuppi`` or ``AK8PFPuppi``.
    """

    columns: Columns
    event_rho: NDArray[np.float64]
    event_n_pu: NDArray[np.float64]
    uncorrected: int = 0
    algorithm: str = defaults.ALGORITHM

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return one column."""
        return self.columns[name]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.columns["pt_raw"])


def files_of(inputs: Sequence[Path]) -> list[Path]:
    """Return the ROOT files among paths and folders, in a fixed order.

    Of a production, those that its manifest lists: another one may be in the making.

    Raises
    ------
    InputError
        If one does not exist or holds no ROOT file, or a file is named twice.
    """
    files: list[Path] = []
    for path in inputs:
        found = _inside(path) if path.is_dir() else [path]
        if not found or not all(one.is_file() for one in found):
            raise InputError(f"no ROOT file at {path}: give files of 'python -m training simulate' or their folder")
        files += found
    seen: set[Path] = set()
    for path in files:
        if path.resolve() in seen:
            raise InputError(f"{path} is named twice: its jets would count twice; name each file or folder once")
        seen.add(path.resolve())
    return files


def _inside(folder: Path) -> list[Path]:
    """Return the files of a production, or the ROOT files of any other folder."""
    from training.simulate.manifest import read_manifest

    manifest = read_manifest(folder)
    if manifest is None:
        return sorted(path for path in folder.rglob("*.root") if not path.name.startswith("."))
    if not manifest["shards"]:
        raise InputError(f"the production {folder} is empty so far: its manifest lists no file")
    return [folder / name for name in sorted(manifest["shards"])]


def read_jets(
    inputs: Sequence[Path],
    provider: Provider | None = None,
    cache: Path | None = None,
    progress: bool = False,
    workers: Workers = 1,
    train_share: float = 0.0,
    collection: str = "Jet",
    neutrinos: bool = False,
) -> MatchedJets:
    """Read all jets that have a generator jet within half their radius (one to one, on raw jets).

    Parameters
    ----------
    inputs : sequence of Path
        Files or folders of simulated events.
    provider : Provider, optional
        Gives the column ``pt``; jets that it does not correct are left out, and counted.
    cache : Path, optional
        Folder that keeps each file's jets: with it an interrupted run goes on where it was.
    progress : bool
        Show a progress bar.
    workers : int or ClusterExecutor
        Processes; the result does not depend on them.
    train_share : float
        Leave out the hard scatters of a training split of this share: a network's response to what it was trained on
        is narrower than to anything else, so its closure is derived from the others.
    collection : str
        One of `COLLECTIONS`.
    neutrinos : bool
        Whether the generator pT includes the jet's neutrinos: for corrections that restore them.

    Raises
    ------
    InputError
        If the share is not below 1, a file cannot be read, is no simulated sample of this project, or there is no jet.
    """
    if collection not in COLLECTIONS:
        raise InputError(f"unknown jets {collection!r}: choose one of {', '.join(COLLECTIONS)}")
    if not 0.0 <= train_share < 1.0:
        raise InputError(f"the training split's share must be at least 0 and below 1, got {train_share:g}")
    parts, events, uncorrected = [], [], 0
    files = files_of(inputs)
    # Workers of a cluster have a working directory of their own.
    whole = [path.resolve() for path in files]
    options: dict[str, Any] = {"train_share": train_share, "collection": collection, "neutrinos": neutrinos}
    read = in_order(partial(_kept, provider=provider, cache=cache and cache.resolve(), **options), whole, workers)
    doing = "reading jets" if provider is None else f"applying {provider.name}"
    with progress_bar(doing, len(files), "files", shown=progress) as bar:
        for jets, event in read:
            if provider is not None:
                good = jets.pop("applied") > 0
                uncorrected += int(np.sum(~good))
                jets = {name: column[good] for name, column in jets.items()}
            parts.append(jets)
            events.append(event)
            bar.advance()
    if any(part.keys() != parts[0].keys() for part in parts):
        raise InputError("some of these files have the soft-drop mass and others lack it: give those of one kind")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if len(columns["pt_raw"]) == 0:
        why = f" that {provider.name} corrects" if uncorrected and provider is not None else ""
        raise InputError(
            f"no jet{why} of these {len(parts)} files has a generator jet within {COLLECTIONS[collection][1]}: nothing "
            "to derive a correction from"
        )
    rho, n_pu, puppi = (np.concatenate([event[name] for event in events]) for name in ("rho", "n_pu", "puppi"))
    if collection == "FatJet":
        return MatchedJets(columns, rho, n_pu, uncorrected, defaults.LARGE)
    if np.ptp(puppi) > 0:
        raise InputError(
            "some of these files hold CHS jets and others PUPPI jets, which have corrections of their own: give those "
            "of one kind (python -m training simulate --jets)"
        )
    return MatchedJets(columns, rho, n_pu, uncorrected, defaults.ALGORITHMS["puppi" if puppi.any() else "chs"])


def _kept(
    path: Path, provider: Provider | None, cache: Path | None, train_share: float, collection: str, neutrinos: bool
) -> tuple[Columns, Columns]:
    """Return jets and events of a file, from the cache where it has them."""
    if cache is None:
        return _read(path, provider, train_share, collection, neutrinos)
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"{path} cannot be used to derive a correction: {error.strerror}") from None
    identity = [
        _FORMAT,
        str(path.resolve()),
        stat.st_size,
        stat.st_mtime_ns,
        provider and digest_of(provider),
        train_share,
        # Caches of before, of AK4 jets, do not say it.
        *([] if collection == "Jet" else [collection]),
        *([PT_WITH_NEUTRINOS] if neutrinos else []),
    ]
    entry = cache / f"{digest(json.dumps(identity).encode())[:24]}.npz"
    try:
        with entry.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            both = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):  # absent, or cut by an interruption: read again
        jets, events = _read(path, provider, train_share, collection, neutrinos)
        both = {f"jet_{name}": column for name, column in jets.items()}
        both |= {f"event_{name}": column for name, column in events.items()}
        make_folder(cache)
        write_arrays(entry, both)
    return _of_kind(both, "jet_"), _of_kind(both, "event_")


def _of_kind(both: Columns, kind: str) -> Columns:
    return {name.removeprefix(kind): column for name, column in both.items() if name.startswith(kind)}


def _needed(collection: str, neutrinos: bool) -> list[str]:
    generated, _ = COLLECTIONS[collection]
    jets = [f"{collection}_{name}" for name in _JET]
    names = ("pt", "eta", "phi", *((PT_WITH_NEUTRINOS,) if neutrinos else ()))
    return [*jets, *(f"{generated}_{name}" for name in names), *_EVENT]


def _read(
    path: Path, provider: Provider | None, train_share: float, collection: str, neutrinos: bool
) -> tuple[Columns, Columns]:
    import uproot

    try:
        with uproot.open(path) as file:
            tree = file["Events"]
            rho_branch, kind = rho_name(tree), kind_of_jets(tree)
            needed = [*_needed(collection, neutrinos), rho_branch]
            lacking = [name for name in needed if name not in tree]
            scatter = [_SCATTER] if _SCATTER in tree else []  # productions of one pass may lack it
            groomed = collection == "FatJet" and all(name in tree for name in _SOFT_DROP)
            arrays = None if lacking else tree.arrays([*needed, *scatter, *(_SOFT_DROP if groomed else ())])
    except Exception as error:  # uproot raises many kinds, OSError among them
        raise InputError(f"{path} cannot be used to derive a correction: {error}") from None
    if arrays is None:
        raise InputError(
            f"{path} cannot be used to derive a correction: it has no branch {', '.join(lacking)}; give files of "
            f"'python -m training simulate{' --neutrinos' * neutrinos}'"
        )
    rho, n_pu = (ak.to_numpy(arrays[name]).astype(np.float64) for name in (rho_branch, "Pileup_nPU"))
    events = {"rho": rho, "n_pu": n_pu, "puppi": np.full(len(rho), float(kind == "puppi"))}
    jets, rows = _matched(arrays, collection, PT_WITH_NEUTRINOS if neutrinos else "pt")
    if train_share > 0.0:
        kept = held_out(jets["event"].astype(np.int64), train_share)
        jets, rows = {name: column[kept] for name, column in jets.items()}, rows[kept]
    if provider is not None:
        pt, status = corrected_jets(path, provider, rows, collection)
        jets |= {"pt": pt, "applied": carries(status, Status.APPLIED).astype(np.float64)}
    return jets, events


def _matched(arrays: Any, collection: str, true: str) -> tuple[Columns, NDArray[np.int64]]:
    """Return the columns of the matched jets, ``pt_gen`` of this column, and their places in the flat collection."""
    generated, distance = COLLECTIONS[collection]

    def flat(name: str) -> NDArray[np.float64]:
        return ak.to_numpy(ak.flatten(arrays[name])).astype(np.float64)

    def offsets(name: str) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(arrays[name])))]).astype(np.int64)

    jet, gen = ({name: flat(f"{table}_{name}") for name in ("pt", "eta", "phi")} for table in (collection, generated))
    jets, gens = offsets(f"{collection}_pt"), offsets(f"{generated}_pt")
    partner = match_flat(jet["eta"], jet["phi"], jets, gen["eta"], gen["phi"], gens, distance)
    kept = np.flatnonzero(partner >= 0)
    event = np.repeat(np.arange(len(arrays)), np.diff(jets))[kept]
    hadron, parton = (flat(f"{collection}_{name}Flavour")[kept].astype(np.int64) for name in ("hadron", "parton"))
    columns = {
        "pt_raw": (jet["pt"] * (1.0 - flat(f"{collection}_rawFactor")))[kept],
        "eta": jet["eta"][kept],
        "area": flat(f"{collection}_area")[kept],
        "pt_gen": flat(f"{generated}_{true}")[partner[kept]],
        "eta_gen": gen["eta"][partner[kept]],
        "flavour": flavour_code(hadron, parton).astype(np.float64),
    }
    if _SOFT_DROP[0] in arrays.fields:
        subjets = (flat(name) for name in _SOFT_DROP[1:])
        mass = masses_of_subjets(gen["eta"], gen["phi"], gens, *subjets, offsets(_SOFT_DROP[1]), 0.8)
        columns |= {"msoftdrop": flat(_SOFT_DROP[0])[kept], "msoftdrop_gen": mass[partner[kept]]}
    names = {"rho": rho_name(arrays.fields), "weight": "genWeight", "process": "MLJEC_process"}
    names["event"] = _SCATTER if _SCATTER in arrays.fields else "event"
    return columns | {n: ak.to_numpy(arrays[b]).astype(np.float64)[event] for n, b in names.items()}, kept
