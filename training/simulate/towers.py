"""A tower's candidates: photons, neutral hadrons, and tracks whose momenta its energy corrects.

Loops work on arrays, their steps on numbers: numba counts references to every array that a function is given, and with
functions of the arrays of `Cells` particle flow took two to three times as long.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_phi
from coffea_mljec.numerics.jit import njit
from training.simulate.calorimeter import calibrate, hadron_sigma
from training.simulate.candidates import PION_MASS, Candidates, neutral
from training.simulate.cells import Cells, cluster_position, middle_of, tower_position
from training.simulate.detector import Detector
from training.simulate.tracker import PHI as _T_PHI

__all__ = ["link"]


class _Tower(NamedTuple):
    """A tower's hadronic energy, and the thresholds that hold there.

    Attributes
    ----------
    middle : float
        |eta| of its middle.
    tracking : bool
        Whether tracks are found there.
    hadronic : float
        Energy in GeV before calibration, 0 below threshold.
    ecal_cut, ecal_turn_on, hcal_cut : float
    """

    middle: float
    tracking: bool
    hadronic: float
    ecal_cut: float
    ecal_turn_on: float
    hcal_cut: float


@njit()
def _tower(number: int, hadronic: float, detector: Detector) -> _Tower:
    """Return tower ``number`` with a hadronic energy in GeV."""
    middle = middle_of(number, detector)
    tracking = middle < detector.tracker_eta
    forward = middle > detector.barrel_eta
    turn_on = detector.ecal_turn_on_forward if forward else detector.ecal_turn_on
    ecal_cut = detector.ecal_threshold_forward if forward else detector.ecal_threshold
    hcal_cut = detector.hcal_threshold_forward if forward else detector.hcal_threshold
    if not tracking:
        ecal_cut, hcal_cut = detector.ecal_threshold_gap, detector.hcal_threshold_gap
    if calibrate(hadronic, detector) < hcal_cut:
        hadronic = 0.0
    return _Tower(middle, tracking, hadronic, ecal_cut, turn_on, hcal_cut)


@njit()
def _track_sums(
    n_towers: int, cells: Cells, tracks: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum in GeV of the momenta of the tracks of every tower, and its variance."""
    towers, first_track, next_track = cells.towers, cells.first_track, cells.next_track
    momentum, variance = np.zeros(n_towers), np.zeros(n_towers)
    for k in range(n_towers):
        i = first_track[towers[k]]
        while i >= 0:
            p = tracks[i, 0] * math.cosh(tracks[i, 1])
            momentum[k] += p
            variance[k] += (p * tracks[i, 3]) ** 2
            i = next_track[i]
    return momentum, variance


@njit()
def _compare(
    momentum: float, variance: float, linked: float, tower: _Tower, detector: Detector
) -> tuple[float, float, float]:
    """Compare a tower's calibrated energy with its tracks; ``linked`` is the energy of ECAL clusters with a track.

    Returns the energies in GeV of a photon and a neutral hadron beyond the tracks, 0 for none, and the shift of the
    tracks' momenta in units of their variance.
    """
    calibrated = calibrate(linked + tower.hadronic, detector)
    sigma = hadron_sigma(momentum, tower.middle, detector)
    excess = calibrated - momentum
    total = math.sqrt(sigma * sigma + variance)
    wanted = detector.excess_sigmas * (1.0 + math.exp(-calibrated / detector.excess_energy))
    if excess > wanted * total:
        photon = min(excess, linked)
        if photon <= tower.ecal_cut:
            photon = 0.0
        rest = excess - photon
        return photon, rest if rest > tower.hcal_cut and tower.hadronic > 0.0 else 0.0, 0.0
    if calibrated > 0.0 and (excess > -3.0 * total or variance > sigma * sigma):
        # Inverse variance; every track takes its share of the shift by its own variance.
        return 0.0, 0.0, excess / (1.0 / variance + 1.0 / (sigma * sigma)) / (sigma * sigma) / variance
    return 0.0, 0.0, 0.0


@njit()
def link(
    rng: np.random.Generator,
    n_towers: int,
    cells: Cells,
    tracks: NDArray[np.float64],
    charge: NDArray[np.int8],
    z: float,
    detector: Detector,
    out: Candidates,
    at: int,
) -> int:
    """Write the candidates of an event's towers from row ``at`` on; return the next row.

    Parameters
    ----------
    rng : numpy Generator
    n_towers : int
        Towers that were reached.
    cells : Cells
    tracks : float64 array [n, 9]
    charge : int8 array [n]
    z : float
        Primary vertex in cm.
    detector : Detector
    out : Candidates
        With ``source`` -1.
    at : int
    """
    ecal, hcal, tracked, next_cell = cells.ecal, cells.hcal, cells.tracked, cells.next_cell
    towers, first_cell, first_track, next_track = cells.towers, cells.first_cell, cells.first_track, cells.next_track
    values, pdg, source = out.values, out.pdg, out.source
    momentum, variance = _track_sums(n_towers, cells, tracks)
    for k, number in enumerate(towers[:n_towers]):
        energy, h_eta, h_phi = hcal[number, 0], 0.0, 0.0
        tower = _tower(number, energy, detector)
        hadronic = tower.hadronic
        if energy > 0.0:
            h_eta, h_phi = tower_position(energy, hcal[number, 1], hcal[number, 2], number, detector)
            h_eta += 0.015 * rng.standard_normal()
            h_phi = delta_phi(h_phi + 0.015 * rng.standard_normal(), 0.0)
        linked, linked_eta, linked_phi, loose = 0.0, 0.0, 0.0, 0.0
        cell = first_cell[number]
        while cell >= 0:
            e = ecal[cell, 0]
            if e > 0.0:
                eta, phi = cluster_position(e, ecal[cell, 1], ecal[cell, 2], cell, detector)
                if tracked[cell]:
                    if e > linked:
                        linked_eta, linked_phi = eta, phi
                    linked += e
                elif not tower.tracking and hadronic > 0.0:
                    loose += e
                elif e > tower.ecal_cut and rng.random() > math.exp((1.0 - e / tower.ecal_cut) / tower.ecal_turn_on):
                    values[at], pdg[at] = neutral(e, eta, phi, 0.0, z, detector), 22
                    at += 1
            cell = next_cell[cell]
        i = first_track[number]
        photon, rest, shift, share = 0.0, 0.0, 0.0, 1.0
        if i >= 0:
            photon, rest, shift = _compare(momentum[k], variance[k], linked, tower, detector)
        elif hadronic > 0.0:
            rest, share = calibrate(hadronic, detector) + loose, hadronic / (hadronic + loose)
        if photon > 0.0:
            values[at], pdg[at] = neutral(photon, linked_eta, linked_phi, 0.0, z, detector), 22
            at += 1
        if rest > 0.0:
            values[at], pdg[at] = neutral(rest, h_eta, h_phi, share, z, detector), 130
            at += 1
        fraction = hadronic / (hadronic + linked) if hadronic > 0.0 else 0.0
        while i >= 0:
            p = tracks[i, 0] * math.cosh(tracks[i, 1])
            scale = max(1.0 + shift * (p * tracks[i, 3]) ** 2 / p, 0.05)
            values[at] = (tracks[i, 0] * scale, tracks[i, 1], tracks[i, _T_PHI], PION_MASS, fraction)
            pdg[at], source[at] = 211 * charge[i], i
            at += 1
            i = next_track[i]
    return at
