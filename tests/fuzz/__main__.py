"""``python -m tests.fuzz --cases 10000 --seed 1 -j 2 -o build/fuzz``, and ``--replay FILE`` for one that failed."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from coffea_mljec.support.progress import progress
from tests.fuzz.case import FAILURES, KINDS, Case, Outcome, save_failure
from tests.fuzz.known import explained
from tests.fuzz.runner import Runner, judged, quiet, shrink, signature
from tests.fuzz.targets import targets

Counts = dict[str, Counter[str]]


def drawn(seed: int, n_cases: int, only: list[str]) -> Iterator[tuple[str, Case]]:
    """Cases in an order that does not depend on how many are asked for: number, case."""
    names = [name for name in targets() if not only or name in only]
    weights = [targets()[name].weight for name in names]
    for number in range(n_cases):
        random = Random(f"{seed}/{number}")
        name = random.choices(names, weights)[0]
        yield f"{seed}/{number}", targets()[name].draw(random)


def fuzz(
    n_cases: int, seed: int, jobs: int, folder: Path, only: list[str], bounds: Path | None = None
) -> tuple[Counts, dict[str, tuple[int, str]]]:
    """Run the cases; keep failing ones, shrunk, one for each cause.

    Returns
    -------
    counts : target -> kind -> number
    causes : signature -> (number of cases, detail)
    """
    counts: Counts = {name: Counter() for name in targets() if not only or name in only}
    failed: list[tuple[str, Case, Outcome]] = []
    with Runner(jobs, bounds) as runner:
        with progress("Fuzzing", n_cases, "cases", note="{bad} failures", bad=0) as bar:
            for number, case, outcome in runner.run(drawn(seed, n_cases, only)):
                counts[case.target][outcome.kind] += 1
                if outcome.failed:
                    failed.append((number, case, outcome))
                bar.advance(bad=len(failed))
        causes: dict[str, tuple[int, str]] = {}
        with progress("Shrinking", len(failed), "cases") as bar:
            for number, case, outcome in failed:
                small, now = shrink(case, outcome, runner) if len(case.mutations) > 1 else (case, outcome)
                name = signature(small, now)
                if name not in causes:
                    save_failure(folder / "failures", small, now, number, name)
                causes[name] = (causes.get(name, (0, ""))[0] + 1, now.detail)
                bar.advance()
    return counts, causes


def table_of(counts: Counts) -> Table:
    table = Table(title="Outcomes", title_justify="left")
    for column in ("target", *KINDS):
        table.add_column(column, justify="left" if column == "target" else "right")
    total: Counter[str] = Counter()
    for name, row in counts.items():
        total += row
        table.add_row(name, *(str(row[kind]) for kind in KINDS))
    table.add_section()
    table.add_row("all", *(str(total[kind]) for kind in KINDS))
    return table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--only", action="append", default=[], choices=list(targets()), help="a target; repeatable")
    parser.add_argument("--bounds", type=int, default=0, help="so many events more, with numba's bounds checking")
    parser.add_argument("--replay", type=Path, help="run one kept case, here")
    given = parser.parse_args()
    console = Console()
    if given.replay:
        quiet()
        case = Case.parse(given.replay.read_text(encoding="utf-8"))
        outcome = judged(case)
        console.print(f"{outcome.kind}: {outcome.where} {outcome.detail}", markup=False, soft_wrap=True)
        return int(outcome.failed)
    counts, causes = fuzz(given.cases, given.seed, given.jobs, given.output, given.only)
    if given.bounds:
        checked = fuzz(given.bounds, given.seed, 1, given.output, ["events"], given.output / "numba")
        counts["events, bounds checked"] = checked[0]["events"]
        causes |= checked[1]
    console.print(table_of(counts))
    for name, (number, detail) in sorted(
        causes.items(), key=lambda item: (FAILURES.index(item[0].split(" | ")[0]), -item[1][0])
    ):
        known = " (known)" if explained(name, detail) else ""
        console.print(f"{number:5d}  {name}{known}\n       {detail[:200]}", markup=False, soft_wrap=True)
    if causes:
        console.print(
            f"failing cases, shrunk: {given.output / 'failures'}; run one again with --replay FILE", markup=False
        )
    return int(bool(causes))


if __name__ == "__main__":
    sys.exit(main())
