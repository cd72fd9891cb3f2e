"""What a jet is balanced against: a Z boson from two leptons, or a photon; reconstructed, and the generator's.

Identification uses what the file has (`IDENTIFICATION`): the tight muon, medium electron and medium photon of NanoAOD
where it says so, and the isolation. Files without these fields, as our simulation's, are cut on the isolation alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano.jagged import flat_column, offsets_of
from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit

__all__ = ["IDENTIFICATION", "REFERENCES", "Z_MASS", "Reference", "find_reference"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

Z_MASS = 91.1876
"""GeV (PDG)."""

IDENTIFICATION: dict[str, dict[str, float]] = {
    "Muon": {"tightId": 1},
    "Electron": {"cutBased": 3},
    "Photon": {"cutBased": 2, "electronVeto": 1},
}
"""Collection -> field -> lowest value, for those fields that the file has."""

_ISOLATION = {
    "Muon": ("pfRelIso04_all", "pfRelIso03_all"),
    "Electron": ("pfRelIso03_all",),
    "Photon": ("pfRelIso03_all", "pfRelIso03_all_quadratic"),
}
_MAX_ISOLATION = 0.15
_MAX_ETA = {"Muon": 2.4, "Electron": 2.4, "Photon": 1.3}
_LEPTON_MASS = {"Muon": 0.10566, "Electron": 0.000511}
_LEPTON_CODE = {"Muon": 13, "Electron": 11}
_MASS_WINDOW = 20.0
_MATCH = 0.1

REFERENCES: dict[str, tuple[str, ...]] = {
    "zmumu": ("Muon",),
    "zee": ("Electron",),
    "zll": ("Muon", "Electron"),
    "photon": ("Photon",),
}
"""Name of a reference -> collections that it is made from."""


@dataclass(frozen=True)
class Reference:
    """The Z boson or photon of those events that have one.

    Attributes
    ----------
    event : ndarray of int64, shape (n,)
        Rows of the chunk, ascending.
    pt, phi : ndarray of float64, shape (n,)
        GeV, radians.
    eta_parts, phi_parts : ndarray of float64, shape (n, k)
        Directions of the leptons (k = 2) or the photon (k = 1).
    pt_gen : ndarray of float64, shape (n,), or None
        Of the generator's boson or photon, 0 where none was found; None on data.
    """

    event: _Ints
    pt: _Floats
    phi: _Floats
    eta_parts: _Floats
    phi_parts: _Floats
    pt_gen: _Floats | None


def find_reference(events: ak.Array, kind: str, lepton_pt: float, photon_pt: float) -> Reference:
    """Find one reference an event.

    Parameters
    ----------
    events : NanoEvents
    kind : {"zmumu", "zee", "zll", "photon"}
        Z: the two hardest leptons of a flavour, of opposite charge, within 20 GeV of the Z mass; of two flavours the
        pair nearer to it. Photon: the hardest one.
    lepton_pt, photon_pt : float
        Lowest pT (GeV) of what is selected.

    Raises
    ------
    InputError
        If `kind` is unknown.
    MissingBranchError
        If the events lack the collections, or fields of them.
    """
    if kind not in REFERENCES:
        raise InputError(f"unknown reference {kind!r}; choose one of {', '.join(REFERENCES)}.")
    missing = [name for name in REFERENCES[kind] if name not in ak.fields(events)]
    if missing:
        raise MissingBranchError(
            f"the reference {kind!r} needs {', '.join(missing)}, which the events do not have; they have "
            f"{[name for name in ak.fields(events) if name in _MAX_ETA] or 'no leptons and no photons'}."
        )
    if kind == "photon":
        return _photon(events, photon_pt)
    return _boson(events, REFERENCES[kind], lepton_pt)


@dataclass(frozen=True)
class _Objects:
    """The selected objects of a collection, flat, with offsets."""

    offsets: _Ints
    columns: dict[str, npt.NDArray[Any]]


def _selected(events: ak.Array, name: str, pt_min: float, wanted: tuple[str, ...]) -> _Objects:
    table = events[name]
    fields = ak.fields(table)
    missing = [field for field in wanted if field not in fields]
    if missing:
        raise MissingBranchError(f"the balance needs {', '.join(f'{name}_{field}' for field in missing)}.")
    columns = {field: flat_column(table[field], f"{name}.{field}") for field in wanted}
    kept = (columns["pt"] > pt_min) & (np.abs(columns["eta"]) < _MAX_ETA[name])
    for field, lowest in IDENTIFICATION[name].items():
        if field in fields:
            # An identification may be a truth value; awkward makes a number of it.
            kept &= flat_column(ak.values_astype(table[field], np.int32), f"{name}.{field}") >= lowest
    isolation = [field for field in _ISOLATION[name] if field in fields]
    if isolation:
        kept &= flat_column(table[isolation[0]], f"{name}.{isolation[0]}") < _MAX_ISOLATION
    offsets = offsets_of(table, name)
    kept_before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    return _Objects(kept_before[offsets], {field: column[kept] for field, column in columns.items()})


@njit()
def _hardest(pt: npt.NDArray[Any], offsets: _Ints) -> _Ints:
    """Rows of the two hardest objects of every event, -1 where there are fewer: shape (2, n_events)."""
    rows = np.full((2, len(offsets) - 1), -1, np.int64)
    for event in range(len(offsets) - 1):
        for i in range(offsets[event], offsets[event + 1]):
            if rows[0, event] < 0 or pt[i] > pt[rows[0, event]]:
                rows[1, event] = rows[0, event]
                rows[0, event] = i
            elif rows[1, event] < 0 or pt[i] > pt[rows[1, event]]:
                rows[1, event] = i
    return rows


def _momentum(objects: _Objects, rows: _Ints, mass: float) -> _Floats:
    """px, py, pz, energy of these rows, shape (4, n)."""
    pt, eta, phi = (objects.columns[name][rows].astype(np.float64) for name in ("pt", "eta", "phi"))
    pz = pt * np.sinh(eta)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pz, np.sqrt(pt**2 + pz**2 + mass**2)])


def _photon(events: ak.Array, pt_min: float) -> Reference:
    photons = _selected(events, "Photon", pt_min, ("pt", "eta", "phi"))
    first = _hardest(photons.columns["pt"], photons.offsets)[0]
    event = np.flatnonzero(first >= 0)
    pt, eta, phi = (photons.columns[name][first[event]].astype(np.float64) for name in ("pt", "eta", "phi"))
    pt_gen = None
    found = _generator(events, "GenIsolatedPhoton", (22,))
    if found is not None:
        row = _nearest(eta, phi, np.full(len(event), 22), event, found)
        pt_gen = np.where(row >= 0, np.append(found.columns["pt"], 0.0)[row], 0.0)
    return Reference(event, pt, phi, eta[:, None], phi[:, None], pt_gen)


def _boson(events: ak.Array, tables: tuple[str, ...], pt_min: float) -> Reference:
    n = len(events)
    best = np.full(n, _MASS_WINDOW)
    momentum, eta, phi, code = np.zeros((2, n)), np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, 2), np.int64)
    for table in tables:
        leptons = _selected(events, table, pt_min, ("pt", "eta", "phi", "charge"))
        rows = _hardest(leptons.columns["pt"], leptons.offsets)
        event = np.flatnonzero(rows[1] >= 0)
        pair = rows[:, event]
        one, two = (_momentum(leptons, row, _LEPTON_MASS[table]) for row in pair)
        total = one + two
        mass = np.sqrt(np.maximum(0.0, total[3] ** 2 - (total[:3] ** 2).sum(axis=0)))
        charge = leptons.columns["charge"].astype(np.int64)
        away = np.abs(mass - Z_MASS)
        good = (charge[pair[0]] + charge[pair[1]] == 0) & (away < best[event])
        event, pair = event[good], pair[:, good]
        best[event] = away[good]
        momentum[:, event] = total[:2, good]
        eta[event], phi[event] = leptons.columns["eta"][pair.T], leptons.columns["phi"][pair.T]
        code[event] = -_LEPTON_CODE[table] * charge[pair.T]
    event = np.flatnonzero(best < _MASS_WINDOW)
    px, py = momentum[:, event]
    eta, phi, code = eta[event], phi[event], code[event]
    return Reference(
        event, np.hypot(px, py), np.arctan2(py, px), eta, phi, _generator_boson(events, event, eta, phi, code)
    )


def _generator_boson(events: ak.Array, event: _Ints, eta: _Floats, phi: _Floats, code: _Ints) -> _Floats | None:
    """PT of the sum of the two leptons' generator leptons, 0 where one has none."""
    found = _generator(events, "GenDressedLepton", (11, 13))
    if found is None:
        return None
    rows = np.stack([_nearest(eta[:, k], phi[:, k], code[:, k], event, found) for k in (0, 1)])
    pt, angle = (np.append(found.columns[name].astype(np.float64), 0.0)[rows] for name in ("pt", "phi"))
    total = np.hypot((pt * np.cos(angle)).sum(axis=0), (pt * np.sin(angle)).sum(axis=0))
    return np.where((rows >= 0).all(axis=0), total, 0.0)


