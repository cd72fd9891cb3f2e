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
    n_pv = np.ones(n_events, np.int32)
    n_good = np.ones(n_events, np.int32)
    for event in range(n_events):
        n_pile = pileup_offsets[event + 1] - pileup_offsets[event]
        support = np.zeros(n_pile + 1)
        for i in range(offsets[event], offsets[event + 1]):
            if tracks[i, 0] > 0.3:
                support[interaction[i]] += 1.0
        # A vertex is found more often the more tracks it has; near the primary one they are one.
        found = np.zeros(n_pile + 1, np.bool_)
        found[0] = True
        good = np.ones(n_pile + 1, np.bool_)
        z = np.empty(n_pile + 1)
        z[0] = 0.0
        for k in range(n_pile):
            z[k + 1] = pileup_z[pileup_offsets[event] + k] - pv_z[event]
            chance = detector.vertex_efficiency * (1.0 - math.exp(-support[k + 1] / 2.0))
            found[k + 1] = rng.random() < chance and abs(z[k + 1]) > detector.vertex_merge
            if found[k + 1]:
                # Good: more than four degrees of freedom, so a handful of tracks; of larger vertices CHS removes all.
                good[k + 1] = rng.random() < 1.0 - math.exp(-((support[k + 1] / 4.0) ** 2))
                n_pv[event] += 1
                n_good[event] += good[k + 1]
        for i in range(offsets[event], offsets[event + 1]):
            if tracks[i, 0] <= 0.0:
                continue
            best, distance = 0, abs(tracks[i, _DZ])
            for k in range(1, n_pile + 1):
                if found[k] and abs(tracks[i, _DZ] - z[k]) < distance:
                    best, distance = k, abs(tracks[i, _DZ] - z[k])
            d0 = abs(tracks[i, _D0])
            pull_xy, pull_z = d0 / tracks[i, _D0_ERR], distance / tracks[i, _DZ_ERR]
            # The adaptive fit: half a weight at a chi2 of about 5 (2.5^2 less the track's own pull), none at 4^2.
            chi2 = pull_xy**2 + (pull_z / detector.vertex_pull) ** 2
            unused = detector.vertex_unused_pileup
            if best == 0:
                unused = detector.vertex_unused_soft if tracks[i, 0] < 0.5 else detector.vertex_unused
            if chi2 < 16.0 and rng.random() > unused:
                code = 7 if chi2 < 5.0 else 6
            elif distance < 0.1 and pull_z < 5.0 and tracks[i, _DZ_ERR] < 0.05:
                code = 5
            elif best == 0 and distance < 0.1 and d0 < 0.1 and tracks[i, 0] > 2.0:
                code = 4
            elif d0 < 0.01 and pull_xy < 2.0:
                code = 0
            else:
                code = 1
            quality[i] = code
            if best == 0 and code == 7:
                from_pv[i] = 3
            elif best == 0 and code != 0:
                from_pv[i] = 2
            elif code < 6 or not good[best]:
                from_pv[i] = 1
    return quality, from_pv, n_pv, n_good
