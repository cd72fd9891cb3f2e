"""Pythia's event record, sorted: final particles, the truth that NanoAOD keeps, partons at the end of the shower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.batch import GEN_COLUMNS, GENPART_COLUMNS, PARTON_COLUMNS, Jagged, offsets_of, typed
from training.simulate.decay import decay_strange

__all__ = ["HardEvents", "hard_events"]

_MM = 0.1  # cm
#: Roles of rows.
_FINAL, _GENPART, _LAST_PARTON = 1, 2, 3
#: Bits of NanoAOD's statusFlags.
_HARD_PROCESS, _FROM_HARD_PROCESS, _LAST_COPY = 1 << 7, 1 << 8, 1 << 13


@dataclass(frozen=True)
class HardEvents:
    """Generated hard scatters: truth for jets, and the particles that enter the detector.

    Attributes
    ----------
    weight, pthat : float arrays [n]
    gen, genpart, partons : Jagged
        As in `RecoBatch`.
    particles : Jagged
        ``decay.PARTICLE_COLUMNS``: what flies into the detector, vertices in cm relative to the interaction.
        ``group`` numbers, within the event, the heavy hadron or V0 whose decay the particle stems from; -1 for none.
    """

    weight: NDArray[np.float64]
    pthat: NDArray[np.float64]
    gen: Jagged
    genpart: Jagged
    partons: Jagged
    particles: Jagged


def _record(batch: Any) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Return offsets and flat columns of the full event records."""
    import awkward as ak

    particles = batch.prt
    counts = ak.to_numpy(ak.num(particles.id, axis=1))
    flat = ak.flatten(particles, axis=1)
    columns = {name: ak.to_numpy(flat[name]) for name in ("id", "status", "mother1", "daughter1", "daughter2", "m")}
    for axis in ("px", "py", "pz", "e"):
        columns[axis] = ak.to_numpy(flat.p[axis])
    for axis in ("px", "py", "pz"):
        # No production vertex is stored where it is the origin.
        columns["v" + axis[1]] = ak.to_numpy(ak.fill_none(flat.vProd[axis], 0.0)) * _MM
    return offsets_of(counts), columns


