"""Several ways to do one thing, timed in turn, and the table that they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Topic", "Way", "in_turn", "markdown", "reached"]


@dataclass(frozen=True)
class Way:
    """One way to do it: what is called, and how many units (jets, mostly) a call treats."""

    call: Callable[[], Any]
    units: int


@dataclass(frozen=True)
class Topic:
    """What several ways took, a number a round; the first way is ours.

    Attributes
    ----------
    name, unit : str
    values : dict of str to list of float
        Way -> one number a round, in ``unit``. Ways of one round were measured one after the other.
    goals : dict of str to float
        Way -> what it should take over what ours takes, at least.
    limits : dict of str to float
        Way -> what it may take at most, in ``unit``.
    note : str
        What the numbers need to be understood.
    """

    name: str
    unit: str
    values: Mapping[str, Sequence[float]]
    goals: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        """The first way."""
        return next(iter(self.values))

    def median(self, way: str) -> float:
        """Median over the rounds."""
        return float(np.median(self.values[way]))

    def ratio(self, way: str) -> float:
        """What a way takes over what ours takes: median of the rounds' own ratios."""
        return float(np.median(np.divide(self.values[way], self.values[self.ours])))

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        ways = {
            way: {"rounds": [float(value) for value in values], "median": self.median(way), "ratio": self.ratio(way)}
            for way, values in self.values.items()
        }
        return {"name": self.name, "unit": self.unit, "ways": ways, "goals": dict(self.goals),
                "limits": dict(self.limits), "note": self.note}  # fmt: skip


def in_turn(
    ways: Mapping[str, Way], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Return way -> microseconds a unit in every round.

    Each way is called once before, to compile and to warm up. The ways take turns within a round, so that a busy
    machine hits all alike. The clock counts the processor time of this process unless told otherwise: what else runs
    on the machine then changes caches and frequencies only.
    """
    for way in ways.values():
        way.call()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = clock()
            way.call()
            times[name].append(1e6 * (clock() - start) / max(way.units, 1))
    return times


def markdown(topics: Sequence[Topic]) -> str:
    """One table of all topics: median, spread (least to most), ratio to ours; the notes below it."""
    lines = ["| what | way | unit | median | spread | x ours |", "|---|---|---|---:|---:|---:|"]
    for topic in topics:
        for way, values in topic.values.items():
            ratio = "" if way == topic.ours else f"{topic.ratio(way):.2f}"
            spread = f"{_figure(min(values))} to {_figure(max(values))}"
            lines.append(f"| {topic.name} | {way} | {topic.unit} | {_figure(topic.median(way))} | {spread} | {ratio} |")
    notes = [f"- {topic.name}: {topic.note}" for topic in topics if topic.note]
    return "\n".join([*lines, "", *notes]) + "\n"


def reached(topics: Sequence[Topic]) -> str:
    """A table of all goals, each with what was measured beside it."""
    lines = ["| what | ours | against | theirs | x ours | goal | |", "|---|---:|---|---:|---:|---:|---|"]
    for topic in topics:
        for way, goal in topic.goals.items():
            ours, theirs = (f"{_figure(topic.median(which))} {topic.unit}" for which in (topic.ours, way))
            ratio = topic.ratio(way)
            cells = (topic.name, ours, way, theirs, f"{ratio:.3g}", f"{goal:.3g}", _word(ratio >= goal))
            lines.append(f"| {' | '.join(cells)} |")
        for way, limit in topic.limits.items():
            most = max(topic.values[way])
            cells = (topic.name, f"{_figure(most)} {topic.unit}", way, "", "", f"at most {limit:g}")
            lines.append(f"| {' | '.join(cells)} | {_word(most <= limit)} |")
    return "\n".join(lines) + "\n"


def _word(so: bool) -> str:
    return "reached" if so else "missed"


def _figure(value: float) -> str:
    """Three digits that count, or whole numbers."""
    if value == 0 or not np.isfinite(value):
        return str(value)
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{digits}f}"
