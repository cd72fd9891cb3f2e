"""Particle flow: cells linked to tracks, candidates out.

The rules are those of CMS (JINST 12 (2017) P10003) at the level of towers: ECAL clusters without a track are photons,
towers without a track neutral hadrons; with tracks the calibrated energy is compared with their sum. Lacking: showers
spreading over towers, conversions, bremsstrahlung, tracks dropped as fakes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.candidates import PION_MASS, Candidates, neutral
from training.simulate.cells import (
    N_PHI,
    Cells,
    cell_of,
    clear,
    empty_cells,
    forward_position,
    forward_tower,
    from_cell,
    from_tower,
    tower_of,
)
from training.simulate.decay import ELECTRON, MUON
from training.simulate.detector import Detector
from training.simulate.towers import link

__all__ = ["reconstruct_candidates"]


@njit()
def _electron_pt(pt: float, eta: float, sigma: float, em: float, energy: float, detector: Detector) -> float:
    """Combine a track (relative error ``sigma``) and the ECAL's ``em`` by inverse variance."""
    track_e = pt * math.cosh(eta)
    v_track = (track_e * (sigma + 0.02)) ** 2
    v_ecal = detector.ecal_stochastic**2 * energy + (detector.ecal_constant * energy) ** 2 + 0.01
    combined = (track_e / v_track + em / v_ecal) / (1.0 / v_track + 1.0 / v_ecal)
    return pt * (combined / track_e)


@njit()
def _forward_candidates(forward: NDArray[np.float64], z: float, detector: Detector, out: Candidates, at: int) -> int:
    """Write the candidates of the forward calorimeter; a part of the hadronic energy hides electromagnetic one."""
    values, pdg = out.values, out.pdg
    for tower in range(len(forward)):
        hidden = min(detector.hf_mixing * forward[tower, 1], forward[tower, 0])
        for part in range(2):
            energy = forward[tower, part] + (hidden if part == 1 else -hidden)
            if energy < (detector.hf_em_threshold if part == 0 else detector.hf_had_threshold):
                continue
            eta, phi = forward_position(tower, detector)
            values[at], pdg[at] = neutral(energy, eta, phi, float(part), z, detector), 2 - part
            at += 1
    return at


