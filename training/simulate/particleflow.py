"""Particle flow: deposits into cells, cells linked to tracks, candidates out.

Cells: HCAL towers of 0.087 x 5 degrees (10 degrees beyond |eta| 1.65), nine ECAL clusters of 0.029 x 1.7 degrees in
each (about what CMS separates), forward towers of 0.17 x 10 degrees. The rules are those of CMS (JINST 12 (2017)
P10003) at the level of towers: ECAL clusters without a track are photons, towers without a track neutral hadrons;
with tracks the calibrated energy is compared with their sum. Lacking: showers spreading over towers, conversions,
bremsstrahlung, tracks dropped as fakes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_phi
from coffea_mljec.numerics.jit import njit
from training.simulate.calorimeter import hadron_response, hadron_sigma
from training.simulate.detector import Detector
from training.simulate.tracker import PHI as _T_PHI

__all__ = ["calibrate", "from_vertex", "reconstruct_candidates"]

N_ETA, N_PHI = 68, 72
_HF_ETA, _HF_PHI = 13, 36
_PION = 0.13957
_TWO_PI = 2.0 * math.pi


@njit()
def calibrate(visible: float, detector: Detector) -> float:
    """Return the hadron energy that on average leaves ``visible`` GeV: the inverse of `hadron_response`.

    ``calibration_completeness`` below 1 leaves a part of the non-linearity in, as a calibration derived at one energy
    would.
    """
    if visible <= 0.0:
        return 0.0
    reference = hadron_response(detector.calibration_reference, detector)
    energy = visible / reference
    for _ in range(4):
        response = hadron_response(energy, detector)
        energy = visible / (
            response**detector.calibration_completeness * reference ** (1.0 - detector.calibration_completeness)
        )
    return energy


@njit()
def from_vertex(surface_eta: float, z: float, detector: Detector) -> float:
    """Return the pseudorapidity seen from a vertex at ``z`` (cm) of a point on the calorimeters' surface."""
    slope = math.sinh(surface_eta)
    if abs(slope) * detector.radius < detector.half_length:
        return math.asinh(slope - z / detector.radius)
    return math.asinh((math.copysign(detector.half_length, slope) - z) * abs(slope) / detector.half_length)


