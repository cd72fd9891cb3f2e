"""Jagged tables: slices, selections, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from training.simulate.batch import Jagged, offsets_of, typed


def table() -> Jagged:
    return Jagged(offsets_of(np.array([2, 0, 3])), {"pt": np.array([5.0, 4.0, 3.0, 2.0, 1.0]), "id": np.arange(5)})


def test_counts_and_events() -> None:
    assert table().counts.tolist() == [2, 0, 3]
    assert table().event.tolist() == [0, 0, 2, 2, 2]
    assert len(table()) == 3


def test_slice_starts_at_zero() -> None:
    part = table().slice(1, 3)
    assert part.offsets.tolist() == [0, 0, 3]
    assert part["id"].tolist() == [2, 3, 4]


def test_select_keeps_empty_events() -> None:
    part = table().select(table()["pt"] < 3.5)
    assert part.offsets.tolist() == [0, 0, 0, 3]
    assert part["pt"].tolist() == [3.0, 2.0, 1.0]


def test_take_reorders_and_repeats_events() -> None:
    part = table().take(np.array([2, 1, 0, 2]))
    assert part["id"].tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert part.counts.tolist() == [3, 0, 2, 3]


def test_concatenate_is_the_inverse_of_slice() -> None:
    whole = Jagged.concatenate([table().slice(0, 1), table().slice(1, 3)])
    assert whole.offsets.tolist() == table().offsets.tolist()
    assert whole["pt"].tolist() == table()["pt"].tolist()


def test_refuses_columns_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"columns \{'pt': 3\} do not have the 2 rows"):
        Jagged(np.array([0, 2]), {"pt": np.zeros(3)})
    with pytest.raises(InputError, match="nothing to concatenate"):
        Jagged.concatenate([])


def test_typed_refuses_another_schema() -> None:
    with pytest.raises(InputError, match=r"missing \['eta'\], not expected \['phi'\]"):
        typed({"pt": np.zeros(1), "phi": np.zeros(1)}, {"pt": "f4", "eta": "f4"})
    assert typed({"pt": np.zeros(1)}, {"pt": "f4"})["pt"].dtype == np.float32
