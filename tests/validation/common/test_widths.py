"""Location and width of binned distributions: against the unbinned sample, against a fit, against exact integrals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.stats import norm

from coffea_mljec.errors import InputError
from coffea_mljec.validation.common.binning import RESPONSE_EDGES
from coffea_mljec.validation.common.folding import folded_width
from coffea_mljec.validation.common.widths import ESTIMATORS, gaussian_core, location_and_width
from coffea_mljec.validation.dijet.processor import ASYMMETRY_EDGES


def gaussian_counts(mean: float, sigma: float, edges: np.ndarray) -> np.ndarray:
    """Expected contents of a Gaussian, with underflow and overflow."""
    return np.diff(norm.cdf(edges, mean, sigma), prepend=0.0, append=1.0) * 1e6


@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.25])
@pytest.mark.parametrize("window", [1.5, 2.0, 3.0])
def test_core_of_a_gaussian_is_the_gaussian(sigma: float, window: float) -> None:
    mean, width = gaussian_core(gaussian_counts(0.97, sigma, RESPONSE_EDGES), RESPONSE_EDGES, window)
    assert mean == pytest.approx(0.97, abs=0.002 * sigma)
    assert width == pytest.approx(sigma, rel=0.002)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5])
def test_bins_of_a_quarter_of_sigma_cost_less_than_a_per_cent(estimator: str, shift: float) -> None:
    sigma = 0.05
    edges = np.arange(-2.0, 2.0, sigma / 4)
    mean = shift * sigma / 4
    location, width = location_and_width(gaussian_counts(mean, sigma, edges), edges, estimator)
    assert width == pytest.approx(sigma, rel=0.01)
    assert location == pytest.approx(mean, abs=0.01 * sigma)


def test_core_agrees_with_a_least_squares_fit_and_ignores_tails() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(1.0, 0.08, 40_000), rng.exponential(0.3, 2_000) + 1.15])
    counts, _ = np.histogram(values, RESPONSE_EDGES)
    mean, width = gaussian_core(counts, RESPONSE_EDGES, 1.5)
    centres, h = 0.5 * (RESPONSE_EDGES[1:] + RESPONSE_EDGES[:-1]), np.diff(RESPONSE_EDGES)
    inside = np.abs(centres - mean) < 1.5 * width

    def density(x: np.ndarray, scale: float, m: float, s: float) -> np.ndarray:
        return scale * norm.pdf(x, m, s)

    errors = np.sqrt(np.maximum(counts[inside], 1.0)) / h[inside]
    fitted, covariance = curve_fit(density, centres[inside], counts[inside] / h[inside], (4e4, 1.0, 0.08), errors)
    assert abs(mean - fitted[1]) < 2.0 * np.sqrt(covariance[1, 1])
    assert abs(width - fitted[2]) < 2.0 * np.sqrt(covariance[2, 2])
    assert width == pytest.approx(0.08, rel=0.03)
    assert np.std(values) > 0.12


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_binned_width_is_that_of_the_sample(estimator: str) -> None:
    values = np.random.default_rng(5).normal(0.02, 0.09, 20_000)
    counts, _ = np.histogram(values, np.concatenate([[-np.inf], ASYMMETRY_EDGES, [np.inf]]))
    location, width = location_and_width(counts, ASYMMETRY_EDGES, estimator)
    q = np.quantile(values, [0.25, 0.5, 0.75])
    wanted = {"quantile": (q[1], (q[2] - q[0]) / 1.34898), "rms": (values.mean(), values.std()), "core": (0.02, 0.09)}
    assert location == pytest.approx(wanted[estimator][0], abs=1.5e-3)
    assert width == pytest.approx(wanted[estimator][1], rel=0.015)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_many_at_once_and_empty_ones(estimator: str) -> None:
    empty = np.zeros(len(RESPONSE_EDGES) + 1)
    stack = np.stack([*(gaussian_counts(1.0, s, RESPONSE_EDGES) for s in (0.05, 0.1)), empty])
    location, width = location_and_width(stack, RESPONSE_EDGES, estimator)
    for row in (0, 1):
        alone = location_and_width(stack[row], RESPONSE_EDGES, estimator)
        assert (location[row], width[row]) == pytest.approx([float(part) for part in alone], rel=1e-5)
    assert np.isnan(location[2])
    assert np.isnan(width[2])


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"between 1 and 4 sigma, got 0\.1"):
        gaussian_core(np.ones(3), np.arange(4.0), 0.1)
    with pytest.raises(InputError, match="unknown estimator 'mad'; choose one of quantile, core, rms"):
        location_and_width(np.ones(3), np.arange(4.0), "mad")
    with pytest.raises(InputError, match="do not fit 3 bins"):
        gaussian_core(np.ones(7), np.arange(4.0))


def histogram(values: np.ndarray) -> np.ndarray:
    return np.histogram(values, np.concatenate([[-np.inf], ASYMMETRY_EDGES, [np.inf]]))[0][None]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_folding_takes_a_peaked_imbalance_away_where_quadrature_fails(estimator: str) -> None:
    rng = np.random.default_rng(11)
    imbalance = rng.laplace(0.0, 0.08, 200_000)
    smeared = imbalance + rng.normal(0.0, 0.09, len(imbalance))
    wide, narrow = histogram(smeared), histogram(imbalance)
    (found,) = folded_width(wide, narrow, ASYMMETRY_EDGES, estimator)
    assert found == pytest.approx(0.09, rel=0.02)
    widths = [location_and_width(part, ASYMMETRY_EDGES, estimator)[1][0] for part in (wide, narrow)]
    quadrature = np.sqrt(widths[0] ** 2 - widths[1] ** 2)
    if estimator == "rms":
        assert found == pytest.approx(quadrature, rel=1e-12)
    else:
        assert quadrature > 1.1 * 0.09


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_folding_of_gaussians_is_quadrature_and_nothing_left_is_nan(estimator: str) -> None:
    wide, narrow = (gaussian_counts(0.0, s, ASYMMETRY_EDGES)[None] for s in (0.1, 0.06))
    assert folded_width(wide, narrow, ASYMMETRY_EDGES, estimator) == pytest.approx([0.08], rel=0.01)
    assert np.isnan(folded_width(narrow, wide, ASYMMETRY_EDGES, estimator)).all()
    assert np.isnan(folded_width(0 * wide, wide, ASYMMETRY_EDGES, estimator)).all()
