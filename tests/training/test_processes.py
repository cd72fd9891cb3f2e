"""Work on many items by several processes."""

from __future__ import annotations

import os

import pytest

from coffea_mljec.errors import InputError
from training.processes import in_order


def _square(number: int) -> tuple[int, int]:
    if number == 13:
        raise InputError("thirteen is not squared")
    return number * number, os.getpid()


def test_results_come_in_order_from_other_processes() -> None:
    found = list(in_order(_square, range(7), 2))
    assert [square for square, _ in found] == [number * number for number in range(7)]
    assert os.getpid() not in {process for _, process in found}
    assert [square for square, _ in in_order(_square, range(7))] == [square for square, _ in found]


def test_errors_pass_through() -> None:
    for workers in (1, 2):
        with pytest.raises(InputError, match="thirteen is not squared"):
            list(in_order(_square, [2, 13], workers))
    with pytest.raises(InputError, match="workers must be 1 or more, got 0"):
        list(in_order(_square, [1], 0))
