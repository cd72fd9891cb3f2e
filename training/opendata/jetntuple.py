"""JetNTuple files (CERN Open Data record 12100) as they are: one entry a jet, read event by event.

The record's page describes the branches: https://opendata.cern.ch/record/12100. The jets are AK4 CHS jets of CMS's full
simulation with L1L2L3 applied; ``PF_dEta`` and ``PF_dPhi`` are the candidate's minus the jet's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import DamagedFileError, InputError, MissingBranchError

__all__ = ["TupleFile", "blocks", "check_events_apart", "open_tuple"]

TREE = "jetTree"
IDENTITY = ("run", "lumi", "event")
JET = (
    "jetPt", "jetEta", "jetPhi", "jetMass", "jetRawPt", "jetArea", "jetGenMatch", "genJetPt", "genJetEta", "genJetPhi",
    "genJetMass", "partonFlav", "hadronFlav",
)  # fmt: skip
CANDIDATE = ("PF_pT", "PF_dEta", "PF_dPhi", "PF_mass", "PF_id", "PF_fromPV", "PF_fromAK4Jet")
EVENT = ("rhoAll", "PV_npvsGood", "pthat", "eventWeight", "Pileup_nPU", "Pileup_nTrueInt")
OPTIONAL = ("jetRawMass", "jetQGl", "jetLooseID", "jetTightID")
NEEDED = (*IDENTITY, *JET, *CANDIDATE, *EVENT)


@dataclass(frozen=True)
class TupleFile:
    """An open file.

    Attributes
    ----------
    path : str
    tree : uproot.TTree
        Entries are jets.
    identity : int64 array, shape (n_jets, 3)
        Run, luminosity block and event of each.
    """

    path: str
    tree: Any
    identity: NDArray[np.int64]

    def read(self, start: int, stop: int) -> Any:
        """All branches that are used, of some jets.

        Raises
        ------
        DamagedFileError
            If they cannot be read.
        """
        names = [*NEEDED, *(name for name in OPTIONAL if name in self.tree)]
        with _readable(self.path):
            return self.tree.arrays(names, entry_start=start, entry_stop=stop)


@contextmanager
def open_tuple(path: str | os.PathLike[str]) -> Iterator[TupleFile]:
    """Open a JetNTuple file; its tree may lie in a folder of the file.

    Raises
    ------
    InputError
        If it cannot be read, or has no such tree.
    MissingBranchError
        Naming every branch that is needed and not there.
    """
    import uproot

    name = os.fspath(path)
    with _readable(name):
        file = uproot.open({name: None})
    with file:
        trees = [key for key, kind in file.classnames(cycle=False).items() if kind == "TTree"]
        found = [key for key in trees if key.rpartition("/")[2] == TREE]
        if len(found) != 1:
            raise InputError(
                f"{name} has {len(found)} trees {TREE!r} (it has {', '.join(trees) or 'no tree at all'}): give the jet "
                "tuples of CERN Open Data record 12100."
            )
        tree = file[found[0]]
        lacking = [branch for branch in NEEDED if branch not in tree]
        if lacking:
            raise MissingBranchError(
                f"{name}: {found[0]} lacks {', '.join(lacking)}, without which it is no jet tuple of record 12100 "
                f"(it has {', '.join(tree.keys()[:6])}, ...)."
            )
        with _readable(name):
            columns = tree.arrays(IDENTITY, library="np")
        yield TupleFile(name, tree, np.stack([columns[key].astype(np.int64) for key in IDENTITY], axis=1))


def check_events_apart(files: Mapping[str, NDArray[np.int64]]) -> None:
    """Refuse jets of one event in two files: each would become an event with a part of its jets.

    Parameters
    ----------
    files : mapping of str to int64 array, shape (n_jets, 3)
        Path -> run, luminosity block and event of its jets.

    Raises
    ------
    InputError
        Naming the first such event and its files.
    """
    events = [np.unique(identity, axis=0) for identity in files.values()]
    everything = np.concatenate([np.zeros((0, 3), np.int64), *events])
    owner = np.repeat(np.arange(len(events)), [len(one) for one in events])
    order = np.lexsort(everything.T[::-1])
    both = np.flatnonzero((everything[order][1:] == everything[order][:-1]).all(axis=1))
    if len(both):
        names = list(files)
        one, other = (names[owner[order[both[0] + at]]] for at in (0, 1))
        run, lumi, event = everything[order[both[0]]]
        raise InputError(
            f"{len(both)} events have jets in two files, {run}:{lumi}:{event} in {one} and {other}: give each file "
            "once, and join files that tear events apart (hadd) before the conversion."
        )


def blocks(identity: NDArray[np.int64], size: int) -> list[tuple[int, int]]:
    """Ranges of jets of about so many, none of which tears an event apart.

    Parameters
    ----------
    identity : int64 array, shape (n_jets, 3)
    size : int
        Jets a block, about; all jets are one block where those of an event do not stand together.
    """
    if not len(identity):
        return []
    starts = np.flatnonzero(np.r_[True, (identity[1:] != identity[:-1]).any(axis=1)])
    if len(starts) != len(np.unique(identity, axis=0)):
        return [(0, len(identity))]
    # The first event that begins at or after each multiple of the size.
    cuts = starts[np.minimum(np.searchsorted(starts, np.arange(0, len(identity), size)), len(starts) - 1)]
    edges = [*dict.fromkeys(cuts.tolist()), len(identity)]
    return list(pairwise(edges))


def one_an_event(jets: Any, rows: Sequence[int] | NDArray[np.int64], event_of_jet: NDArray[np.int64], path: str) -> Any:
    """The columns of events, from the first jet of each.

    Parameters
    ----------
    jets : awkward array
        Sorted by event.
    rows : int array
        First jet of each event.
    event_of_jet : int64 array
    path : str
        For the message.

    Raises
    ------
    InputError
        If the jets of an event disagree.
    """
    found = {}
    for name in EVENT:
        values = np.asarray(jets[name])
        found[name] = values[rows]
        other = np.flatnonzero(values != found[name][event_of_jet])
        if len(other):
            bad = jets[int(other[0])]
            raise InputError(
                f"{path}: jets of the event {bad['run']}:{bad['lumi']}:{bad['event']} disagree in {name}: "
                f"{found[name][event_of_jet[other[0]]]} and {bad[name]}. Its numbers belong to two events: the file is "
                "damaged, or two samples share them."
            )
    return found


@contextmanager
def _readable(name: str) -> Iterator[None]:
    import uproot.deserialization

    try:
        yield
    except FileNotFoundError:
        raise DamagedFileError(f"no such file: {name}") from None
    except (OSError, ValueError, uproot.deserialization.DeserializationError) as error:
        text = str(error).strip().splitlines()
        raise DamagedFileError(
            f"{name} cannot be read as a ROOT file ({text[0] if text else type(error).__name__}): fetch it again."
        ) from None


def jagged(column: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Flat content and counts of a column with one list a jet."""
    return np.asarray(ak.flatten(column)), np.asarray(ak.num(column)).astype(np.int64)
