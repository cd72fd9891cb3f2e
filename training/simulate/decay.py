"""What enters the detector: kinds of stable particles, and the decays of K_S and Lambda on their way."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.batch import Jagged

__all__ = [
    "CHARGED_HADRON",
    "ELECTRON",
    "INVISIBLE",
    "MUON",
    "NEUTRAL_HADRON",
    "PARTICLE_COLUMNS",
    "PHOTON",
    "decay_strange",
]

#: Kinds of particles as the detector sees them.
INVISIBLE, PHOTON, ELECTRON, MUON, CHARGED_HADRON, NEUTRAL_HADRON = range(6)
PARTICLE_COLUMNS = ("pt", "eta", "phi", "mass", "kind", "charge", "vx", "vy", "vz", "group")

_CHARGED = np.array([211, 321, 2212, 3112, 3222, 3312, 3334])
_POSITIVE = np.array([211, 321, 2212, 3222, -3112, -3312, -3334, -11, -13])


def _enter_detector(pdg: NDArray[np.int32]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return kind and charge of stable particles."""
    a = np.abs(pdg)
    kind = np.full(len(pdg), NEUTRAL_HADRON, np.int8)
    kind[np.isin(a, [12, 14, 16])] = INVISIBLE
    kind[a == 22] = PHOTON
    kind[a == 11] = ELECTRON
    kind[a == 13] = MUON
    kind[np.isin(a, _CHARGED)] = CHARGED_HADRON
    charged = (kind >= ELECTRON) & (kind <= CHARGED_HADRON)
    charge = np.where(charged, np.where(np.isin(pdg, _POSITIVE), 1, -1), 0).astype(np.int8)
    return kind, charge


@njit()
def _two_body(
    pt: float, eta: float, phi: float, mass: float, m1: float, m2: float, cosine: float, azimuth: float
) -> tuple[float, float, float, float, float, float]:
    """Return pt, eta, phi of the two products of an isotropic decay, boosted to the laboratory."""
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
    energy = math.sqrt(px * px + py * py + pz * pz + mass * mass)
    e1 = (mass * mass + m1 * m1 - m2 * m2) / (2.0 * mass)
    q = math.sqrt(max(e1 * e1 - m1 * m1, 0.0))
    sine = math.sqrt(max(1.0 - cosine * cosine, 0.0))
    qx, qy, qz = q * sine * math.cos(azimuth), q * sine * math.sin(azimuth), q * cosine
    along = (px * qx + py * qy + pz * qz) / (mass * (energy + mass)) + e1 / mass
    ax, ay, az = qx + px * along, qy + py * along, qz + pz * along
    bx, by, bz = px - ax, py - ay, pz - az
    at, bt = max(math.hypot(ax, ay), 1e-6), max(math.hypot(bx, by), 1e-6)
    return at, math.asinh(az / at), math.atan2(ay, ax), bt, math.asinh(bz / bt), math.atan2(by, bx)


class _Particles(NamedTuple):
    """Rows to be filled: pt, eta, phi, mass, vertex; kind, charge and group as in ``PARTICLE_COLUMNS``."""

    values: NDArray[np.float64]
    kind: NDArray[np.int8]
    charge: NDArray[np.int8]
    group: NDArray[np.int32]


@njit(inline="always")
def _write(
    out: _Particles,
    at: int,
    momentum: tuple[float, float, float, float],
    vertex: tuple[float, float, float],
    kind: int,
    charge: int,
    group: int,
) -> int:
    """Fill row ``at`` by pt, eta, phi, mass and the vertex in cm; return the next one."""
    out.values[at] = (*momentum, *vertex)
    out.kind[at] = kind
    out.charge[at] = charge
    out.group[at] = group
    return at + 1


@njit()
def _masses(strange: int, to_charged: bool) -> tuple[float, float]:
    """Masses in GeV of the products of K_S (310) and Lambda (3122): pions, or a nucleon and a pion."""
    if strange == 310:
        return (0.1396, 0.1396) if to_charged else (0.1350, 0.1350)
    return (0.9383, 0.1396) if to_charged else (0.9396, 0.1350)


