"""The kernels of type-1 MET against their twins."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from coffea_mljec.met.propagation import counting_jets, event_bits, propagated_sums


def twin_counting(pt_raw: Any, eta: Any, muons: Any, em: Any, factor: Any, level1: Any) -> np.ndarray:
    raw = np.asarray(pt_raw, float) * (1 - np.asarray(muons, float))
    return (raw * factor > 15) & (em < 0.9) & (abs(eta) < 5.2) & ~np.isnan(level1)


def twin_sums(
    offsets: Any, counting: Any, pt_raw: Any, phi: Any, muons: Any, factor: Any, level1: Any, scale: Any
) -> np.ndarray:
    raw, phi = np.asarray(pt_raw, float), np.asarray(phi, float)
    light = raw * (1 - np.asarray(muons, float))
    added = light * (factor - level1) + (light * factor + raw * muons) * (scale - 1)
    added = np.where(counting, added, 0.0)
    total = [[np.sum((added * np.cos(phi))[a:b]), np.sum((added * np.sin(phi))[a:b])] for a, b in pairwise(offsets)]
    return np.reshape(total, (-1, 2))


def jets(n: int, dtype: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    columns = {
        "pt_raw": rng.uniform(5, 100, n), "eta": rng.uniform(-6, 6, n), "phi": rng.uniform(-np.pi, np.pi, n),
        "muons": np.where(rng.random(n) < 0.5, rng.random(n), 0.0), "em": rng.random(n) * 1.1,
    }  # fmt: skip
    columns["phi"][:4] = [np.pi, -np.pi, 0.0, np.pi + 0.2]
    columns["eta"][4] = 0.0
    return {name: column.astype(dtype) for name, column in columns.items()} | {
        "factor": rng.uniform(0.7, 1.4, n), "level1": rng.uniform(0.5, 1.0, n), "scale": rng.uniform(0.9, 1.1, n)
    }  # fmt: skip


def test_kernels_are_their_twins_to_1e_12() -> None:
    for dtype in (np.float32, np.float64):
        columns = jets(300, dtype)
        columns["factor"][10] = columns["level1"][11] = columns["muons"][12] = columns["em"][13] = np.nan
        chosen = [columns[name] for name in ("pt_raw", "eta", "muons", "em", "factor", "level1")]
        counting = counting_jets(*chosen)
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(counting, twin_counting(*chosen))
        assert 50 < counting.sum() < 250
        assert not counting[10:14].any()
        offsets = np.concatenate([[0, 0], np.sort(np.random.default_rng(4).integers(0, 300, 60)), [300, 300]])
        summed = [columns[name] for name in ("pt_raw", "phi", "muons", "factor", "level1", "scale")]
        got = propagated_sums(offsets, counting, *summed)
        np.testing.assert_allclose(got, twin_sums(offsets, counting, *summed), rtol=1e-12, atol=1e-10)
        assert (got[0] == 0).all()
        assert (got[-1] == 0).all()


def test_thresholds_are_strict() -> None:
    one = np.ones(4)
    pt = np.array([15.0, 15.001, 20.0, 20.0])
    em = np.array([0.0, 0.0, 0.9, 0.8999])
    np.testing.assert_array_equal(counting_jets(pt, 0 * one, 0 * one, em, one, one), [False, True, False, True])
    eta = np.array([5.2, -5.2, 5.19, -5.19])
    np.testing.assert_array_equal(counting_jets(20 * one, eta, 0 * one, 0 * one, one, one), [False, False, True, True])
    # Half of it muons: 20 GeV are left, of which none counts twice.
    np.testing.assert_array_equal(counting_jets(29 * one, 0 * one, one / 2, 0 * one, one, one), [False] * 4)


def test_no_jets_no_events_and_strided_input() -> None:
    empty = np.zeros(0)
    nothing = np.zeros(0, np.bool_)
    assert counting_jets(*[empty] * 6).shape == (0,)
    assert propagated_sums(np.zeros(1, np.int64), nothing, *[empty] * 6).shape == (0, 2)
    assert (propagated_sums(np.zeros(4, np.int64), nothing, *[empty] * 6) == np.zeros((3, 2))).all()
    columns = jets(40, np.float64)
    every = np.ones(20, np.bool_)
    offsets = np.array([0, 5, 20])
    names = ("pt_raw", "phi", "muons", "factor", "level1", "scale")
    strided = propagated_sums(offsets, every, *[columns[name][::2] for name in names])
    np.testing.assert_array_equal(
        strided, propagated_sums(offsets, every, *[columns[name][::2].copy() for name in names])
    )


def test_the_order_of_jets_and_a_rotation_do_not_matter() -> None:
    columns = jets(30, np.float64)
    every = np.ones(30, np.bool_)
    offsets = np.array([0, 30])
    names = ("pt_raw", "phi", "muons", "factor", "level1", "scale")
    before = propagated_sums(offsets, every, *[columns[name] for name in names])[0]
    order = np.random.default_rng(5).permutation(30)
    shuffled = propagated_sums(offsets, every, *[columns[name][order] for name in names])[0]
    np.testing.assert_allclose(shuffled, before, atol=1e-11)
    turned = columns | {"phi": columns["phi"] + 1.0}
    after = propagated_sums(offsets, every, *[turned[name] for name in names])[0]
    x, y = before
    np.testing.assert_allclose(after, [x * np.cos(1) - y * np.sin(1), x * np.sin(1) + y * np.cos(1)], atol=1e-11)


def test_bits_of_an_events_jets_together() -> None:
    bits = np.array([1, 2, 1, 64], np.uint8)
    np.testing.assert_array_equal(event_bits(np.array([0, 0, 2, 4]), bits), [0, 3, 65])
