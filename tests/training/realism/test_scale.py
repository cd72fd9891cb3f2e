"""The raw response at equal offset-corrected pT."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.realism.toys import toy_sample
from training.realism.row import MISS, PASS
from training.realism.scale import at_offset_corrected, raw_response


def response_of(pt_gen: np.ndarray) -> np.ndarray:
    return 1.0 - 0.6 * pt_gen**-0.5


def test_the_response_is_read_at_reconstructed_pt() -> None:
    pt_gen = np.geomspace(10.0, 1000.0, 40)
    value, error = at_offset_corrected(50.0, pt_gen, response_of(pt_gen), np.full(40, 0.01))
    # pt_gen whose response times pt_gen is 50 GeV, by bisection.
    low, high = 50.0, 100.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if middle * float(response_of(np.array(middle))) < 50.0 else (low, middle)
    assert value == pytest.approx(float(response_of(np.array(low))), abs=2e-4)
    assert 0.01 / np.sqrt(2) <= error <= 0.01
    assert value != pytest.approx(float(response_of(np.array(50.0))), abs=1e-3), "the response at pt_gen 50 is another"


def test_outside_the_points_there_is_no_answer() -> None:
    pt_gen = np.array([20.0, 40.0])
    assert np.isnan(at_offset_corrected(60.0, pt_gen, np.ones(2), np.ones(2))[0])
    assert np.isnan(at_offset_corrected(30.0, pt_gen[:1], np.ones(1), np.ones(1))[0])


def test_a_falling_spectrum_does_not_matter_where_binning_in_pt_would_be_wrong() -> None:
    rng = np.random.default_rng(8)
    n = 400_000
    pt = 10.0 * rng.uniform(1e-6, 1.0, n) ** (-1.0 / 3.0)  # falls as pt^-4
    pt = pt[pt < 400.0]
    n = len(pt)
    response = response_of(pt) * rng.normal(1.0, 0.2, n)
    jets = toy_sample(n, pt_gen=pt, eta_gen=rng.uniform(-0.26, 0.26, n), l1_response=response)
    row = next(row for row in raw_response(jets).rows if "= 30 GeV" in row.where)
    at = np.geomspace(20, 60, 20_001)
    truth = float(np.interp(30.0, at * response_of(at), response_of(at)))
    assert row.measured == pytest.approx(truth, abs=0.006)
    assert row.verdict == (PASS if abs(truth - 0.916) < 0.03 else MISS)
    near = np.abs(np.log(response * pt / 30.0)) < 0.05
    assert np.median(response[near]) > truth + 0.05