def _generator(events: ak.Array, table: str, codes: tuple[int, ...]) -> _Objects | None:
    """Return the generator's leptons or photons: NanoAOD's own table, else stable GenPart; None on data."""
    fields = ak.fields(events)
    source = table if table in fields else "GenPart" if "GenPart" in fields else None
    if source is None:
        return None
    rows = events[source]
    offsets = offsets_of(rows, source)
    columns = {name: flat_column(rows[name], f"{source}.{name}") for name in ("pt", "eta", "phi")}
    has_code = "pdgId" in ak.fields(rows)
    code = flat_column(rows["pdgId"], f"{source}.pdgId") if has_code else np.full(len(columns["pt"]), codes[0])
    columns["pdgId"] = code.astype(np.int64)
    if source == table:
        return _Objects(offsets, columns)
    kept = np.isin(np.abs(code), codes) & (flat_column(rows["status"], "GenPart.status") == 1)
    before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int64)
    return _Objects(before[offsets], {name: column[kept] for name, column in columns.items()})


def _nearest(eta: _Floats, phi: _Floats, code: _Ints, event: _Ints, found: _Objects) -> _Ints:
    """Row of the nearest object of the same code within 0.1, -1 for none."""
    columns = found.columns
    return _nearest_rows(
        eta, phi, code, event, columns["eta"], columns["phi"], columns["pdgId"], found.offsets, _MATCH**2
    )


@njit()
def _nearest_rows(
    eta: _Floats, phi: _Floats, code: _Ints, event: _Ints,
    eta_2: npt.NDArray[Any], phi_2: npt.NDArray[Any], code_2: _Ints, offsets: _Ints, max_dr2: float,
) -> _Ints:  # fmt: skip
    rows = np.full(len(eta), -1, np.int64)
    for i in range(len(eta)):
        nearest = max_dr2
        for k in range(offsets[event[i]], offsets[event[i] + 1]):
            distance = delta_r2(eta[i], phi[i], float(eta_2[k]), float(phi_2[k]))
            if code_2[k] == code[i] and distance < nearest:
                nearest = distance
                rows[i] = k
    return rows
