"""The law of a learning curve: known answers, and an error that covers what trainings scatter by."""

from __future__ import annotations

import numpy as np
import pytest

from training.studies.power_law import fit_power_law

N = np.array([5e3, 1e4, 2e4, 4e4, 8e4])


def made(noise: float, replicas: int = 30, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    value = 0.06 + 0.005 * (N / 5e3) ** -0.4 + noise * rng.normal(size=len(N))
    # The test's own fluctuation is the same at every point, and cancels in the law's shape.
    return value[:, None] + np.concatenate([[0.0], 1e-4 * rng.normal(size=replicas)])[None, :]


def test_a_known_law_comes_back() -> None:
    law = fit_power_law(N, made(0.0))
    assert law is not None
    assert law.exponent == pytest.approx(0.4, abs=0.005)
    assert law.limit == pytest.approx(0.06, abs=5e-5)
    assert law.beyond == pytest.approx(8e5)
    expected = 0.06 + 0.005 * 160**-0.4
    assert law.there == pytest.approx(expected, abs=1e-5)
    assert law.gain == pytest.approx(expected - (0.06 + 0.005 * 16**-0.4), abs=1e-5)
    np.testing.assert_allclose(law(N), made(0.0)[:, 0], rtol=1e-4)
    # What all points share is an error of the level, not of the gain.
    assert law.there_error == pytest.approx(1e-4, rel=0.4)
    assert law.gain_error < 1e-5


def test_numbers_that_rise_have_a_law_too() -> None:
    law = fit_power_law(N, 0.2 - made(0.0))
    assert law is not None
    assert law.amplitude < 0 < law.gain


def test_trainings_that_scatter_make_the_law_uncertain() -> None:
    """In most of many samples the truth is within two errors."""
    truth = 0.06 + 0.005 * 160**-0.4
    laws = [fit_power_law(N, made(5e-5, seed=seed)) for seed in range(40)]
    pulls = [(law.there - truth) / law.there_error for law in laws if law is not None]
    assert np.mean(np.abs(pulls) < 2.0) > 0.75
    assert np.median([law.gain_error for law in laws if law is not None]) > 2e-5


def test_three_sizes_are_too_few() -> None:
    assert fit_power_law(N[:3], made(0.0)[:3]) is None
    assert fit_power_law(np.array([1e4] * 4), made(0.0)[:4]) is None
