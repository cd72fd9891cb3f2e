"""Work on many items by several processes."""

from __future__ import annotations

import os
import signal

import pytest

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.workers.pool import in_order


def _square(number: int) -> tuple[int, int]:
    if number == 13:
        raise InputError("thirteen is not squared")
    if number == 17:
        os.kill(os.getpid(), signal.SIGKILL)
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


def test_a_consumer_may_stop_early() -> None:
    results = in_order(_square, range(100), 2)
    assert next(results)[0] == 0
    results.close()


def test_a_killed_process_is_an_error_that_names_what_was_under_way() -> None:
    with pytest.raises(
        WorkerError, match=r"a process died while (\d+, )?17.* were under way .*fewer --workers"
    ) as error:
        list(in_order(_square, [2, 3, 17, 4], 2))
    assert not isinstance(error.value, OSError)
    assert error.value.__cause__ is None
