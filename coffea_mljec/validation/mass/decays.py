"""Hadronic decays of W, Z, H and top in NanoAOD's ``GenPart``, and which jets hold them."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.jagged import flat_column, offsets_of
from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit

__all__ = ["ORIGINS", "Decays", "containing_jets", "find_decays", "jets_of_quarks"]

ORIGINS = ("W", "Z", "H", "top")
"""What decays, in the order of the histograms' axis."""

_QUARKS = {"W": 2, "Z": 2, "H": 2, "top": 3}
_NEEDED = ("pdgId", "genPartIdxMother", "pt", "eta", "phi", "mass")

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decays:
    """Hadronic decays, top quarks before the W bosons that stem from them.

    Attributes
    ----------
    offsets : int64 array [n_events + 1]
    origin : int64 array [n]
        Index in `ORIGINS`.
    pt, mass : float64 arrays [n]
        Of what decays, in GeV.
    eta, phi : float64 arrays [n, 3]
        Of the quarks (or gluons); the third is NaN for bosons.
    """

    offsets: Integers
    origin: Integers
    pt: Floats
    mass: Floats
    eta: Floats
    phi: Floats

    def __len__(self) -> int:
        return len(self.origin)


@njit(inline="always")
def _kind(pdg: int) -> int:
    """0 to 3 for W, Z, H and top, -1 for anything else."""
    number = abs(pdg)
    if number == 24:
        return 0
    if number == 23:
        return 1
    if number == 25:
        return 2
    return 3 if number == 6 else -1


@njit()
def _owners(pdg: Integers, mother: Integers, offsets: Integers) -> tuple[Integers, Integers]:
    """Return, for each decay product, the row of the boson that it comes from and of the top quark; -1 for none.

    Copies of a particle count as one: the row is that of the first.
    """
    boson = np.full(len(pdg), -1, np.int64)
    top = np.full(len(pdg), -1, np.int64)
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        for i in range(start, stop):
            number = abs(pdg[i])
            up = start + mother[i]
            if mother[i] < 0 or not (1 <= number <= 5 or number == 21):
                continue
            parent = _kind(pdg[up])
            # A gluon that a top quark or a boson radiates is none of its decay products.
            if parent < 0 or (number == 21 and parent != 2):
                continue
            row = up
            while True:
                kind = _kind(pdg[row])
                if kind == 3:
                    top[i] = row
                elif top[i] < 0:
                    boson[i] = row
                above = mother[row]
                if above < 0 or _kind(pdg[start + above]) < 0:
                    break
                row = start + above
    return boson, top


def find_decays(events: ak.Array) -> Decays | None:
    """Find all hadronic decays; None where the events have no ``GenPart`` with mothers.

    Counted are decays into exactly two quarks or gluons, or three of a top quark. The W boson of a top quark counts as
    one of its own too.
    """
    if "GenPart" not in ak.fields(events) or any(name not in ak.fields(events["GenPart"]) for name in _NEEDED):
        return None
    parts = events["GenPart"]
    offsets = offsets_of(parts, "GenPart")
    columns = {name: flat_column(parts[name], f"GenPart.{name}") for name in _NEEDED}
    pdg = columns["pdgId"].astype(np.int64)
    boson, top = _owners(pdg, columns["genPartIdxMother"].astype(np.int64), offsets)
    rows, quarks = [], []
    for owner in (top, boson):
        members = np.flatnonzero(owner >= 0)
        members = members[np.argsort(owner[members], kind="stable")]
        heavy, first, count = np.unique(owner[members], return_index=True, return_counts=True)
        whole = count == np.array([_QUARKS[ORIGINS[_kind(number)]] for number in pdg[heavy]], int)
        heavy, first, count = heavy[whole], first[whole], count[whole]
        found = np.full((len(heavy), 3), -1, np.int64)
        for number in range(3):
            there = count > number
            found[there, number] = members[first[there] + number]
        rows.append(heavy)
        quarks.append(found)
    heavy, chosen = np.concatenate(rows), np.concatenate(quarks)
    event = np.searchsorted(offsets, heavy, side="right") - 1
    order = np.argsort(event, kind="stable")
    heavy, chosen = heavy[order], chosen[order]
    counts = np.bincount(event, minlength=len(offsets) - 1)
    eta, phi = (np.where(chosen >= 0, columns[name].astype(np.float64)[chosen], np.nan) for name in ("eta", "phi"))
    return Decays(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array([_kind(number) for number in pdg[heavy]], np.int64),
        columns["pt"].astype(np.float64)[heavy], columns["mass"].astype(np.float64)[heavy], eta, phi,
    )  # fmt: skip


@njit()
def _contained(
    eta: Floats, phi: Floats, offsets: Integers, q_eta: Floats, q_phi: Floats, d_offsets: Integers, radius: float
) -> Integers:
    owner = np.full(len(eta), -1, np.int64)
    for event in range(len(offsets) - 1):
        for d in range(d_offsets[event], d_offsets[event + 1]):
            for j in range(offsets[event], offsets[event + 1]):
                inside = owner[j] < 0
                for q in range(3):
                    if not np.isnan(q_eta[d, q]):
                        inside = inside and delta_r2(eta[j], phi[j], q_eta[d, q], q_phi[d, q]) < radius * radius
                if inside:
                    owner[j] = d
    return owner


def containing_jets(decays: Decays, eta: Floats, phi: Floats, offsets: Integers, radius: float) -> Integers:
    """Return, for each jet, the decay whose quarks all lie within `radius` of it, -1 for none; a top goes first."""
    found: Integers = _contained(eta, phi, offsets, decays.eta, decays.phi, decays.offsets, radius)
    return found


@njit()
def _nearest(
    eta: Floats, phi: Floats, offsets: Integers, q_eta: Floats, q_phi: Floats, d_offsets: Integers, radius: float
) -> Integers:
    pairs = np.full((len(q_eta), 2), -1, np.int64)
    for event in range(len(d_offsets) - 1):
        for d in range(d_offsets[event], d_offsets[event + 1]):
            if not np.isnan(q_eta[d, 2]):
                continue
            for q in range(2):
                best = radius * radius
                for j in range(offsets[event], offsets[event + 1]):
                    distance = delta_r2(eta[j], phi[j], q_eta[d, q], q_phi[d, q])
                    if distance < best:
                        pairs[d, q], best = j, distance
            if pairs[d, 0] == pairs[d, 1] or pairs[d, 0] < 0 or pairs[d, 1] < 0:
                pairs[d, :] = -1
    return pairs


def jets_of_quarks(decays: Decays, eta: Floats, phi: Floats, offsets: Integers, radius: float) -> Integers:
    """Return the jets nearest to both quarks of each boson, within `radius`: [n, 2], -1 unless there are two."""
    found: Integers = _nearest(eta, phi, offsets, decays.eta, decays.phi, decays.offsets, radius)
    return found
