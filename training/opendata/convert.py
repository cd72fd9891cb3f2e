"""Jet tuples -> PFNano's layout: jets regrouped into events, candidates linked; what is absent stays absent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder, whole_file
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.workers.pool import Workers, in_order
from training.dataset.files import is_address
from training.opendata.jetntuple import (
    IDENTITY,
    blocks,
    check_events_apart,
    jagged,
    one_an_event,
    open_tuple,
)
from training.simulate.branches import TABLES

__all__ = ["Converted", "convert"]

BLOCK = 100_000
"""Jets that are read at a time."""

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Converted:
    """What became of one file."""

    path: Path
    events: int
    jets: int
    candidates: int


def convert(
    sources: Sequence[str],
    output: Path,
    *,
    force: bool = False,
    resume: bool = False,
    progress: bool = True,
    workers: Workers = 1,
) -> list[Converted]:
    """Write each tuple as a file with the tree ``Events``, of the same name, complete or not at all.

    ``Jet_pt`` is the stored one, with L1L2L3, and ``Jet_rawFactor`` leads to the raw one. Constituents are the
    candidates with ``PF_fromAK4Jet``; those beside the jets are left out. ``GenJet`` has the generator jet of each jet
    that has one. Vertices, impact parameters, hits and jets beyond the tuple's cuts (30 GeV, |eta| 2.5) are not there.

    Parameters
    ----------
    sources : sequence of str
        JetNTuple files, each once.
    output : Path
        Folder, made where it is not there.
    force, resume : bool
        Overwrite files that exist, or keep them.
    progress : bool
        Whether to show a progress bar.
    workers : int or ClusterExecutor
        Processes, each with a file at a time.

    Raises
    ------
    InputError
        If a file cannot be read, is none of those tuples, lacks a branch, or has events in common with another; if two
        have one name, or an output exists.
    WorkerError
        See `coffea_mljec.workers.pool.in_order`.
    """
    targets = _targets(sources, output, force, resume)
    identities = {}
    for source in sources:  # before anything is written
        with open_tuple(source) as file:
            identities[source] = file.identity
    check_events_apart(identities)
    folder = make_folder(output).resolve()  # workers of a cluster have a working directory of their own
    jobs = [
        _Job(source if is_address(source) else str(Path(source).resolve()), folder / target.name)
        for source, target in targets.items()
    ]
    done: list[Converted] = []
    total = sum(len(identities[source]) for source in targets)
    with (
        progress_bar("converting", total, "jets", "{events:,} events", progress, events=0) as bar,
        closing(in_order(_convert, jobs, workers)) as converted,
    ):
        for target, one in zip(targets.values(), converted, strict=True):
            done.append(replace(one, path=target))
            bar.advance(one.jets, events=sum(file.events for file in done))
    return done


class _Job(NamedTuple):
    """A tuple and what becomes of it."""

    source: str
    target: Path

    def __str__(self) -> str:
        return self.source


def _targets(sources: Sequence[str], output: Path, force: bool, resume: bool) -> dict[str, Path]:
    """Source -> file to write, of those that are to be written."""
    targets = {source: output / Path(source).name for source in sources}
    if len(targets) < len(sources) or len(set(targets.values())) < len(targets):
        raise InputError("two of the files have one name: convert each once, and files of one name to two folders.")
    existing = [str(path) for path in targets.values() if path.exists()]
    if existing and not (force or resume):
        raise InputError(f"{', '.join(existing[:3])} exist already: add --resume to keep them, or --force.")
    if any(path.exists() and path.samefile(source) for source, path in targets.items() if Path(source).exists()):
        raise InputError(f"{output} holds the tuples themselves: convert to another folder.")
    return {source: path for source, path in targets.items() if force or not path.exists()}


def _convert(job: _Job) -> Converted:
    import uproot

    n_events = n_jets = n_candidates = 0
    with (
        open_tuple(job.source) as file,
        whole_file(job.target) as temporary,
        uproot.recreate(temporary, compression=uproot.ZSTD(5)) as out,
    ):
        tree = None
        for start, stop in blocks(file.identity, BLOCK) or [(0, 0)]:
            scalars, tables = regrouped(file.read(start, stop), file.path)
            if tree is None:
                kinds: dict[str, Any] = {name: values.dtype for name, values in scalars.items()}
                for name, (columns, _) in tables.items():
                    inner = ", ".join(f"{field}: {values.dtype}" for field, values in columns.items())
                    kinds[name] = f"var * {{{inner}}}"
                tree = out.mktree("Events", kinds, title="Events")
            records = {name: ak.unflatten(ak.zip(columns), counts) for name, (columns, counts) in tables.items()}
            tree.extend(scalars | records)
            n_events += len(scalars["event"])
            n_jets += stop - start
            n_candidates += len(tables["PFCands"][0]["pt"])
    return Converted(job.target, n_events, n_jets, n_candidates)


def regrouped(jets: Any, path: str) -> tuple[Columns, dict[str, tuple[Columns, NDArray[np.int64]]]]:
    """Columns of events, and of each table with its number of rows an event.

    Parameters
    ----------
    jets : awkward array
        Of `TupleFile.read`.
    path : str
        For messages.

    Raises
    ------
    InputError
        If the jets of an event disagree in what belongs to the event, or a number is not finite.
    """
    identity = np.stack([np.asarray(jets[name]).astype(np.int64) for name in IDENTITY], axis=1)
    # Within an event by falling pT, as NanoAOD has them.
    order = np.lexsort((-np.asarray(jets["jetPt"]), identity[:, 2], identity[:, 1], identity[:, 0]))
    jets, identity = jets[order], identity[order]
    new = np.ones(len(jets), np.bool_)
    new[1:] = (identity[1:] != identity[:-1]).any(axis=1)
    rows, event_of_jet = np.flatnonzero(new), np.cumsum(new) - 1
    of_event = one_an_event(jets, rows, event_of_jet, path)
    scalars = {
        "run": identity[rows, 0], "luminosityBlock": identity[rows, 1], "event": identity[rows, 2],
        "genWeight": of_event["eventWeight"], "Generator_weight": of_event["eventWeight"],
        "Generator_binvar": of_event["pthat"], "Pileup_nPU": of_event["Pileup_nPU"],
        "Pileup_nTrueInt": of_event["Pileup_nTrueInt"], "PV_npvsGood": of_event["PV_npvsGood"],
        "fixedGridRhoFastjetAll": of_event["rhoAll"],
    }  # fmt: skip
    per_event = np.bincount(event_of_jet, minlength=len(rows))
    place = np.arange(len(jets)) - rows[event_of_jet]
    candidates, candidates_of_jet = _candidates(jets, path)
    candidates_of_event = np.bincount(event_of_jet, weights=candidates_of_jet, minlength=len(rows)).astype(np.int64)
    begin = np.cumsum(candidates_of_event) - candidates_of_event
    event_of_candidate = np.repeat(event_of_jet, candidates_of_jet)
    links = {
        "jetIdx": np.repeat(place, candidates_of_jet),
        "pFCandsIdx": np.arange(len(event_of_candidate)) - begin[event_of_candidate],
    }
    matched = np.asarray(jets["jetGenMatch"]) == 1
    of_gen = np.bincount(event_of_jet[matched], minlength=len(rows))
    index = np.cumsum(matched) - 1 - (np.cumsum(of_gen) - of_gen)[event_of_jet]
    jet = _jets(jets, candidates_of_jet) | {"genJetIdx": np.where(matched, index, -1)}
    names = {"pt": "genJetPt", "eta": "genJetEta", "phi": "genJetPhi", "mass": "genJetMass"}
    generator = {name: np.asarray(jets[branch])[matched] for name, branch in names.items()}
    tables = {
        "Jet": (jet, per_event),
        "GenJet": (generator, of_gen),
        "PFCands": (candidates, candidates_of_event),
        "JetPFCands": (links, candidates_of_event),
    }
    return _typed(scalars, "", path), {
        name: (_typed(columns, name, path), counts) for name, (columns, counts) in tables.items()
    }


def _jets(jets: Any, n_constituents: NDArray[np.int64]) -> Columns:
    has = {name: np.asarray(jets[name]) for name in jets.fields if name.startswith("jet")}
    with np.errstate(divide="ignore", invalid="ignore"):
        raw_factor = 1.0 - has["jetRawPt"].astype(np.float64) / has["jetPt"]
    columns = {
        "pt": has["jetPt"], "eta": has["jetEta"], "phi": has["jetPhi"], "mass": has["jetMass"],
        "rawFactor": raw_factor, "area": has["jetArea"], "nConstituents": n_constituents,
        "partonFlavour": np.asarray(jets["partonFlav"]), "hadronFlavour": np.asarray(jets["hadronFlav"]),
    }  # fmt: skip
    if "jetQGl" in has:
        columns["qgl"] = has["jetQGl"]
    if {"jetLooseID", "jetTightID"} <= has.keys():
        columns["jetId"] = has["jetLooseID"] + 2 * has["jetTightID"]
    return columns


def _candidates(jets: Any, path: str) -> tuple[Columns, NDArray[np.int64]]:
    """The constituents of all jets, jet by jet by falling pT, and how many each has."""
    names = ("PF_pT", "PF_dEta", "PF_dPhi", "PF_mass", "PF_id", "PF_fromPV")
    mine = jets["PF_fromAK4Jet"] == 1
    flat = {}
    for name in names:
        flat[name], counts = jagged(jets[name][mine])
    jet_of = np.repeat(np.arange(len(jets)), counts)
    order = np.lexsort((-flat["PF_pT"], jet_of))
    flat = {name: values[order] for name, values in flat.items()}
    phi = np.asarray(jets["jetPhi"], np.float64)[jet_of] + flat["PF_dPhi"]
    identity = flat["PF_id"]
    unsigned = np.abs(identity)
    # 211 and its like have the sign of their charge, leptons the other one; 1 and 2 are deposits in the HF.
    charge = np.where(np.isin(unsigned, (11, 13, 15)), -np.sign(identity), np.sign(identity))
    charge[~np.isin(unsigned, (11, 13, 15, 211, 321, 2212))] = 0
    return {
        "pt": flat["PF_pT"],
        "eta": np.asarray(jets["jetEta"], np.float64)[jet_of] + flat["PF_dEta"],
        "phi": np.mod(phi + np.pi, 2 * np.pi) - np.pi,
        "mass": flat["PF_mass"],
        "pdgId": identity,
        "charge": charge,
        "fromPV": flat["PF_fromPV"],
    }, counts


def _typed(columns: Columns, table: str, path: str) -> Columns:
    """The columns in NanoAOD's types.

    Raises
    ------
    InputError
        If a number is not finite.
    """
    known = TABLES[table]
    typed = {}
    for name, values in columns.items():
        kind = known[name].kind if name in known else {"qgl": "f4"}[name]
        if kind == "f4" and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InputError(f"{path}: {table}_{name} of row {row} is {values[row]}, no number: fetch the file again.")
        typed[name] = np.ascontiguousarray(values, np.dtype(kind))
    return typed
