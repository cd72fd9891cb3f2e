"""One row of the table of deviations, and one part of the report."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FEW", "MISS", "PASS", "SHOWN", "Part", "Row"]

PASS, MISS, FEW, SHOWN = "pass", "MISS", "too few jets", "shown"


@dataclass(frozen=True)
class Row:
    """A measured number beside its target.

    Attributes
    ----------
    what, where : str
        The quantity and the jets that it is measured on.
    measured : float
    error : float or None
        Statistical; None where there is none (a payload's value, a count).
    target : float or None
    low, high : float or None
        The measured value passes if it lies in [low, high]; None: no limit on this side; both None: only shown.
    source : str
        Of the target and of the limit.
    relative : bool
        The deviation is measured / target - 1, else measured - target.
    unit : str
    digits : int
        After the point.
    precise : float
        The row is judged only if its statistical error is below this part of the limit.
    """

    what: str
    where: str
    measured: float
    error: float | None = None
    target: float | None = None
    low: float | None = None
    high: float | None = None
    source: str = ""
    relative: bool = False
    unit: str = ""
    digits: int = 3
    precise: float = 1.0 / 3.0

    @classmethod
    def within(
        cls, what: str, where: str, measured: float, error: float | None, target: float, limit: float, **more: Any
    ) -> Row:
        """Return a row with a symmetric limit on the deviation (relative if ``relative=True``)."""
        half = limit * abs(target) if more.get("relative") else limit
        return cls(what, where, measured, error, target, target - half, target + half, **more)

    @property
    def deviation(self) -> float | None:
        """Relative or absolute deviation from the target; None without one."""
        if self.target is None or not math.isfinite(self.measured):
            return None
        return self.measured / self.target - 1.0 if self.relative else self.measured - self.target

    @property
    def excess(self) -> float:
        """By how much the limit is exceeded, negative inside, in units of the measured value."""
        below = -math.inf if self.low is None else self.low - self.measured
        above = -math.inf if self.high is None else self.measured - self.high
        return max(below, above)

    @property
    def verdict(self) -> str:
        """``pass``, ``MISS``, ``too few jets`` (the error is no small part of the limit) or ``shown`` (no limit)."""
        if self.low is None and self.high is None:
            return SHOWN
        if not math.isfinite(self.measured) or (self.error is not None and not math.isfinite(self.error)):
            return FEW
        both = self.error is not None and self.low is not None and self.high is not None
        if both and self.error > self.precise * 0.5 * (self.high - self.low):  # type: ignore[operator]
            return FEW
        return PASS if self.excess <= 0.0 else MISS

    @property
    def marginal(self) -> bool:
        """Whether the verdict would turn within two statistical errors."""
        if self.verdict not in (PASS, MISS) or self.error is None:
            return False
        return abs(self.excess) < 2.0 * self.error


@dataclass
class Part:
    """One part of the report.

    Attributes
    ----------
    title, text : str
        Heading, and what is compared with what (Markdown).
    rows : list of Row
        For the table of deviations.
    details : list of Row
        Shown folded, below.
    figures : list of (name, caption, draw)
        ``draw()`` makes the figure, called while the plotting style is in force.
    tables : list of (caption, header, lines)
        Further tables, as text.
    """

    title: str
    text: str
    rows: list[Row] = field(default_factory=list)
    details: list[Row] = field(default_factory=list)
    figures: list[tuple[str, str, Callable[[], Figure]]] = field(default_factory=list)
    tables: list[tuple[str, list[str], list[list[str]]]] = field(default_factory=list)
