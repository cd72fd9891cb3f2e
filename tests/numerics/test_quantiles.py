"""The one quantile: against the unbinned sample, against a plain loop, and at its edges."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.quantiles import quantiles
from coffea_mljec.validation.common.binning import RESPONSE_EDGES

QUARTERS = [0.25, 0.5, 0.75]


def twin(counts: np.ndarray, edges: np.ndarray, probability: float) -> float:
    """Interpolate the cumulative distribution, drawn through the bin edges."""
    inner = counts if len(counts) == len(edges) - 1 else counts[1:-1]
    below = 0.0 if len(counts) == len(edges) - 1 else counts[0]
    cumulative = below + np.concatenate([[0], np.cumsum(inner)])
    return float(np.interp(probability * counts.sum(), cumulative, edges))


def sample(kind: str, width: float, size: int = 400_000) -> np.ndarray:
    rng = np.random.default_rng(int(width * 1000))
    if kind == "gaussian":
        return rng.normal(1.0, width, size)
    # A response with an exponential tail on one side, as punch-through and neutrinos make on the low one.
    sign = -1.0 if kind == "low tail" else 1.0
    return rng.normal(1.0, width, size) + sign * rng.exponential(0.75 * width, size)


@pytest.mark.parametrize("width", [0.03, 0.05, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("kind", ["gaussian", "low tail", "high tail"])
def test_response_binning_gives_quantiles_good_to_a_thousandth(kind: str, width: float) -> None:
    values = sample(kind, width)
    counts, _ = np.histogram(values, np.concatenate([[-np.inf], RESPONSE_EDGES, [np.inf]]))
    binned = quantiles(counts, RESPONSE_EDGES, QUARTERS)
    exact = np.quantile(values, QUARTERS)
    np.testing.assert_allclose(binned, exact, rtol=1e-3)
    # The interquartile range is what the resolution is made of, and asks for more than a quantile does.
    assert binned[2] - binned[0] == pytest.approx(exact[2] - exact[0], rel=3e-3)


def test_binning_bias_of_the_narrowest_gaussian_is_what_the_page_says() -> None:
    # Without a sample: exact counts of a Gaussian, at the worst position of its quartiles inside the bins.
    from math import erf, sqrt

    sigma, worst_quartile, worst_range = 0.03, 0.0, 0.0
    for shift in np.linspace(0.0, 0.0025, 11):
        cdf = np.array([0.5 * (1 + erf((edge - 1 - shift) / (sqrt(2) * sigma))) for edge in RESPONSE_EDGES])
        low, high = quantiles(np.diff(cdf), RESPONSE_EDGES, [0.25, 0.75])
        quartile = 0.6744897501960817 * sigma
        worst_quartile = max(worst_quartile, abs(high - 1 - shift - quartile), abs(low - 1 - shift + quartile))
        worst_range = max(worst_range, abs((high - low) / (2 * quartile) - 1))
    assert 0.5e-5 < worst_quartile < 1.9e-5
    assert worst_range < 9e-4


def test_equals_the_plain_twin_on_random_counts() -> None:
    rng = np.random.default_rng(3)
    edges = np.sort(rng.uniform(0, 2, 31))
    for flow in (0, 2):
        counts = rng.poisson(5.0, (4, 3, 30 + flow)) + 1
        if flow:
            counts[..., [0, -1]] = 2
        for probability in (0.1, *QUARTERS, 0.9):
            got = quantiles(counts, edges, probability)
            want = np.array([[twin(row, edges, probability) for row in block] for block in counts])
            np.testing.assert_allclose(got, want, rtol=1e-12)


def test_shape_follows_the_leading_axes_and_the_probabilities() -> None:
    counts = np.ones((2, 3, 4))
    assert quantiles(counts, [0, 1, 2, 3, 4], 0.5).shape == (2, 3)
    assert quantiles(counts, [0, 1, 2, 3, 4], [0.5]).shape == (2, 3, 1)
    assert quantiles(counts[0, 0], [0, 1, 2, 3, 4], 0.5) == 2.0
    assert quantiles(np.ones((0, 4)), [0, 1, 2, 3, 4], QUARTERS).shape == (0, 3)


def test_uniform_counts_end_points_and_gaps() -> None:
    edges = [0.0, 1.0, 2.0, 3.0, 4.0]
    np.testing.assert_allclose(quantiles([0, 4, 0, 4], edges, [0.0, 0.25, 0.5, 0.75, 1.0]), [1.0, 1.5, 2.0, 3.5, 4.0])


def test_empty_is_nan_and_flow_is_unknown() -> None:
    edges = [0.0, 1.0, 2.0]
    assert np.isnan(quantiles([0, 0], edges, 0.5))
    got = quantiles([3, 4, 2, 1], edges, [0.1, 0.5, 0.95])
    assert np.isnan(got[0])
    assert got[1] == pytest.approx(0.5)
    assert np.isnan(got[2])


def test_counts_and_weights_agree_and_scaling_changes_nothing() -> None:
    counts = np.random.default_rng(1).poisson(20, 50)
    edges = np.linspace(0, 2, 51)
    np.testing.assert_allclose(
        quantiles(counts * 0.37, edges, QUARTERS), quantiles(counts, edges, QUARTERS), rtol=1e-12
    )
    assert np.isnan(quantiles(-counts, edges, 0.5))


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(3,\) do not fit 3 bins|shape \(4,\) do not fit 3 bins"):
        quantiles([1, 2, 3, 4], [0, 1, 2, 3], 0.5)
    with pytest.raises(InputError, match="increasing"):
        quantiles([1, 2], [0, 2, 1], 0.5)
    with pytest.raises(InputError, match=r"probabilities must lie in \[0, 1\], got \[25.0\]"):
        quantiles([1, 2], [0, 1, 2], 25)
