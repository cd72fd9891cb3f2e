"""Leading jets against a plain loop; the coin that tells reference from probe."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.validation.common.pairing import leading_jets, separation, swapped


def test_leading_jets_are_those_of_a_plain_sort() -> None:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 7, 300)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    pt = rng.integers(1, 9, offsets[-1]).astype(np.float64)  # many equal ones
    kept = rng.random(len(pt)) > 0.2
    pt[~kept] = np.nan
    found = leading_jets(pt, offsets, kept)
    for event in range(len(counts)):
        rows = [row for row in range(offsets[event], offsets[event + 1]) if kept[row]]
        wanted = sorted(rows, key=lambda row: (-pt[row], row))[:3]
        assert found[:, event].tolist() == wanted + [-1] * (3 - len(wanted))


def test_the_coin_belongs_to_the_event_and_is_fair() -> None:
    event = np.arange(1, 20_001)
    one = np.ones(len(event), np.int64)
    coin = swapped(one, one, event)
    assert coin.mean() == pytest.approx(0.5, abs=0.02)
    order = np.random.default_rng(1).permutation(len(event))
    np.testing.assert_array_equal(swapped(one, one, event[order]), coin[order])
    parts = [swapped(one[part], one[part], event[part]) for part in (slice(7), slice(7, None))]
    np.testing.assert_array_equal(np.concatenate(parts), coin)
    for other in (swapped(one + 1, one, event), swapped(one, one + 1, event)):
        assert (other == coin).mean() == pytest.approx(0.5, abs=0.02)
    assert len(swapped(one[:0], one[:0], event[:0])) == 0


def test_separation_wraps() -> None:
    first, second = np.array([3.1, -3.1, 0.0, 1.0]), np.array([-3.1, 3.1, 0.0, -1.0])
    np.testing.assert_allclose(separation(first, second), [2 * np.pi - 6.2, 2 * np.pi - 6.2, 0.0, 2.0], atol=1e-12)
