"""What counts as a move on a cluster, and what is said where there is none."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from coffea_mljec.errors import WorkerError
from coffea_mljec.workers import watch
from tests.patience import PATIENCE


class Scheduler:
    """One worker, as a scheduler tells of it."""

    def __init__(self, **states: dict[str, Any]) -> None:
        self.scheduler = SimpleNamespace(identity=lambda: {"workers": states})

    def sync(self, function: Callable[[], Any], callback_timeout: float) -> Any:
        return function()


@pytest.mark.parametrize(
    ("counts", "status", "beats", "gathering", "expected"),
    [
        ({"executing": 1}, "running", True, False, None),
        ({"ready": 3}, "running", True, False, None),
        ({"memory": 3}, "running", True, True, None),
        ({"executing": 1}, "paused", True, False, None),
        ({"ready": 3}, "paused", True, False, r"worker a is paused because its memory is full \(1\.9 of 2\.0 GB\)"),
        ({"memory": 3}, "running", True, False, "worker a is running and has nothing to do"),
        ({"executing": 1}, "running", False, False, r"worker a is not heard of \(it was stopped"),
        ({"memory": 1}, "running", False, True, r"worker a is not heard of"),
    ],
)
def test_what_moves(monkeypatch, counts, status, beats, gathering, expected):
    now = 0.0
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now))
    state: dict[str, Any] = {"status": status, "last_seen": 0.0, "memory_limit": 2_000_000_000}
    state["metrics"] = {"task_counts": counts, "memory": 1_900_000_000}
    watched = watch.Watch(Scheduler(a=state), 40.0)
    said = None
    while said is None and now < 60:
        now += 1
        state["last_seen"] += beats
        try:
            watched.look("1 of 6 chunks are done", gathering)
        except WorkerError as error:
            said = str(error)
    if expected is None:
        assert said is None
    else:
        assert re.match(f"nothing has moved on the cluster for 40 s and 1 of 6 chunks are done: {expected}", said or "")
        assert now <= 40 + 40 / 5 + 2 * 40 / watch.LOOKS


def test_a_scheduler_that_is_silent(monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    client = Scheduler()
    client.scheduler = None  # as of a client that is about to connect again
    watched = watch.Watch(client, 40.0)
    for _ in range(4):
        watched.look("1 of 6 chunks are done")
    with pytest.raises(WorkerError, match="are done: its scheduler does not answer"):
        watched.look("1 of 6 chunks are done")


def test_within():
    assert watch.within(PATIENCE, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        watch.within(PATIENCE, lambda: 1 // 0)
    gate = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer for 0\.01 s"):
        watch.within(0.01, gate.wait)
    looks: list[float] = []

    def look() -> None:
        looks.append(time.monotonic())
        if len(looks) == 3:
            gate.set()

    assert watch.within(0.01, lambda: gate.wait() and 5, look) == 5
    assert len(looks) >= 3
