"""The leading jet's (pT, mass, multiplicity), unfolded event by event, with the standard and the learnt correction."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.nano.friend import write_friend
from coffea_mljec.nano.opening import open_nano, quiet_coffea
from coffea_mljec.status import STATUS_TYPE, Status
from training.applications.multifold import Paired

__all__ = ["VARIABLES", "JetEvents", "UnfoldingWeights", "leading_jets", "write_weights"]

VARIABLES = ("pt", "mass", "multiplicity")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JetEvents:
    """One central jet an event, the leading one of the generator, and what the detector sees of it.

    Attributes
    ----------
    identity : int64 array [n, 3]
        run, luminosityBlock, event.
    true : float64 array [n, 3]
        `VARIABLES` of the generator jet; GeV.
    measured : dict of str to float64 array [n, 3]
        Correction -> `VARIABLES` of the jet.
    """

    identity: NDArray[np.int64]
    true: Floats
    measured: Mapping[str, Floats]

    def paired(self, correction: str, rows: NDArray[Any]) -> Paired:
        """Return some events as `unfold` takes them, with weight 1."""
        return Paired(self.measured[correction][rows], self.true[rows], np.ones(len(self.true[rows])))


def leading_jets(
    files: Sequence[Path], corrections: Mapping[str, Any], pt: float = 50.0, most_eta: float = 2.4
) -> JetEvents:
    """Read the leading generator jet of every event, and the jet that belongs to it, with every correction.

    Parameters
    ----------
    files : sequence of Path
        Simulated PFNano with ``GenJet_nConstituents`` (this project's).
    corrections : mapping of str to provider
    pt : float
        Least pT of the generator jet in GeV.
    most_eta : float
        Largest |eta| of the generator jet.

    Raises
    ------
    InputError
        If the files lack the number of particles, or no event is selected.
    """
    identity, true = [], []
    measured: dict[str, list[Floats]] = {name: [] for name in corrections}
    for path in files:
        with warnings.catch_warnings(), open_nano(path) as nano:
            quiet_coffea()
            events = nano.events()
            generated = events.GenJet
            if "nConstituents" not in generated.fields:
                raise InputError(f"{path} has no GenJet_nConstituents: simulate the events anew")
            jets = {name: correction.apply(events) for name, correction in corrections.items()}
            index = ak.values_astype(events.Jet.genJetIdx, np.int64)
            leading = generated[:, :1]
            chosen = ak.any((leading.pt > pt) & (abs(leading.eta) < most_eta), axis=1)
            partner = ak.argmax(index == 0, axis=1)
            chosen = ak.to_numpy(chosen & ak.any(index == 0, axis=1))
            rows = np.flatnonzero(chosen)
            at = ak.to_numpy(ak.fill_none(partner, 0)).astype(np.int64)[rows]
            identity.append(np.column_stack([np.asarray(events[name]) for name in _IDENTITY])[rows])
            true.append(np.column_stack([_first(leading[name], rows) for name in ("pt", "mass", "nConstituents")]))
            for name, own in jets.items():
                columns = [own.pt, own.mass, events.Jet.nConstituents]
                measured[name].append(np.column_stack([_at(column, rows, at) for column in columns]))
    found = JetEvents(
        np.concatenate(identity).astype(np.int64),
        np.concatenate(true),
        {name: np.concatenate(parts) for name, parts in measured.items()},
    )
    if not len(found.true):
        raise InputError(f"no event has a leading jet above {pt:g} GeV within |eta| < {most_eta:g}: give others")
    return found


_IDENTITY = ("run", "luminosityBlock", "event")


def _first(column: Any, rows: NDArray[np.int64]) -> Floats:
    return np.asarray(ak.to_numpy(column[rows][:, 0]), np.float64)


def _at(column: Any, rows: NDArray[np.int64], at: NDArray[np.int64]) -> Floats:
    kept = column[rows]
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(kept, axis=1)))])
    return np.asarray(ak.to_numpy(ak.flatten(kept))[offsets[:-1] + at], np.float64)


class UnfoldingWeights:
    """A provider for `coffea_mljec.nano.friend.write_friend`: each jet gets its event's weights, 1 where it has none.

    Parameters
    ----------
    identity : int64 array [n, 3]
        run, luminosityBlock, event.
    factors : float64 array [1 + replicas, n]
        Nominal weights first.
    """

    name = "unfolding weights"

    def __init__(self, identity: NDArray[np.int64], factors: Floats) -> None:
        self._rows = {tuple(map(int, event)): row for row, event in enumerate(identity)}
        self._factors = factors

    def columns(self, events: Any, collection: str) -> dict[str, str]:
        """Return name -> type of what is written of each jet."""
        weights = {name: "float32" for name in self._names()}
        return {"pt": "float32", "mljec_status": STATUS_TYPE.__name__} | weights

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return the jets with ``unfolding_weight`` and, for each replica, ``unfolding_weight_1`` and so on."""
        jets = events[collection]
        numbers = np.column_stack([np.asarray(events[name]).astype(np.int64) for name in _IDENTITY])
        rows = np.array([self._rows.get(tuple(map(int, event)), -1) for event in numbers], np.int64)
        counts = ak.to_numpy(ak.num(jets, axis=1))
        for name, factors in zip(self._names(), self._factors, strict=True):
            of_event = np.append(factors, 1.0)[rows].astype(np.float32)
            jets = ak.with_field(jets, ak.unflatten(np.repeat(of_event, counts), counts), name)
        status = np.full(int(counts.sum()), Status(0).value, STATUS_TYPE)
        return ak.with_field(jets, ak.unflatten(status, counts), "mljec_status")

    def _names(self) -> list[str]:
        return ["unfolding_weight", *(f"unfolding_weight_{i}" for i in range(1, len(self._factors)))]


def write_weights(source: Path, path: Path, identity: NDArray[np.int64], factors: Floats) -> None:
    """Write the weights of the events of one file as a friend tree; events without one get 1."""
    with warnings.catch_warnings():
        quiet_coffea()
        write_friend(source, path, UnfoldingWeights(identity, factors))
