"""The one matching against a plain numpy twin."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.matching import match, match_flat

OFFSETS = np.array([0, 3, 3, 5])


def twin(eta_1: Any, phi_1: Any, offsets_1: Any, eta_2: Any, phi_2: Any, offsets_2: Any, max_dr: float) -> np.ndarray:
    """Take the closest pair of the whole event, cross out its row and column, repeat."""
    partner = np.full(len(eta_1), -1)
    for event in range(len(offsets_1) - 1):
        left = np.arange(offsets_1[event], offsets_1[event + 1])
        right = np.arange(offsets_2[event], offsets_2[event + 1])
        d_eta = np.subtract.outer(np.asarray(eta_1, float)[left], np.asarray(eta_2, float)[right])
        d_phi = np.subtract.outer(np.asarray(phi_1, float)[left], np.asarray(phi_2, float)[right])
        distance = np.hypot(d_eta, (d_phi + np.pi) % (2 * np.pi) - np.pi)
        distance[np.isnan(distance)] = np.inf
        while distance.size and distance.min() < max_dr:
            i, j = np.unravel_index(np.argmin(distance), distance.shape)
            partner[left[i]] = right[j]
            distance[i, :] = distance[:, j] = np.inf
    return partner


def random_collection(rng: np.random.Generator, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = int(counts.sum())
    offsets = np.concatenate([[0], np.cumsum(counts)])
    # Crowded on purpose, so that nearest neighbours compete.
    return rng.uniform(-0.6, 0.6, n), rng.uniform(-np.pi, np.pi, n) * 0.2 + np.pi, offsets


@pytest.mark.parametrize("max_dr", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_equals_the_numpy_twin(max_dr: float, dtype: type) -> None:
    rng = np.random.default_rng(11)
    eta_1, phi_1, offsets_1 = random_collection(rng, rng.poisson(4.0, 300))
    eta_2, phi_2, offsets_2 = random_collection(rng, rng.poisson(4.0, 300))
    arrays = [array.astype(dtype) for array in (eta_1, phi_1, eta_2, phi_2)]
    got = match_flat(arrays[0], arrays[1], offsets_1, arrays[2], arrays[3], offsets_2, max_dr)
    want = twin(arrays[0], arrays[1], offsets_1, arrays[2], arrays[3], offsets_2, max_dr)
    np.testing.assert_array_equal(got, want)
    matched = got[got >= 0]
    assert len(matched) > 400 * max_dr
    assert len(np.unique(matched)) == len(matched)


def test_nearest_pair_wins_and_its_loser_takes_the_next() -> None:
    # Both jets are nearest to the generator jet at 0; the closer one gets it, the other the one at 0.15.
    partner = match_flat(
        np.array([0.08, 0.01]), np.zeros(2), np.array([0, 2]), np.array([0.0, 0.15]), np.zeros(2), np.array([0, 2])
    )
    assert partner.tolist() == [1, 0]


def test_no_match_is_minus_one_and_rows_are_global() -> None:
    eta = np.array([0.0, 1.0, 2.0, 0.0, 1.0])
    partner = match_flat(eta, np.zeros(5), OFFSETS, eta[:2] + 0.05, np.zeros(2), np.array([0, 1, 1, 2]))
    assert partner.tolist() == [0, -1, -1, -1, 1]


def test_across_the_seam_in_phi_and_at_eta_zero() -> None:
    first = ak.Array([{"jets": [{"eta": 0.0, "phi": np.pi}, {"eta": 0.0, "phi": -np.pi + 0.3}]}]).jets
    second = ak.Array([{"jets": [{"eta": 0.0, "phi": -np.pi + 0.02}, {"eta": 0.0, "phi": 3 * np.pi + 0.25}]}]).jets
    assert match(first, second).tolist() == [[0, 1]]


def test_distance_at_the_radius_is_no_match_and_nan_matches_nothing() -> None:
    one = np.array([0, 1])
    assert match_flat(np.array([0.0]), np.zeros(1), one, np.array([0.25]), np.zeros(1), one, 0.25).tolist() == [-1]
    assert match_flat(np.array([np.nan]), np.zeros(1), one, np.array([0.0]), np.zeros(1), one).tolist() == [-1]


def test_result_does_not_depend_on_the_order_of_either_collection() -> None:
    rng = np.random.default_rng(5)
    eta_1, phi_1, offsets_1 = random_collection(rng, np.array([12]))
    eta_2, phi_2, offsets_2 = random_collection(rng, np.array([15]))
    want = match_flat(eta_1, phi_1, offsets_1, eta_2, phi_2, offsets_2)
    assert (want >= 0).sum() > 5
    for _ in range(5):
        order_1, order_2 = rng.permutation(12), rng.permutation(15)
        got = match_flat(eta_1[order_1], phi_1[order_1], offsets_1, eta_2[order_2], phi_2[order_2], offsets_2)
        named = np.where(got >= 0, order_2[got], -1)
        np.testing.assert_array_equal(named, want[order_1])


def test_non_contiguous_columns() -> None:
    table = np.random.default_rng(2).uniform(-0.3, 0.3, (5, 2))
    partner = match_flat(table[:, 0], table[:, 1], OFFSETS, table[::-1, 0], table[::-1, 1], np.array([0, 2, 2, 5]))
    want = twin(table[:, 0], table[:, 1], OFFSETS, table[::-1, 0], table[::-1, 1], np.array([0, 2, 2, 5]), 0.2)
    np.testing.assert_array_equal(partner, want)


def test_awkward_wrapper_keeps_the_shape_and_gives_indices_within_the_event() -> None:
    first = ak.zip({"eta": [[0.0, 1.0], [], [2.0]], "phi": [[0.0, 0.0], [], [0.0]]})
    second = ak.zip({"eta": [[1.01, 0.01], [0.0], [0.5, 2.01]], "phi": [[0.0, 0.0], [0.0], [0.0, 0.0]]})
    index = match(first, second)
    assert index.tolist() == [[1, 0], [], [1]]
    assert ak.type(index).content.content.primitive == "int64"
    mask = np.array([True, False, True])
    assert match(first[mask], second[mask]).tolist() == [[1, 0], [1]]


def test_no_events_and_no_objects() -> None:
    empty = ak.zip({"eta": [[0.0]], "phi": [[0.0]]})
    assert match(empty[:0], empty[:0]).tolist() == []
    none = ak.zip({"eta": empty.eta[empty.eta > 9], "phi": empty.phi[empty.eta > 9]})
    assert match(none, empty).tolist() == [[]]
    assert match(empty, none).tolist() == [[-1]]


def test_bad_input_is_refused() -> None:
    jets = ak.zip({"eta": [[0.0]], "phi": [[0.0]]})
    with pytest.raises(InputError, match=r"1 and 0 events.*same event mask"):
        match(jets, jets[:0])
    with pytest.raises(InputError, match="max_dr must be a positive distance, got 0"):
        match(jets, jets, 0.0)
    with pytest.raises(InputError, match="second collection to match has no eta and phi"):
        match(jets, ak.zip({"pt": [[1.0]]}))
    with pytest.raises(InputError, match=r"first collection.*one list of objects per event.*drop_none"):
        match(ak.zip({"eta": [[None]], "phi": [[0.0]]}), jets)
