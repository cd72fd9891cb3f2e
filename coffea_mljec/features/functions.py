"""Features that are functions of flat columns: what weaver and CMSSW networks read of a constituent.

Each takes its feature's quantities, then the jet's, in the order of the catalogue's row. All are float32 arrays of
shape (n_constituents,), the jet's repeated. Logarithms and ratios may give infinities and NaN: the model's file says
what replaces them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.geometry import delta_phis

__all__ = ["FUNCTIONS", "Function"]

Array = npt.NDArray[Any]
Function = Callable[..., Array]

PION_MASS = 0.13957018
"""In GeV, of the tracks in `eta_rel`."""

NO_TRACK_CHI2 = 999.0
"""chi2/ndof where there is no track, as CMSSW has it."""


def log(value: Array) -> Array:
    """The natural logarithm."""
    return np.asarray(np.log(value))


def log_ratio(value: Array, jet: Array) -> Array:
    """ln(value / that of the jet)."""
    return np.asarray(np.log(value / jet))


def ratio(value: Array, jet: Array) -> Array:
    """value / that of the jet."""
    return np.asarray(value / jet)


def energy(pt: Array, eta: Array, mass: Array) -> Array:
    """From pT, eta and mass in GeV; a negative mass counts as 0."""
    return np.asarray(np.hypot(pt * np.cosh(eta), np.maximum(mass, 0.0)))


def weighted_energy(pt: Array, eta: Array, mass: Array, pt_unweighted: Array) -> Array:
    """Energy times the weight that pT carries."""
    return np.asarray(energy(pt_unweighted, eta, mass) * (pt / pt_unweighted))


def log_energy(pt: Array, eta: Array, mass: Array) -> Array:
    """ln of `energy`."""
    return log(energy(pt, eta, mass))


def log_weighted_energy(pt: Array, eta: Array, mass: Array, pt_unweighted: Array) -> Array:
    """ln of `weighted_energy`."""
    return log(weighted_energy(pt, eta, mass, pt_unweighted))


def energy_ratio(pt: Array, eta: Array, mass: Array, pt_unweighted: Array, *jet: Array) -> Array:
    """`weighted_energy` / energy of the jet, from its pT, eta and mass."""
    return ratio(weighted_energy(pt, eta, mass, pt_unweighted), energy(*jet))


def log_energy_ratio(pt: Array, eta: Array, mass: Array, pt_unweighted: Array, *jet: Array) -> Array:
    """ln of `energy_ratio`."""
    return log(energy_ratio(pt, eta, mass, pt_unweighted, *jet))


def vertex_energy_ratio(pt: Array, eta: Array, mass: Array, *jet: Array) -> Array:
    """`energy` / energy of the jet, from its pT, eta and mass."""
    return ratio(energy(pt, eta, mass), energy(*jet))


def log_vertex_energy_ratio(pt: Array, eta: Array, mass: Array, *jet: Array) -> Array:
    """ln of `vertex_energy_ratio`."""
    return log(vertex_energy_ratio(pt, eta, mass, *jet))


def px(pt: Array, phi: Array) -> Array:
    """pT cos(phi)."""
    return np.asarray(pt * np.cos(phi))


def py(pt: Array, phi: Array) -> Array:
    """pT sin(phi)."""
    return np.asarray(pt * np.sin(phi))


def pz(pt: Array, eta: Array) -> Array:
    """pT sinh(eta)."""
    return np.asarray(pt * np.sinh(eta))


def size(value: Array) -> Array:
    """The absolute value."""
    return np.asarray(np.abs(value))


def one(value: Array) -> Array:
    """1 for every constituent."""
    return np.ones(len(value), np.float32)


def jet_minus(value: Array, jet: Array) -> Array:
    """That of the jet - value."""
    return np.asarray(jet - value)


def jet_minus_phi(phi: Array, jet_phi: Array) -> Array:
    """phi of the jet - phi, in [-pi, pi)."""
    return np.asarray(delta_phis(jet_phi.astype(np.float64), phi.astype(np.float64)))


def delta_r(eta: Array, phi: Array, jet_eta: Array, jet_phi: Array) -> Array:
    """Distance to the jet's axis."""
    return np.asarray(np.hypot(eta - jet_eta, jet_minus_phi(phi, jet_phi)))


def with_track(value: Array, charge: Array, chi2: Array) -> Array:
    """The value where the candidate has a track with details, else 0."""
    return np.where(_has_track(charge, chi2), value, 0.0)


def track_chi2(chi2: Array, charge: Array) -> Array:
    """chi2/ndof of the track, rounded down; `NO_TRACK_CHI2` without one."""
    return np.where(_has_track(charge, chi2), np.floor(chi2), NO_TRACK_CHI2)


def track_significance(value: Array, error: Array, charge: Array, chi2: Array) -> Array:
    """value / error of the track; 0 without one."""
    return np.where(_has_track(charge, chi2), value / error, 0.0)


def _has_track(charge: Array, chi2: Array) -> Array:
    """NanoAOD marks a candidate without track details by a chi2 of -1."""
    return np.asarray((charge != 0) & (chi2 >= 0))


def _cosine(eta: Array, phi: Array, jet_eta: Array, jet_phi: Array) -> Array:
    """Cosine of the angle between a constituent and the jet, in double precision."""
    eta, jet_eta = eta.astype(np.float64), jet_eta.astype(np.float64)
    across = np.cos(jet_minus_phi(phi, jet_phi))
    return np.asarray((across + np.sinh(eta) * np.sinh(jet_eta)) / (np.cosh(eta) * np.cosh(jet_eta)))


def parallel_ratio(eta: Array, phi: Array, jet_eta: Array, jet_phi: Array) -> Array:
    """Momentum along the jet's axis / momentum."""
    return _cosine(eta, phi, jet_eta, jet_phi)


def perpendicular_ratio(pt: Array, eta: Array, phi: Array, jet_eta: Array, jet_phi: Array) -> Array:
    """Sine of the angle to the jet's axis / momentum in GeV, as CMSSW has it."""
    cosine = _cosine(eta, phi, jet_eta, jet_phi)
    return np.asarray(np.sqrt(np.maximum(1.0 - cosine * cosine, 0.0)) / (pt * np.cosh(eta)))


def eta_rel(pt: Array, eta: Array, phi: Array, jet_eta: Array, jet_phi: Array) -> Array:
    """Rapidity along the jet's axis, with the mass of a pion."""
    momentum = pt.astype(np.float64) * np.cosh(eta.astype(np.float64))
    along = momentum * _cosine(eta, phi, jet_eta, jet_phi)
    total = np.hypot(momentum, PION_MASS)
    return np.asarray(0.5 * np.log((total + along) / (total - along)))


FUNCTIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        log, log_ratio, ratio, energy, weighted_energy, log_energy, log_weighted_energy, energy_ratio,
        log_energy_ratio, vertex_energy_ratio, log_vertex_energy_ratio, px, py, pz, size, one, jet_minus, jet_minus_phi,
        delta_r, with_track, track_chi2, track_significance, parallel_ratio, perpendicular_ratio, eta_rel,
    )
}  # fmt: skip
"""Name, as the catalogue has it, -> function."""