@njit()
def _tower(i_eta: int, i_phi: int) -> int:
    """Tower number; towers beyond |eta| 1.65 (19 of 34 rings) are twice as wide in phi."""
    if i_eta < 15 or i_eta >= N_ETA - 15:
        i_phi -= i_phi % 2
    return i_eta * N_PHI + i_phi


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
    room = 3 * n + 16
    values = np.empty((room, 5))
    pdg = np.empty(room, np.int32)
    source = np.full(room, -1, np.int64)
    out_offsets = np.zeros(len(offsets), np.int64)
    n_towers, n_cells = N_ETA * N_PHI, 9 * N_ETA * N_PHI
    width = 2.0 * detector.hf_eta / N_ETA
    hf_width = (detector.edge_eta - detector.hf_eta) / _HF_ETA
    hcal = np.zeros(n_towers)
    hcal_at = np.zeros((n_towers, 2))
    ecal = np.zeros(n_cells)
    ecal_at = np.zeros((n_cells, 2))
    tracked = np.zeros(n_cells, np.bool_)
    cell_seen = np.zeros(n_cells, np.bool_)
    tower_seen = np.zeros(n_towers, np.bool_)
    first_cell = np.full(n_towers, -1, np.int64)
    next_cell = np.full(n_cells, -1, np.int64)
    first_track = np.full(n_towers, -1, np.int64)
    next_track = np.full(n, -1, np.int64)
    towers = np.empty(n_towers, np.int64)
    hf = np.zeros((2 * _HF_ETA * _HF_PHI, 2))
    at = 0
    for event in range(len(offsets) - 1):
        n_seen = 0
        z = pv_z[event]
        hf[:] = 0.0
        for i in range(offsets[event], offsets[event + 1]):
            has_track = tracks[i, 0] > 0.0
            lepton = 0
            if has_track and kind[i] == 3 and rng.random() < detector.muon_efficiency:
                lepton = 13
            elif has_track and kind[i] == 2 and tracks[i, 0] > 2.0 and rng.random() < detector.electron_efficiency:
                lepton = 11
            if lepton != 0:
                pt = tracks[i, 0]
                if lepton == 11 and em[i] > 0.0:
                    # Track and ECAL by inverse variance.
                    track_e = pt * math.cosh(tracks[i, 1])
                    v_track = (track_e * (tracks[i, 3] + 0.02)) ** 2
                    v_ecal = detector.ecal_stochastic**2 * energy[i] + (detector.ecal_constant * energy[i]) ** 2 + 0.01
                    combined = (track_e / v_track + em[i] / v_ecal) / (1.0 / v_track + 1.0 / v_ecal)
                    pt *= combined / track_e
                values[at] = (pt, tracks[i, 1], tracks[i, 2], 0.000511 if lepton == 11 else 0.10566, 0.0)
                pdg[at] = -lepton * charge[i]
                source[at] = i
                at += 1
                continue
            eta, phi = surface_eta[i], surface_phi[i]
            in_reach = reached[i] and abs(eta) < detector.hf_eta
            if not in_reach:
                if has_track:
                    values[at] = (tracks[i, 0], tracks[i, 1], tracks[i, 2], _PION, 0.0)
                    pdg[at] = 211 * charge[i]
                    source[at] = i
                    at += 1
                elif reached[i] and abs(eta) < detector.edge_eta:
                    ring = min(int((abs(eta) - detector.hf_eta) / hf_width), _HF_ETA - 1) + (_HF_ETA if eta > 0 else 0)
                    sector = min(int((phi + math.pi) / _TWO_PI * _HF_PHI), _HF_PHI - 1)
                    hf[ring * _HF_PHI + sector, 0] += em[i]
                    hf[ring * _HF_PHI + sector, 1] += had[i]
                continue
            if not has_track and em[i] + had[i] <= 0.0:
                continue
            c_eta = min(int((eta + detector.hf_eta) / width * 3.0), 3 * N_ETA - 1)
            c_phi = min(int((phi + math.pi) / _TWO_PI * 3.0 * N_PHI), 3 * N_PHI - 1)
            cell = c_eta * 3 * N_PHI + c_phi
            tower = _tower(c_eta // 3, c_phi // 3)
            if not tower_seen[tower]:
                tower_seen[tower] = True
                towers[n_seen] = tower
                n_seen += 1
            if not cell_seen[cell]:
                cell_seen[cell] = True
                next_cell[cell] = first_cell[tower]
                first_cell[tower] = cell
            if has_track:
                tracked[cell] = True
                next_track[i] = first_track[tower]
                first_track[tower] = i
            # Positions are averaged as distances from the corner of the cell or tower, which phi = pi does not cut.
            if em[i] > 0.0:
                ecal[cell] += em[i]
                ecal_at[cell, 0] += em[i] * (eta + detector.hf_eta - c_eta * width / 3.0)
                ecal_at[cell, 1] += em[i] * (phi + math.pi - c_phi * _TWO_PI / (3 * N_PHI))
            if had[i] > 0.0:
                hcal[tower] += had[i]
                hcal_at[tower, 0] += had[i] * (eta + detector.hf_eta - (tower // N_PHI) * width)
                hcal_at[tower, 1] += had[i] * (phi + math.pi - (tower % N_PHI) * _TWO_PI / N_PHI)

        for k in range(n_seen):
            tower = towers[k]
            middle = abs(-detector.hf_eta + (tower // N_PHI + 0.5) * width)
            tracking = middle < detector.tracker_eta
            forward = middle > detector.barrel_eta
            turn_on = detector.ecal_turn_on_forward if forward else detector.ecal_turn_on
            ecal_cut = detector.ecal_threshold_forward if forward else detector.ecal_threshold
            hcal_cut = detector.hcal_threshold_forward if forward else detector.hcal_threshold
            if not tracking:
                ecal_cut, hcal_cut = detector.ecal_threshold_gap, detector.hcal_threshold_gap
            hadronic = hcal[tower]
            h_eta, h_phi = 0.0, 0.0
            if hadronic > 0.0:
                h_eta = hcal_at[tower, 0] / hadronic - detector.hf_eta + (tower // N_PHI) * width
                h_phi = hcal_at[tower, 1] / hadronic - math.pi + (tower % N_PHI) * _TWO_PI / N_PHI
                h_eta += 0.015 * rng.standard_normal()
                h_phi = delta_phi(h_phi + 0.015 * rng.standard_normal(), 0.0)
            if calibrate(hadronic, detector) < hcal_cut:
                hadronic = 0.0
            linked, linked_eta, linked_phi = 0.0, 0.0, 0.0
            loose = 0.0
            cell = first_cell[tower]
            while cell >= 0:
                e = ecal[cell]
                if e > 0.0:
                    c_eta = ecal_at[cell, 0] / e - detector.hf_eta + (cell // (3 * N_PHI)) * width / 3.0
                    c_phi = delta_phi(
                        ecal_at[cell, 1] / e - math.pi + (cell % (3 * N_PHI)) * _TWO_PI / (3 * N_PHI), 0.0
                    )
                    if tracked[cell]:
                        if e > linked:
                            linked_eta, linked_phi = c_eta, c_phi
                        linked += e
                    elif not tracking and hadronic > 0.0:
                        loose += e
                    elif e > ecal_cut and rng.random() > math.exp((1.0 - e / ecal_cut) / turn_on):
                        seen = from_vertex(c_eta, z, detector)
                        values[at] = (e / math.cosh(seen), seen, c_phi, 0.0, 0.0)
                        pdg[at] = 22
                        at += 1
                ecal[cell] = 0.0
                ecal_at[cell, 0] = 0.0
                ecal_at[cell, 1] = 0.0
                tracked[cell] = False
                cell_seen[cell] = False
                cell = next_cell[cell]

            if first_track[tower] < 0:
                if hadronic > 0.0:
                    e = calibrate(hadronic, detector) + loose
                    seen = from_vertex(h_eta, z, detector)
                    values[at] = (e / math.cosh(seen), seen, h_phi, 0.0, hadronic / (hadronic + loose))
                    pdg[at] = 130
                    at += 1
            else:
                momentum, variance = 0.0, 0.0
                i = first_track[tower]
                while i >= 0:
                    p = tracks[i, 0] * math.cosh(tracks[i, 1])
                    momentum += p
                    variance += (p * tracks[i, 3]) ** 2
                    i = next_track[i]
                calibrated = calibrate(linked + hadronic, detector)
                sigma = hadron_sigma(momentum, middle, detector)
                excess = calibrated - momentum
                shift = 0.0
                total = math.sqrt(sigma * sigma + variance)
                wanted = detector.excess_sigmas * (1.0 + math.exp(-calibrated / detector.excess_energy))
                if excess > wanted * total:
                    photon = min(excess, linked)
                    if photon > ecal_cut:
                        seen = from_vertex(linked_eta, z, detector)
                        values[at] = (photon / math.cosh(seen), seen, linked_phi, 0.0, 0.0)
                        pdg[at] = 22
                        at += 1
                    else:
                        photon = 0.0
                    rest = excess - photon
                    if rest > hcal_cut and hadronic > 0.0:
                        seen = from_vertex(h_eta, z, detector)
                        values[at] = (rest / math.cosh(seen), seen, h_phi, 0.0, 1.0)
                        pdg[at] = 130
                        at += 1
                elif calibrated > 0.0 and (excess > -3.0 * total or variance > sigma * sigma):
                    # Inverse variance; every track takes its share of the shift by its own variance.
                    shift = excess / (1.0 / variance + 1.0 / (sigma * sigma)) / (sigma * sigma) / variance
                fraction = hadronic / (hadronic + linked) if hadronic > 0.0 else 0.0
                i = first_track[tower]
                while i >= 0:
                    p = tracks[i, 0] * math.cosh(tracks[i, 1])
                    scale = max(1.0 + shift * (p * tracks[i, 3]) ** 2 / p, 0.05)
                    values[at] = (tracks[i, 0] * scale, tracks[i, 1], tracks[i, _T_PHI], _PION, fraction)
                    pdg[at] = 211 * charge[i]
                    source[at] = i
                    at += 1
                    following = next_track[i]
                    next_track[i] = -1
                    i = following
            first_track[tower] = -1
            first_cell[tower] = -1
            tower_seen[tower] = False
            hcal[tower] = 0.0
            hcal_at[tower, 0] = 0.0
            hcal_at[tower, 1] = 0.0

        for ring in range(2 * _HF_ETA):
            side = 1.0 if ring >= _HF_ETA else -1.0
            for sector in range(_HF_PHI):
                cell = ring * _HF_PHI + sector
                hidden = min(detector.hf_mixing * hf[cell, 1], hf[cell, 0])
                for part in range(2):
                    e = hf[cell, part] + (hidden if part == 1 else -hidden)
                    if e < (detector.hf_em_threshold if part == 0 else detector.hf_had_threshold):
                        continue
                    eta = side * (detector.hf_eta + (ring % _HF_ETA + 0.5) * hf_width)
                    phi = -math.pi + (sector + 0.5) * _TWO_PI / _HF_PHI
                    seen = from_vertex(eta, z, detector)
                    values[at] = (e / math.cosh(seen), seen, phi, 0.0, float(part))
                    pdg[at] = 2 - part
                    at += 1
        out_offsets[event + 1] = at
    return out_offsets, values[:at].copy(), pdg[:at].copy(), source[:at].copy()
