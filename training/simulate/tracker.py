"""Tracks: efficiency, momentum, impact parameters with their errors, hits.

Impact parameters are those of the true helix about the true primary vertex, smeared by the error that is quoted with
them times the width of the pulls; errors, lost hits and chi2 follow what PFNano shows, and so does a share of tracks
that stand for products of interactions in the material and wrongly built ones: displaced, with large errors and hits
lost. Lacking: correlations between the parameters; those secondary tracks keep the momentum of the particle they
stand for.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_phi
from coffea_mljec.numerics.jit import njit
from training.simulate.decay import ELECTRON, MUON
from training.simulate.detector import Detector

__all__ = ["TRACK_COLUMNS", "impact", "impact_error", "momentum_error", "reconstruct_tracks"]

#: Columns of the float table of tracks. ``pt`` is 0 where there is no track.
TRACK_COLUMNS = ("pt", "eta", "phi", "sigma", "d0", "d0Err", "dz", "dzErr", "chi2")
PT, ETA, PHI, SIGMA, D0, D0_ERR, DZ, DZ_ERR, CHI2 = range(9)


@njit()
def momentum_error(pt: float, eta: float, detector: Detector) -> float:
    """Return sigma(pT)/pT of a track."""
    scale = 1.0 + detector.track_eta * eta * eta
    return scale * math.hypot(detector.track_a, detector.track_b * pt)


@njit()
def impact_error(pt: float, eta: float) -> tuple[float, float]:
    """Return the typical errors of d0 and dz in cm.

    sqrt(10.5^2 + (68 pT^-0.7)^2) um centrally, growing with |eta|: 69 um at 1 GeV, 17 at 10, 11 above 50, as PFNano's
    median errors (2017, four pixel layers) show in bins of pT and |eta|; CMS, JINST 9 (2014) P10009, has 75, 20 and
    11. That of dz is nearly the same, with a floor of 20 um.
    """
    d0 = math.hypot(10.5, 68.0 * pt**-0.7) * (1.0 + 0.14 * eta * eta)
    dz = math.hypot(0.95 * d0, 20.0)
    return d0 * 1e-4, dz * 1e-4


@njit()
def impact(
    pt: float, eta: float, phi: float, charge: float, x: float, y: float, z: float, curvature: float
) -> tuple[float, float, float]:
    """Return d0, dz and phi at the point of the helix closest to the z axis through the origin.

    Parameters
    ----------
    pt, eta, phi, charge : float
        Momentum at the production point.
    x, y, z : float
        Production point relative to the primary vertex in cm.
    curvature : float
        pT over bending radius in GeV/cm.

    Notes
    -----
    CMS's sign: d0 = (-x py + y px) / pt for a straight line.
    """
    bend = pt / curvature
    # Centre of the circle, to the right of the flight for positive charge.
    xc = x + charge * bend * math.sin(phi)
    yc = y - charge * bend * math.cos(phi)
    distance = math.hypot(xc, yc)
    if distance < 1e-9:
        return bend, z, phi
    # y px - x py along the direction at closest approach; the centre of a line through the origin is at distance bend.
    d0 = -charge * (distance - bend)
    phi_0 = math.atan2(charge * xc, -charge * yc)
    turned = delta_phi(phi_0, phi)
    # Positive charges turn clockwise: phi fell by path / bend since the closest approach.
    path = charge * turned * bend
    return d0, z - path * math.sinh(eta), phi_0


@njit()
def _efficiency(pt: float, eta: float, kind: int, detector: Detector) -> float:
    """Tracking efficiency by kind, pT and |eta| (card)."""
    central = abs(eta) <= detector.barrel_eta
    if pt < detector.track_min_pt:
        return 0.0
    if kind == ELECTRON:
        if pt < 1.0:
            return 0.73 if central else 0.50
        if pt < 100.0:
            return 0.95 if central else 0.83
        return 0.99 if central else 0.90
    if kind == MUON:
        if pt < 1.0:
            return 0.75 if central else 0.70
        return 0.99 if central else 0.98
    soft = detector.eff_soft_central if central else detector.eff_soft_forward
    hard = detector.eff_hard_central if central else detector.eff_hard_forward
    # The card's step at 1 GeV, smoothed between 0.5 and 1.
    rise = min(max((pt - 0.5) / 0.5, 0.0), 1.0)
    return soft + (hard - soft) * rise


@njit()
def _density(
    start: int,
    stop: int,
    pt: NDArray[np.float32],
    charge: NDArray[np.int8],
    surface_eta: NDArray[np.float64],
    surface_phi: NDArray[np.float64],
    reached: NDArray[np.bool_],
    grid: NDArray[np.int32],
) -> None:
    """Count charged particles above 1 GeV in cells of 0.02 x 0.02 at the calorimeter's face, for one event."""
    for i in range(start, stop):
        if charge[i] != 0 and pt[i] > 1.0 and reached[i] and abs(surface_eta[i]) < 2.5:
            grid[int((surface_eta[i] + 2.5) * 50.0), int((surface_phi[i] + math.pi) * 49.99)] += 1


