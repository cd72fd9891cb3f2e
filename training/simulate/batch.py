"""What the simulation hands on: one batch of events, every collection flat with offsets.

Energies and momenta are in GeV, lengths in cm, angles in radians. Nothing here knows how the columns came to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError

__all__ = [
    "CANDIDATE_COLUMNS",
    "EVENT_COLUMNS",
    "GENPART_COLUMNS",
    "GEN_COLUMNS",
    "PARTON_COLUMNS",
    "SV_COLUMNS",
    "Jagged",
    "RecoBatch",
]

EVENT_COLUMNS = {
    "genWeight": "f8", "pthat": "f4", "n_pu": "i4", "n_true_pu": "f4", "pv_x": "f4", "pv_y": "f4", "pv_z": "f4",
    "n_pv": "i4", "n_pv_good": "i4", "process": "i4", "scatter": "i8",
}  # fmt: skip
GEN_COLUMNS = {"pt": "f4", "eta": "f4", "phi": "f4", "mass": "f4", "pdgId": "i4"}
GENPART_COLUMNS = GEN_COLUMNS | {"status": "i4", "statusFlags": "i4", "genPartIdxMother": "i4"}
PARTON_COLUMNS = {"pt": "f4", "eta": "f4", "phi": "f4", "pdgId": "i4"}
CANDIDATE_COLUMNS = {
    "pt": "f4", "eta": "f4", "phi": "f4", "mass": "f4", "pdgId": "i4", "charge": "i4", "d0": "f4", "d0Err": "f4",
    "dz": "f4", "dzErr": "f4", "trkChi2": "f4", "vtxChi2": "f4", "lostInnerHits": "i4", "pvAssocQuality": "i4",
    "trkQuality": "i4", "numberOfHits": "i4", "numberOfPixelHits": "i4", "hcalFraction": "f4", "puppiWeight": "f4",
    "fromPV": "i4",
}  # fmt: skip
SV_COLUMNS = {
    "pt": "f4", "eta": "f4", "phi": "f4", "mass": "f4", "x": "f4", "y": "f4", "z": "f4", "dlen": "f4",
    "dlenSig": "f4", "dxy": "f4", "dxySig": "f4", "ntracks": "i4", "chi2": "f4", "ndof": "f4", "pAngle": "f4",
}  # fmt: skip


@dataclass(frozen=True)
class Jagged:
    """A flat table whose rows are grouped by event.

    Attributes
    ----------
    offsets : int64 array [n_events + 1]
        Row ``offsets[i]`` is the first of event ``i``; ``offsets[0]`` is 0.
    columns : dict of str to array [n_rows]
        One array a column, all of length ``offsets[-1]``.
    """

    offsets: NDArray[np.int64]
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = int(self.offsets[-1])
        wrong = {name: len(column) for name, column in self.columns.items() if len(column) != total}
        if wrong:
            raise InputError(f"columns {wrong} do not have the {total} rows that the offsets tell: build them together")

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return one column."""
        return self.columns[name]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows an event, int64 array [n_events]."""
        return np.diff(self.offsets)

    @property
    def event(self) -> NDArray[np.int64]:
        """The event of every row, int64 array [n_rows]."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.counts)

    def slice(self, start: int, stop: int) -> Jagged:
        """Return events ``start`` to ``stop`` (not included) as views."""
        rows = slice(int(self.offsets[start]), int(self.offsets[stop]))
        offsets = self.offsets[start : stop + 1] - self.offsets[start]
        return Jagged(offsets, {name: column[rows] for name, column in self.columns.items()})

    def select(self, mask: NDArray[np.bool_]) -> Jagged:
        """Return the rows where ``mask`` (bool array [n_rows]) is true; the events stay."""
        kept = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
        return Jagged(kept[self.offsets], {name: column[mask] for name, column in self.columns.items()})

    def take(self, events: NDArray[np.int64]) -> Jagged:
        """Return the events named by ``events`` (int array), in that order."""
        counts = self.counts[events]
        offsets = offsets_of(counts)
        rows = np.repeat(self.offsets[:-1][events] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Jagged(offsets, {name: column[rows] for name, column in self.columns.items()})

    @staticmethod
    def concatenate(parts: Sequence[Jagged]) -> Jagged:
        """Return the events of all parts, one after the other; the first part names the columns."""
        if not parts:
            raise InputError("nothing to concatenate: give at least one Jagged")
        counts = np.concatenate([part.counts for part in parts])
        names = parts[0].columns
        return Jagged(
            offsets_of(counts), {name: np.concatenate([part.columns[name] for part in parts]) for name in names}
        )


def offsets_of(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the offsets int64 [n + 1] of ``counts`` [n]."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def typed(columns: Mapping[str, NDArray[np.generic]], schema: Mapping[str, str]) -> dict[str, NDArray[np.generic]]:
    """Return ``columns`` in the order and the types of ``schema``; a column too many or too few is refused."""
    if set(columns) != set(schema):
        missing, extra = sorted(set(schema) - set(columns)), sorted(set(columns) - set(schema))
        raise InputError(f"columns do not match the schema: missing {missing}, not expected {extra}")
    return {name: np.ascontiguousarray(columns[name], dtype=kind) for name, kind in schema.items()}


@dataclass(frozen=True)
class RecoBatch:
    """A batch of simulated and reconstructed events.

    Attributes
    ----------
    event : dict of str to array [n_events]
        ``genWeight pthat n_pu n_true_pu pv_x pv_y pv_z n_pv n_pv_good process scatter``
        (`EVENT_COLUMNS`).
    gen : Jagged
        All stable particles of the hard scatter, neutrinos included (`GEN_COLUMNS`).
    genpart : Jagged
        Hard partons, heavy resonances, b and c hadrons (`GENPART_COLUMNS`). ``statusFlags`` uses NanoAOD's bits:
        7 isHardProcess, 8 fromHardProcess, 13 isLastCopy (for a hadron: no b, or c, hadron among its daughters, that
        is the last before the weak decay). ``genPartIdxMother`` counts within the event, -1 for none.
    partons : Jagged
        The partons at the end of the shower, before hadronisation (`PARTON_COLUMNS`).
    candidates : Jagged
        All particle-flow candidates, pileup's too (`CANDIDATE_COLUMNS`). ``fromPV`` is 0 for what CHS removes.
    sv : Jagged
        Secondary vertices (`SV_COLUMNS`).
    """

    event: dict[str, NDArray[np.generic]]
    gen: Jagged
    genpart: Jagged
    partons: Jagged
    candidates: Jagged
    sv: Jagged

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.gen)

    def take(self, events: NDArray[np.int64]) -> RecoBatch:
        """Return the events named by ``events`` (int array), in that order."""
        return RecoBatch(
            {name: column[events] for name, column in self.event.items()},
            *(getattr(self, name).take(events) for name in ("gen", "genpart", "partons", "candidates", "sv")),
        )
