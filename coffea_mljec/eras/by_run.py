"""One correction of several tags, each for its runs: a whole era of data in one payload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coffea_mljec.eras.table import campaign_of_run
from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.payload import Level
from coffea_mljec.payloads.run_periods import Runs, in_words, is_within

__all__ = ["ByRun", "by_run"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ByRun:
    """A level that is another one in each stretch of runs.

    Attributes
    ----------
    level : str
    parts : tuple of (Runs, Level)
    """

    level: str
    parts: tuple[tuple[Runs, Level], ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names of what is read."""
        return tuple(dict.fromkeys(("run", *(name for _, level in self.parts for name in level.inputs))))

    def evaluate(self, columns: Mapping[str, FloatArray]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Evaluate each jet by the level of its run; see `FormulaTable.evaluate`.

        Raises
        ------
        PayloadError
            A run outside all parts; the message names the era that has it.
        """
        run = columns["run"]
        factor, covered = np.ones(run.size), np.zeros(run.size, np.bool_)
        left = np.isfinite(run)
        for runs, level in self.parts:
            mine = left & is_within(run, runs)
            if mine.any():
                chosen = {name: columns[name][mine] for name in {*level.inputs, "pt_raw"}}
                factor[mine], covered[mine] = level.evaluate(chosen)
                left &= ~mine
        if left.any():
            self._refuse(run[left])
        return factor, covered

    def _refuse(self, runs: FloatArray) -> None:
        first, last = int(runs.min()), int(runs.max())
        known = in_words(tuple(sorted(stretch for part, _ in self.parts for stretch in part)))
        eras = campaign_of_run(first)
        remedy = (
            f"run {first} is of the era {' or '.join(one.name for one in eras)}"
            if eras
            else f"no era that is known has run {first}"
        )
        raise PayloadError(
            f"{self.level} is for runs {known}, and the events are of runs {in_words(((first, last),))}: {remedy}."
        )


def by_run(parts: Sequence[tuple[Runs, Payload]], tag: str) -> Payload:
    """Put payloads of one algorithm together.

    Raises
    ------
    PayloadError
        They have different levels.
    """
    levels = {payload.levels for _, payload in parts}
    if len(levels) != 1:
        raise PayloadError(f"{tag}: the levels of its periods differ: {'; '.join(', '.join(one) for one in levels)}.")
    stack = tuple(
        ByRun(level, tuple((runs, payload.stack[number]) for runs, payload in parts))
        for number, level in enumerate(levels.pop())
    )
    return Payload(stack, tag, parts[0][1].algorithm)
