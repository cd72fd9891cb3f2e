"""What each particle leaves in the calorimeters, fluctuations included; `particleflow` fills the cells.

Hadrons respond non-linearly: of a shower of energy E a fraction 1 - E^(k-1) is electromagnetic, and the rest is seen
with h/e < 1 (Gabriel, Groom, Job, Mokhov, Stevenson, NIM A 338 (1994) 336). Half of them start to shower in the ECAL.
Lateral shower spread, punch-through and noise in cells that nothing hit are lacking.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.decay import ELECTRON, MUON, PHOTON
from training.simulate.detector import Detector

__all__ = ["calibrate", "deposit", "hadron_response", "hadron_sigma"]


@njit()
def hadron_response(energy: float, detector: Detector) -> float:
    """Return the mean visible over true energy of a hadron shower of ``energy`` GeV: rises with energy."""
    electromagnetic = 1.0 - max(energy, 1.0) ** (detector.hadron_power - 1.0)
    seen = electromagnetic + (1.0 - electromagnetic) * detector.hadron_h_over_e
    return detector.hadron_norm * seen


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
def hadron_sigma(energy: float, eta: float, detector: Detector) -> float:
    """Return the standard deviation in GeV of a hadron of ``energy`` at ``eta`` from 0 to ``hf_eta``."""
    if eta <= detector.barrel_eta:
        worse = 1.0 + detector.hadron_growth * eta * eta
        constant, stochastic = worse * detector.hadron_constant, worse * detector.hadron_stochastic
        noise = (1.0 + detector.hadron_noise_growth * eta * eta) * detector.hadron_noise
    elif eta <= detector.tracker_eta:
        constant, stochastic = detector.hadron_constant_endcap, detector.hadron_stochastic_endcap
        noise = detector.hadron_noise_endcap
    else:
        constant, stochastic = detector.hadron_constant_gap, detector.hadron_stochastic_gap
        noise = detector.hadron_noise_gap
    return math.sqrt((constant * energy) ** 2 + stochastic**2 * energy + noise**2)


@njit()
def _uncracked(rng: np.random.Generator, eta: float, light: bool, detector: Detector) -> float:
    """Draw the fraction of its energy that a particle at ``eta`` >= 0 does not lose between two calorimeters.

    ``light`` particles, electrons and photons, meet the crack of the ECAL, hadrons that of the HCAL.
    """
    if light:
        lost = detector.ecal_crack_loss * math.exp(-abs(eta - detector.ecal_crack_eta) / detector.ecal_crack_width)
    else:
        lost = detector.crack_loss * math.exp(-abs(eta - detector.crack_eta) / detector.crack_width)
    lost += detector.edge_loss * math.exp(-abs(eta - detector.hf_eta) / detector.edge_width)
    return 1.0 - min(lost, 0.5) * 2.0 * rng.random() if lost > 0.01 else 1.0


@njit()
def _fluctuate(rng: np.random.Generator, energy: float, sigma: float) -> float:
    """Draw a non-negative energy of mean ``energy``: Gaussian where narrow, gamma where the Gaussian would be cut."""
    if energy <= 0.0:
        return 0.0
    if sigma < 0.3 * energy:
        return max(energy + sigma * rng.standard_normal(), 0.0)
    shape = (energy / sigma) ** 2
    return rng.standard_gamma(shape) * energy / shape


@njit()
def _radiation_lengths(eta: float) -> float:
    """Return the tracker's material in front of the ECAL, at ``eta`` >= 0."""
    if eta < 1.5:
        return 0.4 + 1.5 * (eta / 1.5) ** 2
    return max(1.9 - 0.5 * (eta - 1.5), 1.0)


@njit()
def deposit(
    rng: np.random.Generator,
    kind: NDArray[np.int8],
    energy: NDArray[np.float64],
    surface_eta: NDArray[np.float64],
    reached: NDArray[np.bool_],
    detector: Detector,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the electromagnetic and the hadronic energy that each particle leaves.

    Parameters
    ----------
    rng : numpy Generator
    kind : int8 array [n]
        1 photon, 2 electron, 3 muon, 4 charged and 5 neutral hadron.
    energy : float64 array [n]
        True energy in GeV.
    surface_eta, reached : arrays [n]
        From `propagate`.
    detector : Detector

    Returns
    -------
    electromagnetic, hadronic : float64 arrays [n]
        GeV at the electromagnetic scale. Beyond ``hf_eta`` the forward calorimeter's two components.
    """
    n = len(kind)
    em = np.zeros(n)
    had = np.zeros(n)
    for i in range(n):
        eta = abs(surface_eta[i])
        if not reached[i] or eta >= detector.edge_eta or kind[i] == MUON or kind[i] < PHOTON:
            continue
        e = energy[i]
        root = math.sqrt(e)
        light = kind[i] <= ELECTRON
        whole = _uncracked(rng, eta, light, detector)
        if eta >= detector.hf_eta:
            if light:
                sigma = math.hypot(detector.hf_em_constant * e, detector.hf_em_stochastic * root)
                seen = _fluctuate(rng, e, sigma) * detector.hf_response * whole
                # A tenth leaks past the depth where the short fibres begin.
                late = 0.10 * rng.random() * 2.0
                em[i], had[i] = seen * (1.0 - late), seen * late
            else:
                sigma = math.hypot(detector.hf_had_constant * e, detector.hf_had_stochastic * root)
                response = detector.hf_response * hadron_response(e, detector) * detector.response_scale
                seen = _fluctuate(rng, e, sigma) * response * whole
                share = min(2.0 * detector.hf_em_share * rng.random(), 1.0)
                em[i], had[i] = seen * share, seen * (1.0 - share)
            continue
        forward = eta > detector.barrel_eta
        response = whole
        if eta > detector.tracker_eta:
            response *= detector.gap_em_response if light else detector.gap_response
        elif forward and not light:
            response *= detector.endcap_response
        if light:
            a, b, c = detector.ecal_constant * e, detector.ecal_stochastic * root, detector.ecal_noise
            sigma = math.sqrt(a * a + b * b + c * c) * (detector.ecal_forward if forward else 1.0)
            if kind[i] == PHOTON and rng.random() > math.exp(-7.0 / 9.0 * _radiation_lengths(eta)):
                pt = e / math.cosh(eta)
                response *= pt / (pt + 2.0 * detector.conversion_loss * rng.random())
            em[i] = _fluctuate(rng, e * response, sigma)
            continue
        if forward:
            rise = detector.gap_rise if eta > detector.tracker_eta else detector.endcap_rise
            response *= 1.0 + rise * math.log(max(e, 1.0) / detector.endcap_pivot)
        response *= hadron_response(e, detector) * detector.response_scale
        seen = _fluctuate(rng, e, hadron_sigma(e, eta, detector)) * response
        if rng.random() < detector.ecal_mip_probability:
            em[i] = min(detector.ecal_mip * rng.standard_exponential(), seen)
        else:
            # A triangle between 0 and twice the mean share.
            em[i] = seen * min(detector.ecal_share * (rng.random() + rng.random()), 1.0)
        had[i] = seen - em[i]
    return em, had
