"""The call path of this tree beside that of another one: ``python -m tests.benchmarks.against OTHER [--rounds 7]``.

OTHER is a checkout of an older commit (``git worktree add --detach ../base COMMIT``). One process a tree has its
columns in memory; the calls of `tests.benchmarks.call_path` are timed in turn, in processor time, so that a busy
machine slows both alike. The best of all rounds counts, and ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.places import ROOT, SAMPLE

__all__ = ["compare", "markdown"]

_CHILD = ROOT / "tests" / "benchmarks" / "call_path.py"


class _Tree:
    """A process that times calls with the package of one tree."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(_CHILD), str(SAMPLE), str(SAMPLE.parent / "jec")],
            cwd=root,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        )
        self.cases: list[str] = json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process ended with {self.process.wait()}")
        return line

    def seconds(self, case: str) -> float:
        """Processor time of one call."""
        assert self.process.stdin is not None
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        return float(self._line())


def compare(other: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Case -> best processor time in ms: of this tree, of the other."""
    ours, theirs = _Tree(ROOT), _Tree(other.resolve())
    best = {case: (float("inf"), float("inf")) for case in ours.cases}
    for number in range(rounds):
        for case in ours.cases:
            # Each tree begins every other round.
            order = (ours, theirs) if number % 2 else (theirs, ours)
            spent = {tree: 1e3 * tree.seconds(case) for tree in order}
            best[case] = (min(best[case][0], spent[ours]), min(best[case][1], spent[theirs]))
    return best


def markdown(best: dict[str, tuple[float, float]], name: str) -> str:
    """A table of the cases."""
    rows = [f"| {case} | {here:.2f} | {there:.2f} | {here / there:.2f} |" for case, (here, there) in best.items()]
    return "\n".join([f"| ms | now | {name} | ratio |", "|---|---:|---:|---:|", *rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(markdown(compare(arguments.other, arguments.rounds), arguments.other.name))