@njit()
def _has_flavour(pdg: int, flavour: int) -> bool:
    """Whether a hadron contains the heavy quark ``flavour``."""
    a = abs(pdg)
    if a < 100 or a > 1_000_000_000:
        return False
    return (a // 100) % 10 == flavour or (a // 1000) % 10 == flavour


@njit()
def _heavy(pdg: int) -> int:
    """5 for b hadrons, 4 for c hadrons, else 0."""
    if _has_flavour(pdg, 5):
        return 5
    return 4 if _has_flavour(pdg, 4) else 0


@njit(inline="always")
def _any_has(flavour: int, daughters: NDArray[np.int32]) -> bool:
    """Whether a daughter is a hadron with this heavy quark."""
    found = False
    for pdg in daughters:
        found = found or _has_flavour(pdg, flavour)
    return found


@njit(inline="always")
def _any_parton(daughters: NDArray[np.int32]) -> bool:
    """Whether a daughter is a quark or a gluon."""
    found = False
    for pdg in daughters:
        found = found or abs(pdg) <= 6 or abs(pdg) == 21
    return found


@njit(inline="always")
def _role(pdg: int, status: int, daughters: NDArray[np.int32]) -> tuple[int, int]:
    """Return role and flags (see `_classify`) of a particle that is not final, from its own number and theirs."""
    a = abs(pdg)
    flavour = _heavy(pdg)
    if 21 <= abs(status) <= 29:
        return _GENPART, _HARD_PROCESS | _FROM_HARD_PROCESS
    if flavour != 0:
        return _GENPART, 0 if _any_has(flavour, daughters) else _LAST_COPY
    if a == 6 or 23 <= a <= 25:
        if not (daughters == pdg).any():
            return _GENPART, _FROM_HARD_PROCESS | _LAST_COPY
    elif (a <= 5 or a == 21) and len(daughters) > 0 and not _any_parton(daughters):
        return _LAST_PARTON, 0
    return 0, 0


@njit(inline="always")
def _heavy_ancestor(
    start: int, i: int, pdg: NDArray[np.int32], status: NDArray[np.int32], mother: NDArray[np.int32]
) -> int:
    """Return the topmost b hadron, else the topmost c hadron, that row ``i`` descends from: its row in the event."""
    best, group = 0, -1
    row = i
    while True:
        up = mother[row]
        # Only decays are followed: particles of hadronisation have many mothers.
        if up <= 0 or abs(status[row]) < 91 or abs(status[row]) > 99:
            return group
        row = start + up
        flavour = _heavy(pdg[row])
        if flavour != 0 and flavour >= best:
            best = flavour
            group = row - start


@njit()
def _link_mothers(
    start: int, stop: int, role: NDArray[np.int8], mother: NDArray[np.int32], kept_mother: NDArray[np.int32]
) -> None:
    """Fill the nearest ancestor that is kept as genpart too, by its number among those of the event."""
    rank = 0
    place = np.full(stop - start, -1, np.int32)
    for i in range(start, stop):
        if role[i] != _GENPART:
            continue
        place[i - start] = rank
        rank += 1
        row = mother[i]
        for _ in range(200):
            if row <= 0 or place[row] >= 0:
                break
            row = mother[start + row]
        if row > 0:
            kept_mother[i] = place[row]


@njit()
def _classify(
    offsets: NDArray[np.int64],
    pdg: NDArray[np.int32],
    status: NDArray[np.int32],
    mother: NDArray[np.int32],
    daughter1: NDArray[np.int32],
    daughter2: NDArray[np.int32],
) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Sort the record: role (1 final, 2 genpart, 3 last parton), NanoAOD flags, kept mother, heavy group.

    ``group`` is the row of the topmost b hadron, else of the topmost c hadron, that a final particle descends from.
    """
    n = len(pdg)
    role = np.zeros(n, np.int8)
    flags = np.zeros(n, np.int32)
    kept_mother = np.full(n, -1, np.int32)
    group = np.full(n, -1, np.int32)
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        for i in range(start, stop):
            if status[i] > 0:
                role[i] = _FINAL
                group[i] = _heavy_ancestor(start, i, pdg, status, mother)
                continue
            first, last = start + daughter1[i], start + max(daughter1[i], daughter2[i])
            daughters = pdg[first : last + 1] if daughter1[i] > 0 else pdg[:0]
            role[i], flags[i] = _role(pdg[i], status[i], daughters)
        _link_mothers(start, stop, role, mother, kept_mother)
    return role, flags, kept_mother, group


def _kinematics(columns: dict[str, NDArray[Any]], rows: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    px, py, pz = (columns[axis][rows] for axis in ("px", "py", "pz"))
    # Incoming partons have no transverse momentum: a floor keeps their pseudorapidity finite.
    pt = np.maximum(np.hypot(px, py), 1e-6)
    return {
        "pt": pt,
        "eta": np.arcsinh(pz / pt),
        "phi": np.arctan2(py, px),
        "mass": columns["m"][rows],
        "pdgId": columns["id"][rows],
    }


def hard_events(batch: Any, rng: np.random.Generator) -> HardEvents:
    """Turn one awkward batch of Pythia into tables."""
    import awkward as ak

    offsets, columns = _record(batch)
    role, flags, kept_mother, group = _classify(
        offsets, columns["id"], columns["status"], columns["mother1"], columns["daughter1"], columns["daughter2"]
    )
    tables = []
    for wanted in (_FINAL, _GENPART, _LAST_PARTON):
        rows = role == wanted
        tables.append((rows, np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])[offsets]))
    (final, gen_offsets), (kept, genpart_offsets), (last, parton_offsets) = tables
    gen = Jagged(gen_offsets, typed(_kinematics(columns, final), GEN_COLUMNS))
    genpart_columns = _kinematics(columns, kept) | {
        "status": np.where(np.abs(columns["status"][kept]) < 30, np.abs(columns["status"][kept]), 2),
        "statusFlags": flags[kept],
        "genPartIdxMother": kept_mother[kept],
    }
    partons = _kinematics(columns, last)
    del partons["mass"]
    vertices = np.column_stack([columns["vx"][final], columns["vy"][final], columns["vz"][final]])
    return HardEvents(
        ak.to_numpy(batch.info.weights[:, 0]).astype(np.float64),
        np.sqrt(ak.to_numpy(batch.info.pT2Hat)),
        gen,
        Jagged(genpart_offsets, typed(genpart_columns, GENPART_COLUMNS)),
        Jagged(parton_offsets, typed(partons, PARTON_COLUMNS)),
        decay_strange(rng, gen, vertices, group[final]),
    )
