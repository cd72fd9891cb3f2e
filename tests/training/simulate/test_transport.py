"""Helices against small steps of the equation of motion, straight lines against algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.simulate.detector import DETECTOR
from training.simulate.transport import propagate


def steps(pt: float, eta: float, phi: float, charge: int, x: float, y: float, z: float) -> tuple[float, float] | None:
    """The twin: 0.02 cm steps in the transverse plane, turning by step / bending radius."""
    step, turned = 0.02, 0.0
    while math.hypot(x, y) < DETECTOR.radius and abs(z) < DETECTOR.half_length:
        d_phi = -charge * step / (pt / DETECTOR.curvature)
        x += step * math.cos(phi + d_phi / 2)
        y += step * math.sin(phi + d_phi / 2)
        z += step * math.sinh(eta)
        phi += d_phi
        turned += abs(d_phi)
        if turned > 2.0 * math.pi:
            return None
    return math.asinh(z / math.hypot(x, y)), math.atan2(y, x)


CASES = [
    (5.0, 0.0, 0.3, 1, 0.0, 0.0, 0.0),
    (5.0, 0.4, math.pi, -1, 0.0, 0.0, 3.0),
    (5.0, 0.4, -math.pi, 1, 0.0, 0.0, 3.0),
    (0.9, -0.7, 1.0, 1, 0.5, -0.3, -4.0),
    (0.8, 1.2, -2.0, -1, 10.0, 5.0, 20.0),
    (0.5, 1.0, 2.0, 1, 0.0, 0.0, 0.0),
    (0.4, 2.0, 2.0, -1, 0.0, 0.0, 5.0),
    (0.3, 0.0, 1.0, 1, 0.0, 0.0, 0.0),
    (50.0, 2.4, 0.0, 1, 0.0, 0.0, 7.0),
    (2.0, 0.2, 2.5, 0, 20.0, -10.0, 1.0),
    (2.0, -3.5, -1.5, 0, 0.1, 0.1, -6.0),
]


@pytest.mark.parametrize("case", CASES)
def test_against_small_steps(case: tuple[float, ...]) -> None:
    columns = [np.array([value, value], np.float32) for value in case]
    columns[3] = columns[3].astype(np.int8)
    eta, phi, reached = propagate(*columns, DETECTOR)
    expected = steps(*case)  # type: ignore[arg-type]
    assert reached[0] == reached[1] == (expected is not None)
    if expected is not None:
        # One step of 0.02 cm at 1.29 m, or at 10 cm where a steep particle meets the endcap.
        assert eta[0] == pytest.approx(expected[0], abs=3e-3)
        assert math.remainder(phi[0] - expected[1], 2 * math.pi) == pytest.approx(0.0, abs=2e-3)


def test_both_charges_turn_alike_and_apart() -> None:
    one = np.ones(2, np.float32)
    zero = np.zeros(2, np.float32)
    _, phi, _ = propagate(2 * one, zero, zero, np.array([1, -1], np.int8), zero, zero, zero, DETECTOR)
    assert phi[0] == pytest.approx(-phi[1])
    # In a field along +z a positive charge turns clockwise: sin(phi) = r / (2 R).
    assert phi[0] == pytest.approx(-math.asin(129.0 / (2 * 2.0 / 0.0114)), rel=1e-5)


def test_no_particles() -> None:
    empty = np.zeros(0, np.float32)
    eta, _, reached = propagate(empty, empty, empty, empty.astype(np.int8), empty, empty, empty, DETECTOR)
    assert len(eta) == len(reached) == 0