@njit()
def _pull(pt: float, near: int, detector: Detector) -> float:
    """Width of the pulls of the impact parameters, by pT and the number of tracks in the same cell of 0.02.

    PFNano's prompt tracks: 0.9 below 1 GeV, 1 at a few GeV, 2.3 above 50 GeV, where hits of neighbours merge.
    """
    crowd = min(max(near - detector.dense_free, 0.0), 6.0)
    return (0.82 + 0.1 * math.log(1.0 + pt)) * (1.0 + 0.2 * crowd)


@njit()
def _draw_quality(
    rng: np.random.Generator, pt: float, r: float, detector: Detector
) -> tuple[float, float, float, float, float]:
    """Draw what the hits do to a track: factors on the errors of d0 and dz, shifts of both in cm, lost inner hits.

    Lost inner hits: -1 for a hit in the first layer, 0 if none was expected, else the number lost. Shares and errors
    are PFNano's. ``r`` is the radius of the production point in cm.
    """
    spread = math.exp(0.15 * rng.standard_normal())
    if rng.random() < detector.track_secondary * min(1.0, (4.0 / pt) ** 0.7):
        u = rng.random()
        lost = -1.0 if u < 0.12 else (0.0 if u < 0.27 else (1.0 if u < 0.51 else 2.0))
        d0 = 0.5 * math.exp(1.8 * rng.standard_normal())
        dz = 1.5 * d0 * math.exp(1.0 * rng.standard_normal())
        worse = math.exp(0.9 * rng.standard_normal())
        d0 *= 1.0 if rng.random() < 0.5 else -1.0
        dz *= 1.0 if rng.random() < 0.5 else -1.0
        return 7.0 * spread * worse, 9.0 * spread * worse * math.exp(0.5 * rng.standard_normal()), d0, dz, lost
    first = 0.87 - 0.03 * min(max(math.log(pt), 0.0), 4.0)
    u = rng.random()
    if r < 2.5 and u < first:
        return spread, spread, 0.0, 0.0, -1.0
    spread *= 1.4 + 1.2 * rng.standard_exponential()
    u = rng.random()
    return spread, spread, 0.0, 0.0, (0.0 if u < 0.66 else (1.0 if u < 0.95 else 2.0))


@njit()
def _draw_chi2(rng: np.random.Generator, pt: float) -> float:
    """Draw a normalised chi2: log-normal, worse for hard tracks, with a tail of bad fits.

    PFNano stores the integer part: 0 for 65 % of the tracks at 0.6 GeV, 53 % at 3, 28 % above 20; 2 and more for
    6 %, 8 % and 19 %.
    """
    grown = math.log(max(pt, 0.5) / 0.7)
    chi2 = math.exp(-0.14 + 0.1 * grown + (0.36 + 0.025 * grown) * rng.standard_normal())
    return chi2 * 3.0 if rng.random() < 0.025 else chi2


@njit()
def _chance(pt: float, eta: float, kind: int, r: float, z: float, near: int, detector: Detector) -> float:
    """Chance that a track is found: `_efficiency`, less for displaced ones and in dense surroundings.

    ``r`` and ``z`` (cm) are of the production point; ``near`` is the number of tracks in its cell of 0.02.
    """
    efficiency = _efficiency(pt, eta, kind, detector)
    if r > detector.radius_tracker or abs(z) > 200.0:
        efficiency = 0.0
    elif r > 2.0:
        # Displaced tracks are found by later iterations, seldom beyond the pixels.
        efficiency *= max(0.0, 0.9 - 0.02 * r) if r < detector.radius_pixel else 0.3
    if near > 0:
        efficiency *= math.exp(-detector.dense_loss * max(near - detector.dense_free, 0.0))
    return efficiency


