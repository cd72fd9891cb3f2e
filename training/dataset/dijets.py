"""Dijets: events whose two leading jets are kept together, with their features, and with or without truth.

The topology is that of `coffea_mljec.validation.dijet.topology`; both jets lie in one range of |eta|. The file's own pT
decides which jets lead, which events are taken and which cell they are in: the selection does not follow the network
that is trained, so that no event can leave because it spoils the balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet, compute
from coffea_mljec.nano import flatten
from coffea_mljec.nano.flat import FlatJets
from coffea_mljec.nano.jagged import content_and_offsets
from coffea_mljec.numerics.matching import match_flat
from coffea_mljec.status import Status, carries
from coffea_mljec.support.digest import file_digest
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.validation.common.binning import flavour_code
from coffea_mljec.validation.common.pairing import leading_jets, separation, swapped
from coffea_mljec.validation.dijet.topology import is_dijet
from training.dataset.cache import PreparedJets, open_shard
from training.dataset.files import shards_of
from training.dataset.further_jets import further_jets
from training.dataset.selection import rows_of_features, scatter_numbers

__all__ = ["ALPHA_EDGES", "Dijets", "read_dijets"]

ALPHA_EDGES = (0.0, 0.1, 0.2)
"""Edges in alpha; the last is open. Events with less beside the two jets are better balanced, and tell more."""

_GEN = ("pt", "eta", "phi")
_IDENTITY = ("run", "luminosityBlock", "event")
_UNUSABLE = Status.BAD_INPUT | Status.NO_CONSTITUENTS | Status.INCOMPLETE_CONSTITUENTS


@dataclass(frozen=True)
class Dijets:
    """Selected events.

    Attributes
    ----------
    jets : PreparedJets
        Rows ``2 i`` and ``2 i + 1`` are reference and probe of event ``i``, which of the two leads is drawn at random
        by the event's identity. Without truth ``pt_gen``, ``eta_gen`` and ``target`` are NaN and ``flavour`` is 0.
    pt_avg : float64 array [n]
        Mean pT of the two jets as the file has it, GeV.
    cell : int64 array [n]
        Of |eta|, pt_avg and alpha, the third jet's share of pt_avg, in this order.
    further : float64 array [n, 2]
        The balance that the further jets ask for (`training.dataset.further_jets`).
    counts : dict of str to int
        Events after each step.
    """

    jets: PreparedJets
    pt_avg: NDArray[np.float64]
    cell: NDArray[np.int64]
    further: NDArray[np.float64]
    counts: dict[str, int]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.pt_avg)

    @property
    def event(self) -> NDArray[np.int64]:
        """Numbers of the events that must not be torn apart, int64 [n]."""
        return np.asarray(self.jets.columns["scatter"][::2])


def read_dijets(
    paths: Sequence[Path | str],
    features: FeatureSet,
    pt_edges: Sequence[float],
    eta_edges: Sequence[float],
    *,
    truth: bool,
    collection: str = "Jet",
    generator: str = "GenJet",
    progress: bool = True,
) -> Dijets:
    """Read the dijets of some files.

    Parameters
    ----------
    paths : sequence of Path
        Folders with ROOT files, or files.
    features : FeatureSet
        Of the jets.
    pt_edges, eta_edges : sequence of float
        Bins of pt_avg (GeV) and |eta|; events outside are left out.
    truth : bool
        Whether to match generator jets, and leave out events where a jet has none. Without it they are not even read.
    collection, generator : str
        Jets and generator jets.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        If there is no file, no event with two jets, or none that passes.
    MissingBranchError
        If a file lacks what the features need.
    """
    shards = shards_of(paths)
    reader = _Reader(features, tuple(pt_edges), tuple(eta_edges), truth, collection, generator)
    parts: list[_Part] = []
    with progress_bar("reading dijets", len(shards), "files", "{events:,} events", progress, events=0) as bar:
        for shard in shards:
            parts.append(reader.read(shard))
            bar.advance(events=sum(len(part.pt_avg) for part in parts))
    counts = {step: sum(part.counts[step] for part in parts) for step in parts[0].counts}
    if counts["two jets"] == 0:
        raise InputError(f"no event with two jets among {counts['all']} of {_names(paths)}: give dijet events")
    if sum(len(part.pt_avg) for part in parts) == 0:
        raise InputError(f"no dijet is left in {_names(paths)}: events after each step {counts}")
    description = {"shards": {str(shard): file_digest(shard) for shard in shards}, "features": features.names()}
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    jets = PreparedJets(columns, _joined([part.features for part in parts]), features, description)
    pt_avg = np.concatenate([part.pt_avg for part in parts])
    cell, further = (np.concatenate([getattr(part, name) for part in parts]) for name in ("cell", "further"))
    return Dijets(jets, pt_avg, cell, further, counts)


@dataclass(frozen=True)
class _Part:
    columns: dict[str, NDArray[Any]]
    features: dict[str, NDArray[Any]]
    pt_avg: NDArray[np.float64]
    cell: NDArray[np.int64]
    further: NDArray[np.float64]
    counts: dict[str, int]


def _names(paths: Sequence[Path | str]) -> str:
    return ", ".join(map(str, paths))


@dataclass(frozen=True)
class _Reader:
    """What is read of every file."""

    features: FeatureSet
    pt_edges: tuple[float, ...]
    eta_edges: tuple[float, ...]
    truth: bool
    collection: str
    generator: str

    def read(self, shard: Path) -> _Part:
        """Select the events of one file."""
        events = open_shard(shard)
        flat = flatten(
            events, self.collection, jet=self.features.jet_quantities,
            constituents=self.features.constituent_quantities, asker=str(shard),
        )  # fmt: skip
        pt = content_and_offsets(events[self.collection].pt, f"{self.collection}.pt")[0].astype(np.float64)
        partner, gen = np.zeros(len(pt), np.int64), {}
        if self.truth:
            gen = {name: content_and_offsets(events[self.generator][name], self.generator) for name in _GEN}
            eta, phi = (np.asarray(flat.jet[name], np.float64) for name in ("eta", "phi"))
            partner = match_flat(eta, phi, flat.jet_offsets, gen["eta"][0], gen["phi"][0], gen["pt"][1], 0.2)
        event, pairs, alpha, counts = self._select(flat, pt, partner)
        identity = {name: np.asarray(events[name]).astype(np.int64)[event] for name in _IDENTITY}
        average = pt[pairs].mean(axis=1) if len(pairs) else np.zeros(0)
        region = np.digitize(np.abs(flat.jet["eta"][pairs[:, 0]]), self.eta_edges) - 1
        cell = region * (len(self.pt_edges) - 1) + np.digitize(average, self.pt_edges) - 1
        cell = cell * len(ALPHA_EDGES) + np.digitize(alpha, ALPHA_EDGES) - 1
        swap = swapped(*identity.values())
        pairs[swap] = pairs[swap][:, ::-1]
        charged = _charged(events[self.collection], len(pt))
        offsets, phi = (np.asarray(values) for values in (flat.jet_offsets, flat.jet["phi"]))
        further = further_jets(pt, phi.astype(np.float64), charged, offsets, event, pairs)
        rows = pairs.reshape(-1)
        columns: dict[str, NDArray[Any]] = {name: np.repeat(numbers, 2) for name, numbers in identity.items()}
        columns["scatter"] = np.repeat(scatter_numbers(events, str(shard))[event], 2)
        columns |= {name: np.asarray(flat.jet[name], np.float32)[rows] for name in ("pt_raw", "eta")}
        columns |= _truth(events[self.collection], rows, partner, gen, columns["pt_raw"])
        picked = rows_of_features(compute(flat, self.features), rows)
        return _Part(columns, picked, average, cell.astype(np.int64), further, counts)

    def _select(
        self, flat: FlatJets, pt: NDArray[np.float64], partner: NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], dict[str, int]]:
        """Return the selected events, the rows of their two jets [n, 2], alpha, and events after each step."""
        first, second, third = leading_jets(pt, flat.jet_offsets, np.isfinite(pt) & (pt > 0.0))
        event = np.flatnonzero(second >= 0)
        pairs, third = np.column_stack([first[event], second[event]]), third[event]
        average = pt[pairs].mean(axis=1)
        third_pt = np.where(third >= 0, pt[third], 0.0) if len(pt) else np.zeros(0)
        phi = np.asarray(flat.jet["phi"], np.float64)[pairs]
        region = np.digitize(np.abs(flat.jet["eta"][pairs]), self.eta_edges) - 1
        known = (average >= self.pt_edges[0]) & (average < self.pt_edges[-1])
        known &= (region[:, 0] >= 0) & (region[:, 0] < len(self.eta_edges) - 1)
        steps = {
            "topology": is_dijet(separation(phi[:, 0].copy(), phi[:, 1].copy()), third_pt, average),
            "in one bin": known & (region[:, 0] == region[:, 1]),
            "usable constituents": ~carries(flat.flags, _UNUSABLE)[pairs].any(axis=1),
            "generator jets": (partner[pairs] >= 0).all(axis=1),
        }
        counts = {"all": len(first), "two jets": len(event)}
        kept = np.ones(len(event), np.bool_)
        for name, passed in steps.items():
            kept &= passed
            counts[name] = int(kept.sum())
        return event[kept], pairs[kept], third_pt[kept] / average[kept], counts


def _charged(jets: Any, n: int) -> NDArray[np.float64]:
    """Return the share of charged hadrons in each jet; 0 where the file does not have it."""
    if "chHEF" not in jets.fields:
        return np.zeros(n)
    return content_and_offsets(jets["chHEF"], "chHEF")[0].astype(np.float64)


def _truth(
    jets: Any, rows: NDArray[np.int64], partner: NDArray[Any], gen: dict[str, Any], pt_raw: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """Return flavour and generator jet of some jets; NaN and 0 without truth."""
    if not gen:
        nothing = np.full(len(rows), np.nan, np.float32)
        missing = {name: nothing for name in ("pt_gen", "eta_gen", "target")}
        return missing | {"flavour": np.zeros(len(rows), np.int32)}
    pt_gen, eta_gen = (gen[name][0][partner[rows]].astype(np.float32) for name in ("pt", "eta"))
    hadron, parton = (content_and_offsets(jets[name], name)[0][rows] for name in ("hadronFlavour", "partonFlavour"))
    return {
        "pt_gen": pt_gen, "eta_gen": eta_gen, "target": np.log(pt_gen / pt_raw),
        "flavour": flavour_code(hadron, parton).astype(np.int32),
    }  # fmt: skip


def _joined(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return features of several parts, one after the other."""
    joined = {}
    for name in parts[0]:
        pieces = [part[name] for part in parts]
        if name.endswith("_offsets"):
            starts = np.cumsum([0, *(piece[-1] for piece in pieces)])
            pieces = [piece[1:] + start for piece, start in zip(pieces, starts, strict=False)]
            pieces.insert(0, np.zeros(1, np.int64))
        joined[name] = np.concatenate(pieces)
    return joined
