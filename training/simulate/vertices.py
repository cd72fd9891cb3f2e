"""Secondary vertices of b, c, K_S and Lambda decays, and fakes.

Truth finds the tracks that belong together; those of a b hadron's charm daughters are a vertex of their own where both
have two tracks and luck wants it. Tracks are selected as CMS's inclusive vertex finder does (0.8 GeV, 3 mm in z) and
some are missed; efficiency, position errors and mass come from the reconstructed tracks. Fakes, and what stands for
interactions in the material, are tracks of one neighbourhood: the denser it is the more. Rates, masses and errors are
those of PFNano (2018 tt and 2017 QCD). Lacking: vertices in pileup.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit
from training.simulate.detector import Detector
from training.simulate.tracker import DZ

__all__ = ["find_secondary_vertices"]

#: Order of the float columns that the kernel fills.
VERTEX_COLUMNS = (
    "pt", "eta", "phi", "mass", "x", "y", "z", "dlen", "dlenSig", "dxy", "dxySig", "ntracks", "chi2", "ndof", "pAngle",
)  # fmt: skip
_PION = 0.13957
_MIN_SIGNIFICANCE = 3.0  # NanoAOD's dlenSigMin
# Selection of CMSSW's TrackInclusiveVertexing.
_MIN_PT = 0.8
_MAX_DZ = 0.3
_TERTIARY = 0.02  # cm between decays that can be told apart
_NEIGHBOUR2 = 0.09  # of a fake: delta R 0.3
_MOST_FAKES = 16


@njit()
def _write(
    rng: np.random.Generator,
    out: NDArray[np.float64],
    members: NDArray[np.int64],
    tracks: NDArray[np.float64],
    flight: NDArray[np.float64],
    pv: NDArray[np.float64],
    worse: float,
) -> bool:
    """Fill one row from its member tracks and the true flight vector (cm); False if not significant.

    ``worse`` multiplies the error along the flight.
    """
    px, py, pz, energy = 0.0, 0.0, 0.0, 0.0
    n = len(members)
    for i in members:
        pt, eta, phi = tracks[i, 0], tracks[i, 1], tracks[i, 2]
        x, y, z = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
        px, py, pz = px + x, py + y, pz + z
        energy += math.sqrt(x * x + y * y + z * z + _PION * _PION)
    p = math.sqrt(px * px + py * py + pz * pz)
    # Along the momentum the error is 0.45 mm and 1.5 % of the distance, less with more tracks (PFNano: dlen / dlenSig
    # is 0.4 mm at 1 mm, 0.8 mm at 1 cm, 1.3 mm at 12 cm, with a wide spread); across it 30 um.
    length = math.sqrt(flight[0] ** 2 + flight[1] ** 2 + flight[2] ** 2)
    sigma = worse * math.hypot(0.045, 0.015 * length) * math.sqrt(2.0 / n) * math.exp(0.5 * rng.standard_normal())
    along = sigma * rng.standard_normal()
    x = flight[0] + along * px / p + 0.003 * rng.standard_normal()
    y = flight[1] + along * py / p + 0.003 * rng.standard_normal()
    z = flight[2] + along * pz / p + 0.003 * rng.standard_normal()
    length = math.sqrt(x * x + y * y + z * z)
    transverse = math.hypot(x, y)
    pt = math.hypot(px, py)
    sigma_xy = max(sigma * pt / p, 0.003)
    error = math.hypot(sigma, 0.003)
    if length < _MIN_SIGNIFICANCE * error:
        return False
    ndof = max((2.0 * n - 3.0) * (0.80 + 0.2 * rng.random()), 0.4)
    cosine = (x * px + y * py + z * pz) / (length * p)
    out[0], out[1], out[2] = pt, math.asinh(pz / pt), math.atan2(py, px)
    out[3] = math.sqrt(max(energy * energy - p * p, 0.0))
    out[4], out[5], out[6] = pv[0] + x, pv[1] + y, pv[2] + z
    out[7], out[8], out[9], out[10] = length, length / error, transverse, transverse / sigma_xy
    out[11] = n
    out[12] = 2.0 * rng.standard_gamma(0.5 * ndof) / ndof
    out[13] = ndof
    out[14] = math.pi - math.acos(min(1.0, max(-1.0, cosine)))
    return True


@njit()
def _tertiary(
    members: NDArray[np.int64],
    vx: NDArray[np.float32],
    vy: NDArray[np.float32],
    vz: NDArray[np.float32],
    pv: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which tracks of a decay start further out than its nearest one: those of a daughter's own decay."""
    distance = np.empty(len(members))
    for at, i in enumerate(members):
        distance[at] = math.sqrt((vx[i] - pv[0]) ** 2 + (vy[i] - pv[1]) ** 2 + (vz[i] - pv[2]) ** 2)
    return distance > distance.min() + _TERTIARY


@njit()
def _neighbourhood(
    rng: np.random.Generator, seed: int, rows: NDArray[np.int64], tracks: NDArray[np.float64], rate: float
) -> NDArray[np.int64]:
    """Return a seed and some tracks near it, or none: the chance is ``rate`` times the root of its neighbours."""
    near = np.empty(len(rows), np.int64)
    n = 0
    for i in rows:
        if i != seed and delta_r2(tracks[i, 1], tracks[i, 2], tracks[seed, 1], tracks[seed, 2]) < _NEIGHBOUR2:
            near[n] = i
            n += 1
    if n == 0 or rng.random() > rate * math.sqrt(n):
        return near[:0]
    members = np.empty(n + 1, np.int64)
    members[0] = seed
    more = 1
    while True:
        # A random neighbour that is not yet a member.
        at = int(rng.random() * n)
        members[more] = near[at]
        more += 1
        n -= 1
        near[at] = near[n]
        if n == 0 or rng.random() > 0.35:
            return members[:more]


