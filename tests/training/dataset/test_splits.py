"""The first scatters and passes of a training split: nested, whatever the order of the jets."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from training.dataset import first_scatters


def jets() -> tuple[np.ndarray, np.ndarray]:
    """40 scatters of 1 to 4 passes, each event with 1 to 3 jets, in random order."""
    rng = np.random.default_rng(4)
    rows = [
        (1000 * scatter, 1000 * scatter + number)
        for scatter in range(40)
        for number in range(1 + scatter % 4)
        for _ in range(rng.integers(1, 4))
    ]
    scatter, event = np.array(rows).T
    order = rng.permutation(len(scatter))
    return scatter[order], event[order]


def test_fewer_scatters_are_a_part_of_more() -> None:
    scatter, event = jets()
    five, ten = (first_scatters(scatter, event, n, None) for n in (5, 10))
    assert len(np.unique(scatter[five])) == 5
    assert len(np.unique(scatter[ten])) == 10
    assert not (five & ~ten).any()
    # Whole scatters.
    np.testing.assert_array_equal(five, np.isin(scatter, scatter[five]))
    turned = first_scatters(scatter[::-1], event[::-1], 5, None)
    np.testing.assert_array_equal(turned[::-1], five)
    assert first_scatters(scatter, event, None, None).all()
    # Not those of the lowest number.
    assert set(scatter[ten]) != set(range(0, 10000, 1000))


def test_passes_are_the_first_events_of_each_scatter() -> None:
    scatter, event = jets()
    np.testing.assert_array_equal(first_scatters(scatter, event, None, 2), event - scatter < 2)
    both = first_scatters(scatter, event, 10, 2)
    np.testing.assert_array_equal(both, first_scatters(scatter, event, 10, None) & (event - scatter < 2))


def test_more_than_there_are_is_refused() -> None:
    scatter, event = jets()
    with pytest.raises(InputError, match="has 40 hard scatters, fewer than 41"):
        first_scatters(scatter, event, 41, None)
    with pytest.raises(
        InputError, match="no hard scatter has 5 passes with a jet in the training split, the most is 4"
    ):
        first_scatters(scatter, event, None, 5)