@njit()
def _add(
    cells: Cells,
    inside: NDArray[np.int64],
    tracks: NDArray[np.float64],
    surface_eta: NDArray[np.float64],
    surface_phi: NDArray[np.float64],
    em: NDArray[np.float64],
    had: NDArray[np.float64],
    detector: Detector,
) -> int:
    """Add the particles ``inside`` the HCAL to its towers and cells; return how many towers they reach."""
    ecal, tracked, listed, next_cell = cells.ecal, cells.tracked, cells.listed, cells.next_cell
    hcal, seen, towers = cells.hcal, cells.seen, cells.towers
    first_cell, first_track, next_track = cells.first_cell, cells.first_track, cells.next_track
    n_towers = 0
    for i in inside:
        eta, phi = surface_eta[i], surface_phi[i]
        cell = cell_of(eta, phi, detector)
        tower = tower_of(cell // (9 * N_PHI), cell % (3 * N_PHI) // 3)
        if not seen[tower]:
            seen[tower] = True
            towers[n_towers] = tower
            n_towers += 1
        if not listed[cell]:
            listed[cell] = True
            next_cell[cell] = first_cell[tower]
            first_cell[tower] = cell
        if tracks[i, 0] > 0.0:
            tracked[cell] = True
            next_track[i] = first_track[tower]
            first_track[tower] = i
        # Positions are averaged as distances from the corner of the cell or tower, which phi = pi does not cut.
        if em[i] > 0.0:
            d_eta, d_phi = from_cell(eta, phi, cell, detector)
            ecal[cell, 0] += em[i]
            ecal[cell, 1] += em[i] * d_eta
            ecal[cell, 2] += em[i] * d_phi
        if had[i] > 0.0:
            d_eta, d_phi = from_tower(eta, phi, tower, detector)
            hcal[tower, 0] += had[i]
            hcal[tower, 1] += had[i] * d_eta
            hcal[tower, 2] += had[i] * d_phi
    return n_towers


@njit()
def reconstruct_candidates(
    rng: np.random.Generator,
    offsets: NDArray[np.int64],
    kind: NDArray[np.int8],
    charge: NDArray[np.int8],
    energy: NDArray[np.float64],
    tracks: NDArray[np.float64],
    surface_eta: NDArray[np.float64],
    surface_phi: NDArray[np.float64],
    reached: NDArray[np.bool_],
    em: NDArray[np.float64],
    had: NDArray[np.float64],
    pv_z: NDArray[np.float64],
    detector: Detector,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]]:
    """Return the particle-flow candidates.

    Parameters
    ----------
    rng : numpy Generator
        For positions and lepton identification.
    offsets : int64 array [n_events + 1]
    kind, charge, energy : arrays [n]
        Particles; energy in GeV is used for electrons only.
    tracks : float64 array [n, 9]
        From `reconstruct_tracks`.
    surface_eta, surface_phi, reached : arrays [n]
        From `propagate`.
    em, had : float64 arrays [n]
        From `deposit`.
    pv_z : float64 array [n_events]
        Primary vertex, which neutral candidates are taken to come from.
    detector : Detector

    Returns
    -------
    offsets : int64 array [n_events + 1]
    values : float64 array [m, 5]
        pt, eta, phi, mass, hcalFraction.
    pdg : int32 array [m]
        11, 13, 211 (signed), 22, 130; beyond the HCAL 1 (hadronic) and 2 (electromagnetic).
    source : int64 array [m]
        The particle whose track it is, -1 for neutral candidates.
    """
    n = len(kind)
    most = 3 * n + 16
    out = Candidates(np.empty((most, 5)), np.empty(most, np.int32), np.full(most, -1, np.int64))
    out_offsets = np.zeros(len(offsets), np.int64)
    values, pdg, source = out.values, out.pdg, out.source
    cells = empty_cells(n)
    forward = cells.forward
    inside = np.empty(n, np.int64)
    at = 0
    for event in range(len(offsets) - 1):
        n_inside = 0
        for i in range(offsets[event], offsets[event + 1]):
            pt, has_track = tracks[i, 0], tracks[i, 0] > 0.0
            eta = abs(surface_eta[i])
            if has_track and kind[i] == MUON and rng.random() < detector.muon_efficiency:
                values[at] = (pt, tracks[i, 1], tracks[i, 2], 0.10566, 0.0)
                pdg[at], source[at] = -13 * charge[i], i
                at += 1
            elif has_track and kind[i] == ELECTRON and pt > 2.0 and rng.random() < detector.electron_efficiency:
                if em[i] > 0.0:
                    pt = _electron_pt(pt, tracks[i, 1], tracks[i, 3], em[i], energy[i], detector)
                values[at] = (pt, tracks[i, 1], tracks[i, 2], 0.000511, 0.0)
                pdg[at], source[at] = -11 * charge[i], i
                at += 1
            elif reached[i] and eta < detector.hf_eta:
                if has_track or em[i] + had[i] > 0.0:
                    inside[n_inside] = i
                    n_inside += 1
            elif has_track:
                values[at] = (pt, tracks[i, 1], tracks[i, 2], PION_MASS, 0.0)
                pdg[at], source[at] = 211 * charge[i], i
                at += 1
            elif reached[i] and eta < detector.edge_eta:
                tower = forward_tower(surface_eta[i], surface_phi[i], detector)
                forward[tower, 0] += em[i]
                forward[tower, 1] += had[i]
        n_towers = _add(cells, inside[:n_inside], tracks, surface_eta, surface_phi, em, had, detector)
        at = link(rng, n_towers, cells, tracks, charge, pv_z[event], detector, out, at)
        at = _forward_candidates(forward, pv_z[event], detector, out, at)
        clear(cells, n_towers)
        out_offsets[event + 1] = at
    return out_offsets, values[:at].copy(), pdg[:at].copy(), source[:at].copy()
