"""The kernels under the networks against numpy: dense layers in panels, logarithms of columns, sums of jets' rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from coffea_mljec.models.kernels.lanes import LANES
from coffea_mljec.models.kernels.panels import NO_FLOOR, dense, packed, padded_width
from coffea_mljec.models.kernels.rows import symlog_columns
from coffea_mljec.models.weights import NO_COLUMNS, Columns, Dense, Layers, add_jet_sums, on_rows
from coffea_mljec.numerics.jit import njit

WIDTHS = (1, LANES - 1, LANES, LANES + 1, 2 * LANES, 2 * LANES + 3, 3 * LANES, 4 * LANES, 5 * LANES)
RELU = np.float32(0)


@njit()
def one_layer(x, stride, n_rows, n_in, weights, biases, width, floor, out):
    dense(x, stride, n_rows, n_in, weights, 0, biases, 0, width, floor, out)


@njit()
def logarithms(rows, stride, n, index, scale):
    symlog_columns(rows, stride, n, index, scale, np.empty(n, np.float32))


def layer(n_in: int, n_out: int, seed: int = 1) -> Dense:
    rng = np.random.default_rng(seed)
    return Dense(rng.normal(size=(n_in, n_out)).astype(np.float32), rng.normal(size=n_out).astype(np.float32))


@pytest.mark.parametrize("n_out", WIDTHS)
def test_dense_equals_numpy_for_every_number_of_rows(n_out: int) -> None:
    rng = np.random.default_rng(n_out)
    for n_in in (1, 7, 40):
        own = layer(n_in, n_out)
        weights, biases = packed(own.weight, own.bias)
        width = padded_width(n_out)
        for n_rows in (1, 2, 5, 6, 7, 8, 9, 15, 16, 17, 50):
            x = rng.normal(size=(n_rows, n_in + 2)).astype(np.float32)  # rows further apart than they are wide
            wanted = x[:, :n_in].astype(np.float64) @ own.weight + own.bias
            for floor in (RELU, NO_FLOOR):
                out = np.full(n_rows * width + 5, 77.0, np.float32)
                one_layer(x.ravel(), n_in + 2, n_rows, n_in, weights, biases, width, floor, out)
                got = out[: n_rows * width].reshape(n_rows, width)
                np.testing.assert_allclose(got[:, :n_out], np.maximum(wanted, floor), rtol=1e-5, atol=1e-5)
                assert not got[:, n_out:].any()
                assert (out[n_rows * width :] == 77.0).all()  # nothing is written beyond the last row


def test_a_row_does_not_depend_on_where_it_stands() -> None:
    own = layer(23, 3 * LANES)
    x = np.random.default_rng(3).normal(size=(61, 23)).astype(np.float32)
    layers = Layers.of([own])
    whole = on_rows(x, NO_COLUMNS, layers, RELU)
    for row in range(len(x)):
        np.testing.assert_array_equal(on_rows(x[row : row + 1], NO_COLUMNS, layers, RELU)[0], whole[row])


def test_not_a_number_stays_in_its_row() -> None:
    x = np.ones((20, 5), np.float32)
    x[3, 2] = np.nan
    got = on_rows(x, NO_COLUMNS, Layers.of([layer(5, 9), layer(9, 4)]), RELU)[:, :4]
    assert np.isnan(got[3]).all()
    assert np.isfinite(np.delete(got, 3, axis=0)).all()


def test_logarithms_of_columns() -> None:
    values = np.concatenate([[0.0, -0.0, 1e-45, 1e-8, 3e38, 1.0, 0.41421356], np.geomspace(1e-10, 1e38, 4000)]).astype(
        np.float32
    )
    values = np.concatenate([values, -values])
    for scale in (1.0, 0.25):
        table = np.stack([values, values / 3, values], axis=1)
        rows = table.ravel().copy()
        logarithms(rows, 3, len(values), np.array([2, 0]), np.array([scale, 0.1], np.float32))
        got = rows.reshape(-1, 3)
        np.testing.assert_array_equal(got[:, 1], table[:, 1])
        for column, size in ((2, scale), (0, 0.1)):
            x = (values * np.float32(size)).astype(np.float64)
            # 1 + |x| is rounded, as in the graph
            wanted = np.sign(x) * np.log(np.float32(1) + np.abs(x).astype(np.float32), dtype=np.float64)
            np.testing.assert_allclose(got[:, column], wanted, rtol=2e-7, atol=1e-9)


def test_logarithms_of_what_is_not_finite() -> None:
    rows = np.array([np.inf, -np.inf, np.nan, 1.0], np.float32)
    logarithms(rows, 1, 4, np.array([0]), np.ones(1, np.float32))
    assert np.isnan(rows[:3]).all()
    assert rows[3] == pytest.approx(np.log(2), rel=1e-6)


@pytest.mark.parametrize(
    "counts", [(), (0,), (1,), (0, 3, 0), (95, 1, 97), (300,), (0, 0, 96, 96, 0), (40, 0, 200, 7, 0)]
)
def test_sums_of_jets_across_tiles(counts: tuple[int, ...]) -> None:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    x = np.random.default_rng(5).normal(size=(offsets[-1], 6)).astype(np.float32)
    dense_layers = [layer(6, 10, 1), layer(10, 5, 2)]
    out = np.zeros((len(counts), 3 + padded_width(5)), np.float32)
    out[:, :3] = 1.0
    columns = Columns(np.array([4]), np.array([2.0], np.float32))
    add_jet_sums(x, offsets, columns, Layers.of(dense_layers), RELU, out, 3)
    y = x.astype(np.float64)
    y[:, 4] = np.sign(y[:, 4]) * np.log1p(np.abs(y[:, 4] * 2))
    for own in dense_layers:
        y = np.maximum(y @ own.weight + own.bias, 0)
    wanted = np.array([y[a:b].sum(axis=0) for a, b in pairwise(offsets)]).reshape(-1, 5)
    np.testing.assert_allclose(out[:, 3:8], wanted, rtol=2e-5, atol=1e-4)
    assert (out[:, :3] == 1.0).all()
    # The same, and behind it the sums weighted with a feature.
    both = np.zeros((len(counts), 3 + 2 * padded_width(5)), np.float32)
    add_jet_sums(x, offsets, columns, Layers.of(dense_layers), RELU, both, 3, shares=x[:, 1])
    np.testing.assert_array_equal(both[:, 3 : 3 + padded_width(5)], out[:, 3:])
    y *= x[:, 1:2]
    wanted = np.array([y[a:b].sum(axis=0) for a, b in pairwise(offsets)]).reshape(-1, 5)
    at = 3 + padded_width(5)
    np.testing.assert_allclose(both[:, at : at + 5], wanted, rtol=2e-5, atol=1e-4)


@pytest.mark.parametrize("counts", [(), (0,), (1,), (0, 3, 0), (95, 1, 97), (0, 0, 96, 96, 0)])
def test_rows_hear_their_jet_and_are_kept(counts: tuple[int, ...]) -> None:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rng = np.random.default_rng(7)
    x = rng.normal(size=(offsets[-1], 6)).astype(np.float32)
    dense_layers = [layer(6, 10, 1), layer(10, 5, 2)]
    heard = np.zeros((len(counts), padded_width(10)), np.float32)
    heard[:, :10] = rng.normal(size=(len(counts), 10))
    out = np.zeros((len(counts), padded_width(5)), np.float32)
    kept = np.full((len(x), padded_width(5)), np.nan, np.float32)
    add_jet_sums(x, offsets, NO_COLUMNS, Layers.of(dense_layers), RELU, out, 0, heard=heard, kept=kept)
    # The twin: what the jet says is added before the first layer's ReLU.
    said = np.repeat(heard[:, :10].astype(np.float64), counts, axis=0)
    y = np.maximum(x @ dense_layers[0].weight.astype(np.float64) + dense_layers[0].bias + said, 0)
    y = np.maximum(y @ dense_layers[1].weight + dense_layers[1].bias, 0)
    np.testing.assert_allclose(kept[:, :5], y, rtol=2e-5, atol=1e-5)
    wanted = np.array([y[a:b].sum(axis=0) for a, b in pairwise(offsets)]).reshape(-1, 5)
    np.testing.assert_allclose(out[:, :5], wanted, rtol=2e-5, atol=1e-4)
