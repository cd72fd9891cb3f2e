"""Which constituents a network reads, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.features import select
from coffea_mljec.nano.flat import Constituents

NAN = float("nan")


def constituents() -> Constituents:
    """Jets with 0, 1 and many constituents, equal ones, NaN and weights at the limit; a permuted index."""
    pt = [5.0, 7.0, -9.0, 7.0, NAN, 1.0, 3.0, 2.0, 8.0, 0.0]
    weight = [1.0, 0.01, 1.0, 0.5, 1.0, 0.0, 0.0099, 1.0, NAN, 1.0]
    index = np.array([7, 0, 1, 2, 3, 4, 5, 6, 8, 9])
    columns = {"pt": np.array(pt, np.float32), "puppi_weight": np.array(weight, np.float32)}
    columns["on_link"] = np.arange(20, dtype=np.float32)
    return Constituents(columns, index, np.array([0, 0, 1, 8, 10]), frozenset({"on_link"}), np.arange(10) + 10)


def plain(order_by: str, minimum: float | None, at_most: int | None) -> list[list[int]]:
    given = constituents()
    out = []
    for first, last in zip(given.offsets[:-1], given.offsets[1:], strict=True):
        rows = list(range(first, last))
        key = {i: abs(float(given.columns[order_by][given.rows(order_by)[i]])) for i in rows}
        rows.sort(key=lambda i: (np.isnan(key[i]), -key[i] if not np.isnan(key[i]) else 0.0))
        if minimum is not None:
            rows = [i for i in rows if float(given.columns["puppi_weight"][given.index[i]]) >= minimum]
        out.append(rows[:at_most])
    return out


@pytest.mark.parametrize("order_by", ["pt", "on_link"])
@pytest.mark.parametrize("minimum", [None, 0.0, 0.01])
@pytest.mark.parametrize("at_most", [None, 1, 3])
def test_twin(order_by: str, minimum: float | None, at_most: int | None) -> None:
    given, expected = constituents(), plain(order_by, minimum, at_most)
    got = select(given, order_by, minimum, at_most)
    np.testing.assert_array_equal(np.diff(got.offsets), [len(rows) for rows in expected])
    flat = np.array([i for rows in expected for i in rows], np.int64)
    np.testing.assert_array_equal(got.index, given.index[flat])
    assert got.links is not None
    assert given.links is not None
    np.testing.assert_array_equal(got.links, given.links[flat])
    assert got.columns is given.columns


def test_no_jets() -> None:
    empty = Constituents({"pt": np.zeros(0, np.float32)}, np.zeros(0, np.int64), np.zeros(1, np.int64))
    got = select(empty, "pt", at_most=5)
    assert (got.index.tolist(), got.offsets.tolist(), got.links) == ([], [0], None)