@njit()
def _select(
    start: int,
    stop: int,
    tracks: NDArray[np.float64],
    group: NDArray[np.int32],
    interaction: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return an event's tracks of the hard scatter that may form a vertex: those of decays, by decay; and all."""
    rows = np.empty(stop - start, np.int64)
    hard = np.empty_like(rows)
    m, k = 0, 0
    for i in range(start, stop):
        if tracks[i, 0] < _MIN_PT or abs(tracks[i, DZ]) > _MAX_DZ or interaction[i] != 0:
            continue
        if group[i] >= 0:
            rows[m] = i
            m += 1
        hard[k] = i
        k += 1
    rows = rows[:m]
    return rows[np.argsort(group[rows], kind="mergesort")], hard[:k]


@njit()
def _decay(
    rng: np.random.Generator,
    decay: NDArray[np.int64],
    tracks: NDArray[np.float64],
    vx: NDArray[np.float32],
    vy: NDArray[np.float32],
    vz: NDArray[np.float32],
    pv: NDArray[np.float64],
    detector: Detector,
    out: NDArray[np.float64],
) -> int:
    """Fill the vertices that the tracks of one decay form, two at most, from the first row on; return how many."""
    flight = np.empty(3)
    at = 0
    tertiary = _tertiary(decay, vx, vy, vz, pv)
    apart = tertiary.sum() >= 2 and (~tertiary).sum() >= 2 and rng.random() < 0.5
    for part in range(2 if apart else 1):
        kept = rng.random(len(decay)) < 0.9
        members = decay[kept & (tertiary == (part == 1))] if apart else decay[kept]
        n = len(members)
        if n < 2 or rng.random() > detector.sv_efficiency * (1.0 - 0.35 * 0.4 ** (n - 2)):
            continue
        flight[:] = 0.0
        for i in members:
            flight[0] += (vx[i] - pv[0]) / n
            flight[1] += (vy[i] - pv[1]) / n
            flight[2] += (vz[i] - pv[2]) / n
        if math.hypot(flight[0], flight[1]) > 16.0:
            continue
        at += _write(rng, out[at], members, tracks, flight, pv, 1.0)
    return at


@njit()
def _fakes(
    rng: np.random.Generator,
    hard: NDArray[np.int64],
    tracks: NDArray[np.float64],
    pv: NDArray[np.float64],
    detector: Detector,
    out: NDArray[np.float64],
) -> int:
    """Fill the fakes of an event, from the first row on; return how many."""
    flight = np.empty(3)
    at = 0
    for seed in hard:
        if at == _MOST_FAKES:
            break
        members = _neighbourhood(rng, seed, hard, tracks, detector.sv_fakes)
        if len(members) < 2:
            continue
        # Half a centimetre and long tails, up to the layers of the pixels, with poor errors.
        length = min(0.5 * math.exp(1.5 * rng.standard_normal()), 20.0)
        eta, phi = tracks[seed, 1], tracks[seed, 2]
        flight[0] = length * math.cos(phi) / math.cosh(eta)
        flight[1] = length * math.sin(phi) / math.cosh(eta)
        flight[2] = length * math.tanh(eta)
        at += _write(rng, out[at], members, tracks, flight, pv, 2.0)
    return at


@njit()
def find_secondary_vertices(
    rng: np.random.Generator,
    offsets: NDArray[np.int64],
    tracks: NDArray[np.float64],
    group: NDArray[np.int32],
    interaction: NDArray[np.int32],
    vx: NDArray[np.float32],
    vy: NDArray[np.float32],
    vz: NDArray[np.float32],
    pv: NDArray[np.float64],
    detector: Detector,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the secondary vertices.

    Parameters
    ----------
    rng : numpy Generator
    offsets : int64 array [n_events + 1]
    tracks : float64 array [n, 9]
    group : int32 array [n]
        Decay that a particle stems from, -1 for none.
    interaction : int32 array [n]
    vx, vy, vz : float arrays [n]
        Production points in cm.
    pv : float64 array [n_events, 3]
    detector : Detector

    Returns
    -------
    offsets : int64 array [n_events + 1]
    values : float64 array [m, 15]
        ``VERTEX_COLUMNS``.
    """
    n_events = len(offsets) - 1
    n_seed = 0
    for i in range(len(group)):
        n_seed += group[i] >= 0 and tracks[i, 0] > 0.0
    out = np.empty((n_seed + _MOST_FAKES * n_events + 1, 15))
    out_offsets = np.zeros(n_events + 1, np.int64)
    at = 0
    for event in range(n_events):
        rows, hard = _select(offsets[event], offsets[event + 1], tracks, group, interaction)
        begin = 0
        while begin < len(rows):
            end = begin
            while end < len(rows) and group[rows[end]] == group[rows[begin]]:
                end += 1
            at += _decay(rng, rows[begin:end], tracks, vx, vy, vz, pv[event], detector, out[at:])
            begin = end
        at += _fakes(rng, hard, tracks, pv[event], detector, out[at:])
        out_offsets[event + 1] = at
    return out_offsets, out[:at].copy()
