"""The fuzzer's own judgement: what counts as wrong, what is shrunk, which jets a broken row touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.status import Status
from tests.fuzz.case import Case, Outcome
from tests.fuzz.judging import FREE, MUST, Numbers, compare, outcome_of
from tests.fuzz.runner import shrink
from tests.fuzz.targets.tables import Broken, apply_operation
from tests.fuzz.world import tables_of

APPLIED = int(Status.APPLIED)


def numbers(factor: list[float], status: list[int] | None = None, identity: list[int] | None = None) -> Numbers:
    values = np.array(factor, np.float32)
    given = [APPLIED] * len(factor) if status is None else status
    names = list(range(len(factor))) if identity is None else identity
    return Numbers(np.array(names), 30 * values, values, np.array(given))


BEFORE = numbers([1.1, 0.9, 1.0])


@pytest.mark.parametrize(
    ("found", "touched", "kind"),
    [
        (BEFORE, {}, "right"),
        (numbers([1.0, 0.9], identity=[2, 1]), {}, "right"),
        (numbers([1.1, 0.9000001, 1.0]), {}, "silent"),
        (numbers([1.1, 0.9, 1.0], [APPLIED, 64, APPLIED]), {}, "silent"),
        (numbers([1.1, 0.9, 1.0], [APPLIED, 64, APPLIED]), {1: MUST}, "flagged"),
        (numbers([1.1, 1.0, 1.0], [APPLIED, 64, APPLIED]), {1: MUST}, "flagged"),
        (numbers([1.1, 0.9000001, 1.0]), {1: MUST}, "silent"),
        (numbers([1.1, 1.2, 1.0]), {1: FREE}, "right"),
        (numbers([1.1, 25.0, 1.0]), {1: FREE}, "silent"),
        (numbers([1.1, np.inf, 1.0]), {1: FREE}, "silent"),
        (numbers([1.1, 0.0, 1.0]), {1: MUST}, "silent"),
        (numbers([1.1, np.nan, 1.0], [APPLIED, 64, APPLIED]), {1: MUST}, "flagged"),
        (numbers([1.1, 0.9, 1.0, 1.0]), {}, "silent"),
    ],
)
def test_jet_by_jet(found: Numbers, touched: dict[int, int], kind: str) -> None:
    assert compare(found, BEFORE, touched).kind == kind


def test_errors() -> None:
    assert outcome_of(InputError("said")).kind == "clear error"
    assert outcome_of(KeyError("x")).kind == "foreign"
    chained = InputError("said")
    chained.__cause__ = OSError(28, "No space left on device")
    assert outcome_of(chained).kind == "foreign"
    chained = InputError("said")
    chained.__context__ = OSError(28, "No space left on device")
    assert outcome_of(chained).kind == "foreign"
    chained.__suppress_context__ = True
    assert outcome_of(chained).kind == "clear error"


class Fake:
    """Fails as long as two mutations are there together."""

    def run(self, cases: Iterable[tuple[Any, Case]]) -> Iterator[tuple[Any, Case, Outcome]]:
        for name, case in cases:
            names = {mutation[0] for mutation in case.mutations}
            yield name, case, Outcome("silent" if {"a", "c"} <= names else "right")


def test_shrinking() -> None:
    case = Case("events", {}, [["x"], ["a"], ["y"], ["c"], ["z"]])
    small, outcome = shrink(case, Outcome("silent"), Fake())  # type: ignore[arg-type]
    assert [mutation[0] for mutation in small.mutations] == ["a", "c"]
    assert outcome.kind == "silent"
    assert Case.parse(small.text()) == small


def test_which_jets_a_row_touches() -> None:
    """By the links of the file, asked the other way round."""
    tables = tables_of("pfnano")
    links, event = tables.tables["JetPFCands"], 1
    first, last = tables.offsets("JetPFCands")[event : event + 2]
    for link in (first, last - 1):
        broken = Broken(tables, "Jet", True)
        row = int(links["pFCandsIdx"][link] + tables.offsets("PFCands")[event])
        apply_operation(broken, ["set", "PFCands", "pt", row, "nan"])
        jet = int(links["jetIdx"][link] + tables.offsets("Jet")[event])
        assert broken.touched[jet] == MUST
        same = np.flatnonzero(links["pFCandsIdx"][first:last] == links["pFCandsIdx"][link])
        assert len(broken.touched) == len(same)
    broken = Broken(tables, "Jet", True)
    apply_operation(broken, ["event", "fixedGridRhoFastjetAll", event, "inf"])
    begin, end = tables.offsets("Jet")[event : event + 2]
    assert broken.touched == dict.fromkeys(range(begin, end), MUST)
