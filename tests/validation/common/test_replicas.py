"""Bootstrap replicas: Poisson(1), independent, and a pure function of the event's identity."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.validation.common.replicas import poisson_weights, seed_of

N = 60_000
IDENTITY = (
    np.ones(N, np.uint32),
    (np.arange(N) // 500 + 1).astype(np.uint32),
    np.arange(1, N + 1).astype(np.uint64),
)


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return poisson_weights(*IDENTITY)


def twin_mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def test_equals_a_plain_numpy_twin() -> None:
    golden = np.uint64(0x9E3779B97F4A7C15)
    run, block, event = (part[:200].astype(np.uint64) for part in IDENTITY)
    state = twin_mix(np.array([7], np.uint64) + golden)
    state = twin_mix(twin_mix(twin_mix(state ^ run) + block) ^ event)
    columns = []
    for _ in range(5):
        state = state + golden
        uniform = (twin_mix(state) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        cumulative = np.cumsum([math.exp(-1.0) / math.factorial(n) for n in range(18)])
        columns.append(np.searchsorted(cumulative, uniform, side="right"))
    got = poisson_weights(run, block, event, replicas=5, seed=7)
    np.testing.assert_array_equal(got, np.stack(columns, axis=1))


def test_golden_values() -> None:
    # Frozen from this implementation: accumulated histograms of different versions must stay comparable.
    got = poisson_weights([1, 1, 355100], [1, 2, 77], [1, 1, 2**40], replicas=8, seed=seed_of("a dataset"))
    assert got.tolist() == [
        [1, 0, 0, 2, 3, 1, 0, 0],
        [1, 2, 3, 0, 3, 0, 2, 1],
        [1, 0, 0, 1, 1, 0, 2, 2],
    ]


def test_mean_variance_and_distribution_are_poisson(weights: np.ndarray) -> None:
    values = weights.astype(float)
    error = 1.0 / math.sqrt(values.size)
    assert abs(values.mean() - 1.0) < 4 * error
    assert abs(values.var() - 1.0) < 4 * error * math.sqrt(3.0)  # the fourth central moment of Poisson(1) is 4
    for n in range(6):
        expected = math.exp(-1.0) / math.factorial(n)
        found = np.mean(weights == n)
        assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / values.size)


def test_replicas_and_neighbouring_events_are_independent(weights: np.ndarray) -> None:
    limit = 5.0 / math.sqrt(N)
    between_replicas = np.corrcoef(weights.T) - np.eye(weights.shape[1])
    assert np.abs(between_replicas).max() < limit
    for distance in (1, 2, 500):
        for replica in (0, 13, 29):
            pair = np.corrcoef(weights[distance:, replica], weights[:-distance, replica])
            assert abs(pair[0, 1]) < limit


@pytest.mark.parametrize("pieces", [2, 7, 100])
def test_same_for_any_chunking(weights: np.ndarray, pieces: int) -> None:
    cuts = np.array_split(np.arange(2_000), pieces)
    chunked = np.concatenate([poisson_weights(*(part[rows] for part in IDENTITY)) for rows in cuts])
    np.testing.assert_array_equal(chunked, weights[:2_000])


def test_order_integer_type_and_number_of_replicas_do_not_matter(weights: np.ndarray) -> None:
    rows = np.random.default_rng(1).permutation(1000)
    signed = [part[rows].astype(np.int64) for part in IDENTITY]
    np.testing.assert_array_equal(poisson_weights(*signed, replicas=12), weights[rows, :12])


def test_every_part_of_the_identity_and_the_seed_matter(weights: np.ndarray) -> None:
    rows = slice(500, 4000)  # where run and luminosity block differ, so that swapping them changes something
    run, block, event = (part[rows] for part in IDENTITY)
    others = [
        poisson_weights(run + 1, block, event),
        poisson_weights(run, block + 1, event),
        poisson_weights(run, block, event + 1_000_000),
        poisson_weights(block, run, event),
        poisson_weights(run, block, event, seed=1),
    ]
    for other in others:
        assert abs(np.corrcoef(other.ravel(), weights[rows].ravel())[0, 1]) < 5.0 / math.sqrt(other.size)


def test_no_events_and_no_replicas() -> None:
    none = np.zeros(0, np.uint64)
    assert poisson_weights(none, none, none).shape == (0, 30)
    assert poisson_weights([1], [1], [1], replicas=0).shape == (1, 0)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="of one length"):
        poisson_weights([1], [1, 2], [1])
    with pytest.raises(InputError, match=r"must be integers.*float64"):
        poisson_weights([1], [1], [1.5])
    with pytest.raises(InputError, match="0 or more, got -1"):
        poisson_weights([1], [1], [1], replicas=-1)
