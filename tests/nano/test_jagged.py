"""Flat columns in and out of awkward arrays."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.nano.jagged import content_and_offsets, offsets_of, with_columns


@pytest.fixture
def records() -> Any:
    jets = ak.zip({"pt": [[1.0, 2.0], [], [3.0]], "eta": [[0.1, 0.2], [], [0.3]]}, with_name="Thing")
    return ak.with_parameter(jets, "doc", "kept")


def test_content_and_offsets_of_plain_sliced_and_reordered(records: Any) -> None:
    for array, expected in (
        (records.pt, [[1.0, 2.0], [], [3.0]]),
        (records[1:].pt, [[], [3.0]]),
        (records[[2, 0]].pt, [[3.0], [1.0, 2.0]]),
        (records[np.array([True, False, True])].pt, [[1.0, 2.0], [3.0]]),
        (records.pt[records.pt > 1.5], [[2.0], [], [3.0]]),
        (records[:0].pt, []),
    ):
        content, offsets = content_and_offsets(array, "pt")
        assert content.tolist() == [value for row in expected for value in row]
        assert offsets.tolist() == [0, *np.cumsum([len(row) for row in expected])]
        assert offsets_of(array, "pt").tolist() == offsets.tolist()


@pytest.mark.parametrize(
    "array",
    [
        ak.Array([1.0, 2.0]),
        ak.Array([[1.0, None], [2.0]]),
        ak.Array([[1.0], None]),
        ak.Array([[1.0], [[2.0]]]),
        ak.Array([["a"], []]),
    ],
)
def test_anything_but_numbers_in_lists_is_refused(array: Any) -> None:
    with pytest.raises(InputError, match=r"column must (be a plain jagged array|hold one number a row).*got type"):
        content_and_offsets(array, "column")


def test_with_columns_keeps_everything_else(records: Any) -> None:
    for array in (records, records[[2, 0]], records[1:]):
        n = int(ak.sum(ak.num(array)))
        new = with_columns(array, {"pt": np.arange(n, dtype=np.float32), "status": np.full(n, 3, np.uint8)})
        assert ak.to_list(new.eta) == ak.to_list(array.eta)
        assert ak.flatten(new.pt).to_list() == list(range(n))
        assert new.fields == ["pt", "eta", "status"]
        assert new.layout.purelist_parameter("__record__") == "Thing"
        assert ak.to_list(array.pt) != ak.to_list(new.pt)
