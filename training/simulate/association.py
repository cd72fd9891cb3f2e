"""Which vertex a charged candidate belongs to: reconstructed vertices, association quality and CHS.

The rules and cuts follow CMSSW's PrimaryVertexAssignment (CommonTools/RecoAlgos, cuts of sortedPFPrimaryVertices) and
`PackedCandidate::fromPV`; which tracks a fit uses is drawn here, by shares compared with PFNano in the realism report.
Quality 7 and 6: used in a vertex fit with a weight above and below one half; 5: within 1 mm and five errors in z; 4:
displaced, near the axis of a jet (here: any track above 2 GeV); 0: prompt, yet no vertex there; 1: the nearest vertex
in z, however far. CHS removes (``fromPV`` 0) what a good other vertex used in its fit, and nothing else: in PFNano
jets keep pileup tracks of quality 0, 1 and 5. The hard scatter is always the primary vertex here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.detector import Detector
from training.simulate.tracker import D0 as _D0
from training.simulate.tracker import D0_ERR as _D0_ERR
from training.simulate.tracker import DZ as _DZ
from training.simulate.tracker import DZ_ERR as _DZ_ERR

__all__ = ["associate"]


@njit()
def _find_vertices(
    rng: np.random.Generator,
    tracks: NDArray[np.float64],
    interaction: NDArray[np.int32],
    z: NDArray[np.float64],
    detector: Detector,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which interactions of an event are found as vertices, and which of them are good ones.

    A vertex is found more often the more tracks it has; near the primary one they are one. ``z`` (cm) is relative to
    the primary vertex, the first of them.
    """
    support = np.zeros(len(z))
    for i in range(len(tracks)):
        if tracks[i, 0] > 0.3:
            support[interaction[i]] += 1.0
    found = np.zeros(len(z), np.bool_)
    found[0] = True
    good = np.ones(len(z), np.bool_)
    for k in range(1, len(z)):
        chance = detector.vertex_efficiency * (1.0 - math.exp(-support[k] / 2.0))
        found[k] = rng.random() < chance and abs(z[k]) > detector.vertex_merge
        if found[k]:
            # Good: more than four degrees of freedom, so a handful of tracks; of larger vertices CHS removes all.
            good[k] = rng.random() < 1.0 - math.exp(-((support[k] / 4.0) ** 2))
    return found, good


@njit()
def _draw_quality(
    rng: np.random.Generator,
    primary: bool,
    pt: float,
    d0: float,
    d0_error: float,
    distance: float,
    dz_error: float,
    detector: Detector,
) -> int:
    """Draw the quality of a track whose nearest vertex, the primary one or not, is ``distance`` cm away in z."""
    pull_xy, pull_z = d0 / d0_error, distance / dz_error
    # The adaptive fit: half a weight at a chi2 of about 5 (2.5^2 less the track's own pull), none at 4^2.
    chi2 = pull_xy**2 + (pull_z / detector.vertex_pull) ** 2
    unused = detector.vertex_unused_pileup
    if primary:
        unused = detector.vertex_unused_soft if pt < 0.5 else detector.vertex_unused
    if chi2 < 16.0 and rng.random() > unused:
        return 7 if chi2 < 5.0 else 6
    if distance < 0.1 and pull_z < 5.0 and dz_error < 0.05:
        return 5
    if primary and distance < 0.1 and d0 < 0.1 and pt > 2.0:
        return 4
    return 0 if d0 < 0.01 and pull_xy < 2.0 else 1


@njit()
def _from_pv(quality: int, primary: bool, good: bool) -> int:
    """Return ``fromPV`` of a track whose nearest vertex is the primary one or not, and good or not."""
    if primary and quality == 7:
        return 3
    if primary and quality != 0:
        return 2
    return 1 if quality < 6 or not good else 0


@njit()
def associate(
    rng: np.random.Generator,
    offsets: NDArray[np.int64],
    tracks: NDArray[np.float64],
    interaction: NDArray[np.int32],
    pv_z: NDArray[np.float64],
    pileup_offsets: NDArray[np.int64],
    pileup_z: NDArray[np.float64],
    detector: Detector,
) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int32], NDArray[np.int32]]:
    """Return association quality and fromPV of every track, and the reconstructed vertices of every event.

    Parameters
    ----------
    rng : numpy Generator
    offsets : int64 array [n_events + 1]
    tracks : float64 array [n, 9]
    interaction : int32 array [n]
        0 hard scatter, k the k-th pileup interaction of the event.
    pv_z : float64 array [n_events]
    pileup_offsets : int64 array [n_events + 1]
    pileup_z : float64 array [n_interactions]
        In cm.
    detector : Detector

    Returns
    -------
    quality, from_pv : int8 arrays [n]
    n_pv, n_good : int32 arrays [n_events]
    """
    n = len(interaction)
    quality = np.zeros(n, np.int8)
    from_pv = np.zeros(n, np.int8)
    n_events = len(offsets) - 1
    n_pv = np.empty(n_events, np.int32)
    n_good = np.empty(n_events, np.int32)
    for event in range(n_events):
        start, stop = offsets[event], offsets[event + 1]
        pileup = pileup_z[pileup_offsets[event] : pileup_offsets[event + 1]]
        z = np.zeros(len(pileup) + 1)
        z[1:] = pileup - pv_z[event]
        found, good = _find_vertices(rng, tracks[start:stop], interaction[start:stop], z, detector)
        n_pv[event] = found.sum()
        n_good[event] = (found & good).sum()
        for i in range(start, stop):
            if tracks[i, 0] <= 0.0:
                continue
            dz = tracks[i, _DZ]
            best, distance = 0, abs(dz)
            for k in range(1, len(z)):
                if found[k] and abs(dz - z[k]) < distance:
                    best, distance = k, abs(dz - z[k])
            quality[i] = _draw_quality(
                rng, best == 0, tracks[i, 0], abs(tracks[i, _D0]), tracks[i, _D0_ERR], distance, tracks[i, _DZ_ERR],
                detector,
            )  # fmt: skip
            from_pv[i] = _from_pv(quality[i], best == 0, good[best])
    return quality, from_pv, n_pv, n_good
