"""The functions of CMSSW's variables against plain twins in double precision, on the cases that go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from coffea_mljec.features import CATALOGUE, cmssw
from coffea_mljec.features.functions import FUNCTIONS, NO_TRACK_CHI2, PION_MASS

PI = math.pi

# One row a constituent; eta 0, phi beside pi, pT 0, no track, no error, a constituent along its jet.
ROWS: dict[str, list[float]] = {
    "pt": [10.0, 0.5, 3.0, 0.0, 40.0, 7.0],
    "pt_unweighted": [10.0, 1.0, 4.0, 0.0, 40.0, 7.0],
    "eta": [0.0, 1.2, -2.0, 0.3, 4.5, 0.7],
    "phi": [0.0, PI, -PI, 3.1, -3.1, 0.2],
    "mass": [0.14, -0.001, 0.0, 0.14, 5.0, 0.0],
    "charge": [1, -1, 0, 0, 1, 1],
    "norm_chi2": [0.9, 2.7, 1.5, -1.0, -1.0, 0.0],
    "value": [0.01, -0.02, 0.5, 0.0, -1.0, 2.0],
    "error": [0.002, 0.0, 0.1, 0.0, 0.5, 0.4],
    "jet_pt": [100.0, 50.0, 30.0, 20.0, 400.0, 7.0],
    "jet_eta": [0.0, 1.0, -2.3, 0.0, 4.4, 0.7],
    "jet_phi": [0.0, -PI, PI, -3.1, 3.1, 0.2],
    "jet_mass": [10.0, 6.0, 0.0, 2.0, 30.0, 1.0],
}


def wrapped(angle: float) -> float:
    return (angle + PI) % (2 * PI) - PI


def energy(pt: float, eta: float, mass: float) -> float:
    return math.sqrt((pt * math.cosh(eta)) ** 2 + max(mass, 0.0) ** 2)


def log(value: float) -> float:
    return math.nan if math.isnan(value) or value < 0 else -math.inf if value == 0 else math.log(value)


def over(a: float, b: float) -> float:
    return a / b if b else (math.nan if a == 0 else math.copysign(math.inf, a))


def momentum(pt: float, eta: float, phi: float) -> np.ndarray:
    return np.array([pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)])


def cosine(eta: float, phi: float, jet_eta: float, jet_phi: float) -> float:
    one, jet = momentum(1.0, eta, phi), momentum(1.0, jet_eta, jet_phi)
    return float(one @ jet / np.linalg.norm(one) / np.linalg.norm(jet))


def eta_rel(pt: float, eta: float, phi: float, jet_eta: float, jet_phi: float) -> float:
    p = pt * math.cosh(eta)
    along, total = p * cosine(eta, phi, jet_eta, jet_phi), math.hypot(p, PION_MASS)
    return 0.5 * math.log((total + along) / (total - along))


def track(value: float, charge: float, chi2: float, otherwise: float = 0.0) -> float:
    return value if charge != 0 and chi2 >= 0 else otherwise


ENERGY, JET, DIRECTION = ("pt_unweighted", "eta", "mass"), ("jet_pt", "jet_eta", "jet_mass"), ("eta", "phi")
AXIS = ("jet_eta", "jet_phi")
WEIGHTED = ("pt", "eta", "mass", "pt_unweighted")


def weighted(pt: float, eta: float, mass: float, unweighted: float) -> float:
    return energy(unweighted, eta, mass) * over(pt, unweighted)


TWINS: dict[str, tuple[tuple[str, ...], Callable[..., float]]] = {
    "log": (("pt",), log),
    "log_ratio": (("pt", "jet_pt"), lambda a, b: log(over(a, b))),
    "ratio": (("pt", "jet_pt"), over),
    "energy": (ENERGY, energy),
    "weighted_energy": (WEIGHTED, weighted),
    "log_energy": (ENERGY, lambda *p: log(energy(*p))),
    "log_weighted_energy": (WEIGHTED, lambda *p: log(weighted(*p))),
    "energy_ratio": ((*WEIGHTED, *JET), lambda a, b, c, d, *j: weighted(a, b, c, d) / energy(*j)),
    "log_energy_ratio": ((*WEIGHTED, *JET), lambda a, b, c, d, *j: log(weighted(a, b, c, d) / energy(*j))),
    "vertex_energy_ratio": ((*ENERGY, *JET), lambda a, b, c, *j: energy(a, b, c) / energy(*j)),
    "log_vertex_energy_ratio": ((*ENERGY, *JET), lambda a, b, c, *j: log(energy(a, b, c) / energy(*j))),
    "px": (("pt", "phi"), lambda pt, phi: pt * math.cos(phi)),
    "py": (("pt", "phi"), lambda pt, phi: pt * math.sin(phi)),
    "pz": (("pt", "eta"), lambda pt, eta: pt * math.sinh(eta)),
    "size": (("eta",), abs),
    "one": (("eta",), lambda _: 1.0),
    "jet_minus": (("eta", "jet_eta"), lambda a, b: b - a),
    "jet_minus_phi": (("phi", "jet_phi"), lambda a, b: wrapped(b - a)),
    "delta_r": ((*DIRECTION, *AXIS), lambda e, p, je, jp: math.hypot(e - je, wrapped(p - jp))),
    "with_track": (("value", "charge", "norm_chi2"), track),
    "track_chi2": (("norm_chi2", "charge"), lambda x, c: track(math.floor(x), c, x, NO_TRACK_CHI2)),
    "track_significance": (
        ("value", "error", "charge", "norm_chi2"), lambda v, e, c, x: track(over(v, e), c, x)
    ),
    "parallel_ratio": ((*DIRECTION, *AXIS), cosine),
    "perpendicular_ratio": (
        ("pt", *DIRECTION, *AXIS),
        lambda pt, e, p, je, jp: over(math.sqrt(max(1 - cosine(e, p, je, jp) ** 2, 0.0)), pt * math.cosh(e)),
    ),
    "eta_rel": (("pt", *DIRECTION, *AXIS), eta_rel),
}  # fmt: skip


def test_every_function_has_a_twin_and_a_user() -> None:
    assert set(TWINS) == set(FUNCTIONS)
    used = {feature.function for rows in CATALOGUE.values() for feature in rows.values() if feature.function}
    assert set(FUNCTIONS) - {"energy", "weighted_energy"} - used <= {"ratio"} | {
        name for name in FUNCTIONS if name.startswith("log_")
    }


@pytest.mark.parametrize("name", TWINS)
def test_twin(name: str) -> None:
    quantities, twin = TWINS[name]
    columns = [np.array(ROWS[quantity], np.float32) for quantity in quantities]
    with np.errstate(all="ignore"):
        got = FUNCTIONS[name](*columns)
        expected = [twin(*map(float, row)) for row in zip(*columns, strict=True)]
    # Angles that differ by a period are the same one.
    if "phi" in name:
        np.testing.assert_allclose(np.cos(got), np.cos(expected), atol=1e-6)
        assert np.all((got >= -PI) & (got < PI))
        return
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6 if name != "perpendicular_ratio" else 1e-4)
    # A jet without constituents has rows of none.
    assert FUNCTIONS[name](*(column[:0] for column in columns)).shape == (0,)


def test_aliases_are_names_of_one_feature_each() -> None:
    aliases: list[Any] = [alias for feature in cmssw.FEATURES for alias in feature.aliases]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & set(cmssw.SHARED)
    for collection, name in cmssw.SHARED.values():
        assert name in CATALOGUE[collection]