@njit()
def _write_products(
    rng: np.random.Generator,
    pdg: int,
    values: NDArray[np.float64],
    length: float,
    choice: float,
    cosine: float,
    azimuth: float,
    group: int,
    out: _Particles,
    at: int,
) -> int:
    """Write what K_S or Lambda becomes after ``length`` cm from row ``at`` on; return the next row.

    ``choice`` in 0 to 1 chooses the products, ``cosine`` and ``azimuth`` their direction at rest. Neutral pions
    decay at once.
    """
    pt, eta, phi, mass = values[0], values[1], values[2], values[3]
    ux, uy, uz = math.cos(phi) / math.cosh(eta), math.sin(phi) / math.cosh(eta), math.tanh(eta)
    vertex = (values[4] + length * ux, values[5] + length * uy, values[6] + length * uz)
    strange = abs(pdg)
    to_charged = choice < (0.692 if strange == 310 else 0.641)
    m1, m2 = _masses(strange, to_charged)
    t1, h1, f1, t2, h2, f2 = _two_body(pt, eta, phi, mass, m1, m2, cosine, azimuth)
    sign = 1 if pdg > 0 else -1
    for product in range(2):
        momentum = (t1, h1, f1, m1) if product == 0 else (t2, h2, f2, m2)
        if to_charged:
            at = _write(out, at, momentum, vertex, CHARGED_HADRON, sign if product == 0 else -sign, group)
        elif strange == 3122 and product == 0:
            at = _write(out, at, momentum, vertex, NEUTRAL_HADRON, 0, -1)
        else:
            t, h, f, m = momentum
            c, w = 2.0 * rng.random() - 1.0, 2.0 * math.pi * rng.random()
            ta, ha, fa, tb, hb, fb = _two_body(t, h, f, m, 0.0, 0.0, c, w)
            at = _write(out, at, (ta, ha, fa, 0.0), vertex, PHOTON, 0, -1)
            at = _write(out, at, (tb, hb, fb, 0.0), vertex, PHOTON, 0, -1)
    return at


@njit()
def _decay(
    rng: np.random.Generator,
    offsets: NDArray[np.int64],
    pdg: NDArray[np.int32],
    values: NDArray[np.float64],
    kind: NDArray[np.int8],
    charge: NDArray[np.int8],
    group: NDArray[np.int32],
    reach: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int8], NDArray[np.int8], NDArray[np.int32]]:
    """Replace K_S and Lambda that decay within ``reach`` (cm, spherical) by their products; see `decay_strange`."""
    most = len(pdg)
    for i in range(len(pdg)):
        if abs(pdg[i]) == 310 or abs(pdg[i]) == 3122:
            most += 4
    out = _Particles(np.empty((most, 7)), np.empty(most, np.int8), np.empty(most, np.int8), np.empty(most, np.int32))
    out_offsets = np.zeros(len(offsets), np.int64)
    at = 0
    for event in range(len(offsets) - 1):
        extra = 1_000_000  # V0 groups lie beyond all rows of the record
        for i in range(offsets[event], offsets[event + 1]):
            strange = abs(pdg[i])
            if strange == 310 or strange == 3122:
                p = values[i, 0] * math.cosh(values[i, 1])
                length = rng.standard_exponential() * (2.684 if strange == 310 else 7.89) * p / values[i, 3]
                choice, cosine, azimuth = rng.random(), 2.0 * rng.random() - 1.0, 2.0 * math.pi * rng.random()
                if length < reach:
                    at = _write_products(rng, pdg[i], values[i], length, choice, cosine, azimuth, extra, out, at)
                    extra += 1
                    continue
            out.values[at] = values[i]
            out.kind[at], out.charge[at], out.group[at] = kind[i], charge[i], group[i]
            at += 1
        out_offsets[event + 1] = at
    return out_offsets, out.values[:at], out.kind[:at], out.charge[:at], out.group[:at]


def decay_strange(
    rng: np.random.Generator, gen: Jagged, vertices: NDArray[np.float64], group: NDArray[np.int32], reach: float = 120.0
) -> Jagged:
    """Return what enters the detector: K_S and Lambda decayed where they do so within ``reach`` cm of the interaction.

    The decay length is drawn from the lifetime (c tau 2.684 and 7.89 cm) along a straight line; products are
    isotropic in the rest frame, to charged pairs (69.2 %, 64.1 %) or with neutral pions, which become two photons at
    once.

    Parameters
    ----------
    rng : numpy Generator
    gen : Jagged
        Stable particles of Pythia (``GEN_COLUMNS``).
    vertices : float64 array [n, 3]
        Production points in cm.
    group : int32 array [n]
    reach : float
    """
    kind, charge = _enter_detector(np.asarray(gen["pdgId"], np.int32))
    values = np.column_stack([gen["pt"], gen["eta"], gen["phi"], gen["mass"], vertices]).astype(np.float64)
    offsets, out, kind, charge, group = _decay(
        rng, gen.offsets, np.asarray(gen["pdgId"], np.int32), values, kind, charge, group, reach
    )
    names = ("pt", "eta", "phi", "mass", "vx", "vy", "vz")
    columns: dict[str, NDArray[Any]] = {name: out[:, at].astype(np.float32) for at, name in enumerate(names)}
    columns |= {"kind": kind, "charge": charge, "group": group}
    table = Jagged(offsets, {name: columns[name] for name in PARTICLE_COLUMNS})
    # Nothing beyond the forward calorimeter's edge, nothing invisible.
    return table.select((np.abs(out[:, 1]) < 5.5) & (kind != INVISIBLE))
