"""The networks' inputs beside those of real CMS jets: quantiles of every feature, and how far apart they are.

The simulated jets are weighted so that pT in cells of |eta|, the density of the event and the flavour are those of the
reference (iterative proportional fitting of the three marginals); what then differs is detector, pileup and
hadronisation. A reference of a few ten jets shows gross errors only: each distance stands beside that of chance.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.features import CATALOGUE, FEATURE_SETS, FeatureSet, compute
from coffea_mljec.nano import flatten
from coffea_mljec.nano.opening import open_nano, quiet_coffea
from training.dataset.files import shards_of

__all__ = ["GROSS", "PROBABILITIES", "compare_inputs"]

PROBABILITIES = (0.05, 0.25, 0.50, 0.75, 0.95)
#: A distance larger than this beyond what chance explains is gross: a sixth of the constituents looks different.
GROSS = 0.15

_PT_EDGES = (0.0, 20.0, 30.0, 60.0, 150.0, 500.0, 1000.0, np.inf)  # GeV, raw
_ETA_EDGES = (0.0, 1.3, 2.5, 3.0, np.inf)
_RHO_EDGES = (0.0, 15.0, 20.0, 25.0, np.inf)  # GeV
#: Features of the event rather than of the jet: a reference has as many independent values as it has events.
_EVENT_FEATURES = ("rho", "n_pv")
_ROUNDS = 30
_TOYS = 60


@dataclass
class _Jets:
    """Complete jets and their features: values by (collection, name), with the jet that owns each value."""

    cells: dict[str, NDArray[np.int64]]
    values: dict[tuple[str, str], NDArray[np.float64]]
    owner: dict[str, NDArray[np.int64]]
    n_events: int

    def __len__(self) -> int:
        return len(self.cells["flavour"])


def compare_inputs(reference: Path, productions: Sequence[Path], limit: int, seed: int = 7) -> list[dict[str, Any]]:
    """Compare every feature of the catalogue between a reference file and simulated productions.

    Parameters
    ----------
    reference : Path
        A file in the PFNano layout with generator flavours, every jet with its constituents.
    productions : sequence of Path
        Folders with ROOT files of the simulation, or files.
    limit : int
        Events to read of the productions in all, the same number from every file.
    seed : int
        Of the toys that give the distance expected by chance.

    Returns
    -------
    list of dict
        One a feature that the simulation has, in the catalogue's order, then the constituents a jet of each
        collection: ``collection``, ``name``; ``reference`` and ``simulation``, the quantiles at `PROBABILITIES`;
        ``reference_mean`` and ``simulation_mean`` (a one-hot feature's share); ``distance``, the largest distance of
        the cumulative distributions (Kolmogorov and Smirnov); ``expected``, the 95 % quantile of the distances of as
        many simulated jets, drawn by chance, from all; ``gross``, whether the distance exceeds ``expected`` by more
        than `GROSS`. Where the reference lacks a feature (or has no value of it) its entries are None and ``gross``
        is False.

    Raises
    ------
    InputError
        If the limit is not positive, a file has no flavours, or no simulated jet is like those of the reference.
    """
    if limit < 1:
        raise InputError(f"limit must be at least one event, got {limit}.")
    shards = shards_of(productions)
    features = _supplied(shards[0])
    ours = _joined([_read(shard, features, max(1, limit // len(shards))) for shard in shards])
    theirs = _joined([_read(reference, _supplied(reference), None)])
    weights, kept = _weights(ours, theirs)
    rng = np.random.default_rng(seed)
    count = int(kept.sum())
    toys = [np.bincount(rng.choice(len(ours), count, p=weights), minlength=len(ours)) for _ in range(_TOYS)]
    few = [np.bincount(rng.choice(len(ours), theirs.n_events, p=weights), minlength=len(ours)) for _ in range(_TOYS)]
    rows = []
    for (collection, name), values in ours.values.items():
        owner = ours.owner[collection]
        mine = _Distribution(values, weights[owner])
        row: dict[str, Any] = {"collection": collection, "name": name}
        row |= {"simulation": mine.quantiles(), "simulation_mean": mine.mean}
        row |= dict.fromkeys(("reference", "reference_mean", "distance", "expected")) | {"gross": False}
        real = theirs.values.get((collection, name), np.empty(0))
        real = real[kept[theirs.owner[collection]]] if len(real) else real
        if len(real) and mine.total:
            other = _Distribution(real, np.ones(len(real)))
            drawn = few if collection == "jet" and name in _EVENT_FEATURES else toys
            distances = [mine.distance_of(toy[owner]) for toy in drawn]
            distance, expected = mine.distance(other), float(np.quantile(distances, 0.95))
            row |= {"reference": other.quantiles(), "reference_mean": other.mean, "distance": distance}
            row |= {"expected": expected, "gross": distance > expected + GROSS}
        rows.append(row)
    return rows


class _Distribution:
    """A weighted sample as steps of its cumulative distribution."""

    def __init__(self, values: NDArray[np.float64], weights: NDArray[Any]) -> None:
        self._some = weights > 0
        self.steps, self._step = np.unique(values[self._some], return_inverse=True)
        total = np.bincount(self._step, weights[self._some], len(self.steps))
        self.total = float(total.sum())
        self.cumulative = np.cumsum(total) / (self.total or 1.0)
        self.mean = float(np.sum(total * self.steps) / self.total) if self.total else float("nan")

    def quantiles(self) -> list[float]:
        """Smallest values that at least the `PROBABILITIES` of the weight do not exceed."""
        if not self.total:
            return [float("nan")] * len(PROBABILITIES)
        at = np.searchsorted(self.cumulative, np.asarray(PROBABILITIES) - 1e-9)
        return [float(x) for x in self.steps[np.minimum(at, len(self.steps) - 1)]]

    def distance(self, other: _Distribution) -> float:
        """Largest difference of the two cumulative distributions; 1 where either is empty."""
        if not self.total or not other.total:
            return 1.0
        steps = np.concatenate([self.steps, other.steps])
        return float(np.abs(self._at(steps) - other._at(steps)).max())

    def distance_of(self, weights: NDArray[Any]) -> float:
        """Distance to the same values with other weights, of which none may stand where there was none before."""
        cumulative = np.cumsum(np.bincount(self._step, weights[self._some], len(self.steps)))
        return float(np.abs(cumulative / cumulative[-1] - self.cumulative).max()) if cumulative[-1] else 1.0

    def _at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        below = np.searchsorted(self.steps, x, side="right")
        return np.concatenate([[0.0], self.cumulative])[below]


def _supplied(path: Path) -> FeatureSet:
    """All features of those named sets that a file supplies, in the catalogue's order."""
    found: set[tuple[str, str]] = set()
    with warnings.catch_warnings(), open_nano(path) as file:
        quiet_coffea()
        events = file.events(0, 1)
        for features in FEATURE_SETS.values():
            try:
                flatten(events, jet=features.jet_quantities, constituents=features.constituent_quantities)
            except MissingBranchError:
                continue
            found |= {(collection, name) for collection, names in features.names().items() for name in names}
    if not any(collection != "jet" for collection, _ in found):
        raise InputError(f"{path} supplies no feature set with constituents: it is no PFNano file.")
    return FeatureSet.from_names({c: [name for name in CATALOGUE[c] if (c, name) in found] for c in CATALOGUE})


def _read(path: Path, features: FeatureSet, stop: int | None) -> _Jets:
    """Read the complete jets of a file's first events."""
    with warnings.catch_warnings(), open_nano(path) as file:
        quiet_coffea()
        n_events = file.entries if stop is None else min(stop, file.entries)
        events = file.events(0, n_events)
        jet_quantities = dict.fromkeys(("pt_raw", "eta", "rho", *features.jet_quantities))
        flat = flatten(events, jet=jet_quantities, constituents=features.constituent_quantities, asker="realism")
        arrays = compute(flat, features)
        for field in ("hadronFlavour", "partonFlavour"):
            if field not in events.Jet.fields:
                raise InputError(f"{path} has no Jet_{field}: jets can be weighted by flavour in simulated files only.")
        hadron, parton = (ak.flatten(events.Jet[f]).to_numpy() for f in ("hadronFlavour", "partonFlavour"))
    complete = flat.flags == 0
    number = np.cumsum(complete) - 1
    flavour = np.where(hadron != 0, hadron, np.abs(parton)).astype(np.int64)
    plane = np.searchsorted(_PT_EDGES, flat.jet["pt_raw"], side="right") * len(_ETA_EDGES)
    plane += np.searchsorted(_ETA_EDGES, np.abs(flat.jet["eta"]), side="right")
    cells = {
        "plane": plane[complete],
        "rho": np.searchsorted(_RHO_EDGES, flat.jet["rho"], side="right")[complete],
        # b, c, gluon, none (pileup), light quarks.
        "flavour": np.where(np.isin(flavour, (0, 4, 5, 21)), flavour, 1)[complete],
    }
    out = _Jets(cells, {}, {"jet": number[complete], "count": number[complete]}, n_events)
    for name, column in zip(features.jet, arrays["jet_features"].T, strict=True):
        out.values["jet", name] = column[complete].astype(np.float64)
    for collection in features.constituents:
        sizes = np.diff(arrays[f"{collection}_offsets"])
        owner = np.repeat(np.arange(len(flat)), sizes)
        used = complete[owner]
        out.owner[collection] = number[owner[used]]
        for name, column in zip(getattr(features, collection), arrays[f"{collection}_features"].T, strict=True):
            out.values[collection, name] = column[used].astype(np.float64)
        out.values["count", collection] = sizes[complete].astype(np.float64)
    return out


def _joined(parts: Sequence[_Jets]) -> _Jets:
    """Join what several files hold; the features are those of the first."""
    starts = np.cumsum([0] + [len(part) for part in parts])
    return _Jets(
        {name: np.concatenate([part.cells[name] for part in parts]) for name in parts[0].cells},
        {
            key: np.concatenate([part.values[key] for part in parts])
            for key in sorted(parts[0].values, key=lambda key: key[0] == "count")
        },
        {
            name: np.concatenate([part.owner[name] + start for part, start in zip(parts, starts, strict=False)])
            for name in parts[0].owner
        },
        sum(part.n_events for part in parts),
    )


def _weights(ours: _Jets, theirs: _Jets) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return our jets' weights, adding up to 1, and which jets of the reference have a like in the simulation."""
    kept = np.all([np.isin(theirs.cells[name], ours.cells[name]) for name in ours.cells], axis=0)
    weights = np.all([np.isin(ours.cells[name], theirs.cells[name][kept]) for name in ours.cells], axis=0) * 1.0
    if not weights.any():
        raise InputError(
            f"none of {len(ours)} simulated jets is like the reference's {len(theirs)} in pT, |eta|, density and "
            "flavour: read more events or another production."
        )
    for _ in range(_ROUNDS):
        for name in ours.cells:
            target = np.bincount(theirs.cells[name][kept], minlength=ours.cells[name].max() + 1)
            present = np.bincount(ours.cells[name], weights, len(target))
            scale = np.divide(target, present, out=np.zeros(len(target)), where=present > 0)
            weights = weights * scale[ours.cells[name]]
    return weights / weights.sum(), kept