@njit()
def _draw_hits(rng: np.random.Generator, pt: float, eta: float, r: float, lost: int) -> tuple[int, int, int]:
    """Draw hits, pixel hits and lost inner hits; ``lost`` is what `_draw_quality` says of the latter."""
    expected = 4 if r < 2.5 else (3 if r < 6.5 else (2 if r < 10.5 else (1 if r < 15.5 else 0)))
    if expected < 4 and lost < 0:
        lost = 0
    pixel = 0
    for _ in range(min(expected, 4 - max(lost, 0))):
        pixel += rng.random() < (0.75 if lost >= 0 else 0.97)
    strip = 6 + int(rng.random() * 6.0) if abs(eta) < 1.0 else 5 + int(rng.random() * 9.0)
    if pt < 0.7:
        strip = strip // 2 + 1
    return pixel + strip, pixel, lost


@njit()
def reconstruct_tracks(
    rng: np.random.Generator,
    offsets: NDArray[np.int64],
    kind: NDArray[np.int8],
    charge: NDArray[np.int8],
    pt: NDArray[np.float32],
    eta: NDArray[np.float32],
    phi: NDArray[np.float32],
    vx: NDArray[np.float32],
    vy: NDArray[np.float32],
    vz: NDArray[np.float32],
    pv: NDArray[np.float64],
    surface_eta: NDArray[np.float64],
    surface_phi: NDArray[np.float64],
    reached: NDArray[np.bool_],
    detector: Detector,
) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Return the tracks of charged particles.

    Parameters
    ----------
    rng : numpy Generator
    offsets : int64 array [n_events + 1]
    kind, charge, pt, eta, phi, vx, vy, vz : arrays [n]
        Particles; vertices in cm.
    pv : float64 array [n_events, 3]
        Primary vertex in cm.
    surface_eta, surface_phi, reached : arrays [n]
        From `propagate`.
    detector : Detector

    Returns
    -------
    tracks : float64 array [n, 9]
        `TRACK_COLUMNS`; ``pt`` is 0 where there is none.
    hits : int16 array [n, 3]
        Hits, pixel hits, lost inner hits (-1: a hit on the first layer).
    """
    n = len(pt)
    tracks = np.zeros((n, 9))
    hits = np.zeros((n, 3), np.int16)
    grid = np.zeros((252, 316), np.int32)
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        grid[:] = 0
        _density(start, stop, pt, charge, surface_eta, surface_phi, reached, grid)
        for i in range(start, stop):
            if charge[i] == 0 or abs(eta[i]) >= detector.tracker_eta:
                continue
            r = math.hypot(vx[i], vy[i])
            near = 0
            if pt[i] > 1.0 and reached[i] and abs(surface_eta[i]) < 2.5:
                near = grid[int((surface_eta[i] + 2.5) * 50.0), int((surface_phi[i] + math.pi) * 49.99)]
            if rng.random() >= _chance(pt[i], eta[i], kind[i], r, vz[i], near, detector):
                continue
            sigma = momentum_error(pt[i], eta[i], detector)
            # Curvature is measured, so 1/pT is Gaussian; 3 % of the tracks are measured three times worse.
            if rng.random() < 0.03:
                sigma *= 3.0
            measured = pt[i] / max(1.0 + sigma * rng.standard_normal(), 0.3)
            d0, dz, phi_0 = impact(
                pt[i], eta[i], phi[i], float(charge[i]),
                vx[i] - pv[event, 0], vy[i] - pv[event, 1], vz[i] - pv[event, 2], detector.curvature,
            )  # fmt: skip
            errors = impact_error(pt[i], eta[i])
            pull = _pull(pt[i], near, detector)
            quality = _draw_quality(rng, pt[i], r, detector)
            d0_error, dz_error = errors[0] * quality[0], errors[1] * quality[1]
            tracks[i, PT] = measured
            tracks[i, ETA] = eta[i] + detector.angle_error * rng.standard_normal()
            turned = phi_0 + detector.angle_error * rng.standard_normal()
            tracks[i, PHI] = delta_phi(turned, 0.0)
            tracks[i, SIGMA] = sigma
            tracks[i, D0] = d0 + quality[2] + pull * d0_error * rng.standard_normal()
            tracks[i, D0_ERR] = d0_error
            tracks[i, DZ] = dz + quality[3] + detector.vertex_pull * pull * dz_error * rng.standard_normal()
            tracks[i, DZ_ERR] = dz_error
            tracks[i, CHI2] = _draw_chi2(rng, pt[i])
            hits[i] = _draw_hits(rng, pt[i], eta[i], r, int(quality[4]))
    return tracks, hits
