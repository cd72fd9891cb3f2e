"""Medians and widths against unbinned twins, and against distributions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.realism.spread import GAUSSIAN, Binned, fill, measure


def plain_core(values: np.ndarray, weight: np.ndarray) -> float:
    """The slow twin: unbinned moments within two sigma, iterated, divided by those of a Gaussian cut there."""
    unit = np.linspace(-2.0, 2.0, 200_001)
    density = np.exp(-0.5 * unit**2)
    cut = np.sqrt(np.average(unit**2, weights=density))
    mean, sigma = np.median(values), np.subtract(*np.quantile(values, [0.75, 0.25])) / GAUSSIAN
    for _ in range(200):
        inside = np.abs(values - mean) < 2.0 * sigma
        mean = np.average(values[inside], weights=weight[inside])
        sigma = np.sqrt(np.average((values[inside] - mean) ** 2, weights=weight[inside])) / cut
    return float(sigma / mean)


def one_cell(values: np.ndarray, weight: np.ndarray | None = None) -> Binned:
    weight = np.ones(len(values)) if weight is None else weight
    return fill(values, weight, np.zeros(len(values), np.int64), 1)


@pytest.mark.parametrize(("mean", "sigma"), [(1.0, 0.05), (0.95, 0.12), (1.0, 0.3)])
def test_a_gaussian_is_found(mean: float, sigma: float) -> None:
    values = np.random.default_rng(1).normal(mean, sigma, 200_000)
    found = measure(one_cell(values))
    assert found.median[0] == pytest.approx(mean, abs=4 * found.median_error[0])
    assert found.core[0] == pytest.approx(sigma / mean, rel=0.01)
    assert found.iqr[0] / GAUSSIAN == pytest.approx(sigma / mean, rel=0.01)


def test_the_core_leaves_out_the_tails_and_the_quartiles_do_not() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(1.0, 0.1, 90_000), rng.uniform(0.0, 0.8, 10_000)])
    found = measure(one_cell(values))
    assert found.core[0] == pytest.approx(0.1, rel=0.12)
    assert found.core[0] == pytest.approx(plain_core(values, np.ones(len(values))), rel=0.003)
    assert found.iqr[0] / GAUSSIAN > 1.1 * found.core[0]
    np.testing.assert_allclose(found.median[0], np.median(values), atol=1e-4)
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    assert found.iqr[0] == pytest.approx((high - low) / middle, rel=1e-3)


def test_weights_count_like_copies() -> None:
    rng = np.random.default_rng(3)
    values, copies = rng.normal(1.0, 0.2, 5000), rng.integers(0, 4, 5000)
    weighted, repeated = measure(one_cell(values, copies.astype(float))), measure(one_cell(np.repeat(values, copies)))
    for name, tolerance in (("median", 1e-12), ("iqr", 1e-12), ("core", 1e-5)):
        # The core is iterated until all resamples stand still, and these differ.
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=tolerance)
    assert weighted.effective[0] == pytest.approx(copies.sum() ** 2 / np.sum(copies**2))
    assert weighted.median_error[0] > repeated.median_error[0]


def test_errors_are_those_of_repeated_samples() -> None:
    rng = np.random.default_rng(4)
    samples = rng.normal(1.0, 0.15, (150, 400))
    cells = np.repeat(np.arange(150), 400)
    found = measure(fill(samples.ravel(), np.ones(samples.size), cells, 150))
    for name in ("median", "iqr", "core"):
        told = np.mean(getattr(found, f"{name}_error"))
        assert told == pytest.approx(np.std(getattr(found, name)), rel=0.25)


def test_a_cell_with_few_jets_has_no_value_and_foreign_jets_do_not_count() -> None:
    values = np.concatenate([np.full(15, 1.0), np.full(50, np.nan), np.full(50, 1.0), np.full(50, 1.0)])
    cell = np.concatenate([np.zeros(15), np.zeros(50), np.full(50, -1), np.full(50, 2)]).astype(np.int64)
    binned = fill(values, np.ones(len(values)), cell, 2)
    assert binned.weights.sum(axis=1).tolist() == [15.0, 0.0]
    assert np.isnan(measure(binned).median).all()
