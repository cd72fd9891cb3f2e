"""Leptons, photons and missing momentum: what a jet is balanced against, with NanoAOD's names.

Muons, electrons and photons are particle-flow candidates; what CMS has beside that is missing: conversions and
bremsstrahlung, identification, and the efficiency that it costs. The isolation is CMS's for muons: charged candidates
of the primary vertex, and neutral ones less half of pileup's charged ones, within 0.3 (CMS, arXiv:1804.04528).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit
from training.simulate.batch import Jagged, RecoBatch

__all__ = ["missing_momentum", "prompt_tables"]

_CONE = 0.3
_DRESSING = 0.1
_NEUTRINOS = (12, 14, 16)
#: Table -> |pdgId|, lowest pT in GeV, highest |eta|.
_RECONSTRUCTED = {"Electron": (11, 5.0, 2.5), "Muon": (13, 3.0, 2.4), "Photon": (22, 15.0, 2.5)}


def missing_momentum(batch: RecoBatch, weight: NDArray[np.floating] | None = None) -> dict[str, NDArray[np.generic]]:
    """Return missing momentum of all candidates, weighted where ``weight`` [n] is given, and of the neutrinos.

    ``RawMET_{pt,phi,sumEt}``, ``GenMET_{pt,phi}``, and ``MET_{pt,phi}``, which is the raw one: `coffea_mljec.met` makes
    the type-1 MET of any correction from it.
    """
    x, y, total = _sums(batch.candidates, np.ones(len(batch.candidates["pt"])) if weight is None else weight)
    invisible = np.isin(np.abs(batch.gen["pdgId"]), _NEUTRINOS).astype(np.float64)
    gen_x, gen_y, _ = _sums(batch.gen, invisible)
    pt, phi = np.hypot(x, y), np.arctan2(-y, -x)
    return {
        "RawMET_pt": pt, "RawMET_phi": phi, "RawMET_sumEt": total, "MET_pt": pt, "MET_phi": phi,
        "GenMET_pt": np.hypot(gen_x, gen_y), "GenMET_phi": np.arctan2(gen_y, gen_x),
    }  # fmt: skip


def prompt_tables(batch: RecoBatch) -> dict[str, Jagged]:
    """Return ``Electron Muon Photon`` and, of the generator, ``GenDressedLepton GenIsolatedPhoton``, by falling pT."""
    tables = {name: _reconstructed(batch.candidates, *cuts) for name, cuts in _RECONSTRUCTED.items()}
    gen = batch.gen
    number, away = np.abs(gen["pdgId"]), np.abs(gen["eta"])
    lepton = np.flatnonzero(np.isin(number, (11, 13)) & (gen["pt"] > 5.0) & (away < 3.0))
    px, py, pz, energy = _dressed(gen, lepton)
    pt = np.hypot(px, py)
    tables["GenDressedLepton"] = _sorted(gen, lepton, {
        "pt": pt, "eta": np.arcsinh(pz / pt), "phi": np.arctan2(py, px),
        "mass": np.sqrt(np.maximum(0.0, energy**2 - pt**2 - pz**2)), "pdgId": gen["pdgId"][lepton],
    })  # fmt: skip
    photon = np.flatnonzero((number == 22) & (gen["pt"] > 10.0) & (away < 3.0))
    around = _cone_sums(gen, photon, np.isin(number, _NEUTRINOS, invert=True).astype(np.float64))
    photon = photon[around < 0.1 * gen["pt"][photon]]
    tables["GenIsolatedPhoton"] = _sorted(
        gen, photon, {name: gen[name][photon] for name in ("pt", "eta", "phi", "mass")}
    )
    return tables


def _sums(rows: Jagged, weight: NDArray[np.floating]) -> tuple[NDArray[np.float64], ...]:
    """Return the weighted sums over each event's rows of px, py and pT."""
    pt, phi = (np.asarray(rows[name], np.float64) for name in ("pt", "phi"))
    pt = pt * weight
    parts = (pt * np.cos(phi), pt * np.sin(phi), pt)
    return tuple(np.bincount(rows.event, part, minlength=len(rows)).astype(np.float64) for part in parts)


def _reconstructed(candidates: Jagged, number: int, pt_min: float, eta_max: float) -> Jagged:
    pt, eta = candidates["pt"], candidates["eta"]
    charged, vertex = candidates["charge"] != 0, candidates["fromPV"] != 0
    wanted = (np.abs(candidates["pdgId"]) == number) & (pt > pt_min) & (np.abs(eta) < eta_max)
    chosen = np.flatnonzero(wanted & (vertex | ~charged))
    own = _cone_sums(candidates, chosen, (charged & vertex).astype(np.float64))
    neutral = _cone_sums(candidates, chosen, (~charged).astype(np.float64) - 0.5 * (charged & ~vertex))
    columns = {name: candidates[name][chosen] for name in ("pt", "eta", "phi")}
    columns["pfRelIso03_all"] = (own + np.maximum(neutral, 0.0)) / pt[chosen]
    if number != 22:
        columns |= {name: candidates[name][chosen] for name in ("mass", "charge", "pdgId")}
    return _sorted(candidates, chosen, columns)


def _sorted(rows: Jagged, chosen: NDArray[np.int64], columns: dict[str, NDArray[Any]]) -> Jagged:
    event = rows.event[chosen]
    order = np.lexsort((-columns["pt"], event))
    offsets = np.searchsorted(event, np.arange(len(rows) + 1)).astype(np.int64)
    return Jagged(offsets, {name: column[order] for name, column in columns.items()})


def _cone_sums(rows: Jagged, chosen: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each chosen row the weighted pT sum of the others of its event within the isolation cone."""
    return _within(
        rows["eta"], rows["phi"], rows["pt"] * weight, rows.offsets, chosen, rows.event[chosen], _CONE * _CONE
    )


@njit()
def _within(
    eta: NDArray[np.floating], phi: NDArray[np.floating], pt: NDArray[np.float64], offsets: NDArray[np.int64],
    chosen: NDArray[np.int64], event: NDArray[np.int64], cone2: float,
) -> NDArray[np.float64]:  # fmt: skip
    total = np.zeros(len(chosen))
    for k in range(len(chosen)):
        i = chosen[k]
        for j in range(offsets[event[k]], offsets[event[k] + 1]):
            if j != i and pt[j] != 0.0 and delta_r2(eta[i], phi[i], eta[j], phi[j]) < cone2:
                total[k] += pt[j]
    return total


def _dressed(gen: Jagged, chosen: NDArray[np.int64]) -> tuple[NDArray[np.float64], ...]:
    """Return px, py, pz and energy of leptons with the photons within 0.1 of them; a photon may dress two."""
    pt, eta, phi = (np.asarray(gen[name], np.float64) for name in ("pt", "eta", "phi"))
    photon = np.abs(gen["pdgId"]) == 22
    event = gen.event[chosen]
    momenta = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), np.hypot(pt * np.cosh(eta), gen["mass"]))
    return tuple(
        part[chosen] + _within(eta, phi, np.where(photon, part, 0.0), gen.offsets, chosen, event, _DRESSING * _DRESSING)
        for part in momenta
    )
