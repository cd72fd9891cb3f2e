"""The sums of constituents, against numpy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from coffea_mljec.nano.momenta import constituent_sums


def plain_sums(index: np.ndarray, offsets: np.ndarray, pt: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    pt, eta, phi = (values[index].astype(np.float64) for values in (pt, eta, phi))
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)
    return np.array([momentum[a:b].sum(0) for a, b in itertools.pairwise(offsets)]).reshape(-1, 3)


@pytest.mark.parametrize("counts", [[0, 1, 19], [0, 0, 255, 0, 1, 1], [256, 256], [700, 0, 3, 40], []])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_sums_equal_numpy(counts: list[int], kind: str) -> None:
    rng = np.random.default_rng(1)
    n = sum(counts)
    pt, eta, phi = rng.exponential(5, n), rng.normal(0, 2, n), rng.uniform(-np.pi, np.pi, n)
    eta[: n // 9], phi[: n // 7] = 0.0, np.pi
    index, offsets = rng.permutation(n), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    table = tuple(values.astype(kind) for values in (pt, eta, phi))
    sums = constituent_sums(index, offsets, *table)
    size = plain_sums(index, offsets, pt, np.abs(eta), np.zeros(n))[:, [0, 0, 2]]
    np.testing.assert_array_less(np.abs(sums - plain_sums(index, offsets, *table)), 1e-6 * size + 1e-30)
    assert (sums[np.diff(offsets) == 0] == 0).all()


def test_one_constituents_momentum() -> None:
    """At any angle: around the turn and within it, forward and backward, down to nothing."""
    phi = np.concatenate([np.linspace(-40, 40, 8001), [np.pi, -np.pi, 1e5, -1e5]])
    eta = np.resize([0.0, 1e-6, -1e-3, 0.5, -2.5, 5.2, -9.9], len(phi))
    pt = np.full(len(phi), 3.0)
    index = np.arange(len(phi))
    sums = constituent_sums(index, np.arange(len(phi) + 1), pt, eta, phi)
    expected = plain_sums(index, np.arange(len(phi) + 1), pt, eta, phi)
    np.testing.assert_allclose(sums[:, :2], expected[:, :2], rtol=0, atol=3e-6)
    np.testing.assert_allclose(sums[:, 2], expected[:, 2], rtol=1e-8, atol=1e-14)


def test_values_that_are_no_numbers_spoil_their_own_jet() -> None:
    bad, n = np.array([np.nan, np.inf, -np.inf]), 12
    columns = {name: np.ones(n) for name in ("pt", "eta", "phi")}
    for i, values in enumerate(columns.values()):
        values[3 * i : 3 * i + 3] = bad
    sums = constituent_sums(np.arange(n), np.arange(n + 1), *columns.values())
    assert not np.isfinite(sums[[0, 1, 2, 6, 7, 8], :2]).any()
    assert np.isnan(sums[3, 2])
    assert (np.arcsinh(sums[4:6, 2]) * [1, -1] > 80).all()  # along the beam
    np.testing.assert_allclose(sums[9:], [[np.cos(1), np.sin(1), np.sinh(1)]] * 3, rtol=1e-6)
