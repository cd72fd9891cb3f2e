"""The report's tables: how large a largest deviation is by chance."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate.tables import _largest_by_chance


def test_the_largest_of_many_is_larger_by_chance() -> None:
    # Half of all Gaussian deviations are within 0.6745 standard deviations.
    assert _largest_by_chance([0.01]) == pytest.approx(0.006745, rel=1e-4)
    errors = np.linspace(0.001, 0.004, 17)
    drawn = np.abs(np.random.default_rng(3).normal(size=(40_000, 17)) * errors).max(axis=1)
    assert _largest_by_chance(list(errors)) == pytest.approx(np.median(drawn), rel=0.01)
    # A bin without an error of its own adds nothing.
    assert _largest_by_chance([0.0, 0.01]) == pytest.approx(0.006745, rel=1e-4)
