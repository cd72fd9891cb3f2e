"""The soak command in small: what it notes, and what it makes of notes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks import soak
from tests.benchmarks.watched import read_notes

CHUNKS = 400


def notes(leak: float = 0.0, sessions: int = 1, last: float = 1.0) -> list[dict[str, Any]]:
    """Two workers that take 0.1 s a chunk, turn by turn; the last tenth `last` times as long; MB leaked a chunk."""
    found, clock = [], 0.0
    for n in range(CHUNKS):
        seconds = 0.1 * (last if n >= 0.9 * CHUNKS else 1.0)
        clock += seconds / 2
        counted = sessions if n % 20 < 2 else None
        found.append({"process": 100 + n % 2, "ended": clock, "seconds": seconds, "jets": 600,
                      "resident": 500 + (n // 2) * leak, "sessions": counted})  # fmt: skip
    return found


def failed(verdict: soak.Verdict) -> list[str]:
    return [what.partition(":")[0] for what, so in verdict.findings.items() if not so]


def test_steady_work_is_found_steady():
    verdict = soak.judged(notes(), 0.0)
    assert failed(verdict) == []
    assert verdict.throughput == pytest.approx([12_000.0] * soak.TENTHS)
    assert verdict.milliseconds == pytest.approx([100.0] * soak.TENTHS)
    assert verdict.sessions == {"100": 1, "101": 1}


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ({"leak": 0.2}, "memory is flat"),  # 0.2 MB in each of a worker's 160 chunks from the second tenth to the last
        ({"sessions": 2}, "one session a process"),
        ({"sessions": 0}, "one session a process"),
        ({"last": 1.2}, "throughput is stable"),
    ],
)
def test_trouble_is_found(trouble, expected):
    verdict = soak.judged(notes(**trouble), 0.0)
    assert failed(verdict) == [expected]
    assert f"NO: {expected}" in soak.report(verdict, True, CHUNKS)


def test_growth_is_that_of_the_worker_that_grew_most():
    uneven = notes()
    for note in uneven[1::2][-20:]:
        note["resident"] += 7.5
    assert soak.judged(uneven, 0.0).growth == 7.5


def test_too_few_chunks_are_no_soak():
    with pytest.raises(ValueError, match="each of two chunks at least: got 19 chunks"):
        soak.judged(notes()[:19], 0.0)


@pytest.mark.slow
def test_some_chunks_on_two_workers(mortal, tmp_path):
    verdict, exact = soak.run(mortal, tmp_path, chunks=24, events=83)
    assert exact
    assert verdict.chunks == 24 == len(read_notes(tmp_path / "chunks.jsonl"))
    assert set(verdict.sessions.values()) == {1}
    assert all(memory > 50 for values in verdict.resident.values() for memory in values)
    page = soak.report(verdict, exact, 2000)
    assert "interrupted after 24 of 2000 chunks" in page
    soak.draw(read_notes(tmp_path / "chunks.jsonl"), verdict, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes()[1:4] == b"PNG"
