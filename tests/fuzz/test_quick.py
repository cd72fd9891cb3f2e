"""The quick part of the fuzzer: fixed seeds, and the known causes, which go from their table when they are mended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from random import Random

import awkward as ak
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.case import Case, Outcome
from tests.fuzz.judging import outcome_of
from tests.fuzz.known import KNOWN, explained
from tests.fuzz.runner import judged, quiet, signature
from tests.fuzz.targets import targets
from tests.fuzz.world import corrector, in_memory, tables_of

pytest.importorskip("onnx", reason="the fuzzer writes graphs")
pytestmark = [pytest.mark.filterwarnings("ignore")]
N_CASES = {
    "events": 6, "models": 5, "payloads": 8, "checkpoints": 5, "commands": 3, "met": 4, "weaver": 4, "servers": 12,
}  # fmt: skip
QUICK = ("memory", "parquet")
"""Ways to open a file that take no second; `python -m tests.fuzz` takes all of them."""
bounded = settings(
    max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


class Hangs(BaseException):
    """Nothing catches it."""


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """A test that hangs fails; ten minutes are generous on any machine."""

    def late(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, late), signal.getsignal(signal.SIGXFSZ)
    signal.alarm(600)
    quiet()
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before[0])
    signal.signal(signal.SIGXFSZ, before[1])


def check(case: Case) -> None:
    """A case ends well, or its smallest failing part is a known cause."""
    if case.setup.get("via", "memory") not in QUICK:
        case = Case(case.target, case.setup | {"via": "memory"}, case.mutations)
    outcome = judged(case)
    if not outcome.failed:
        return
    small = case
    for mutation in case.mutations:
        fewer = small.with_mutations(other for other in small.mutations if other is not mutation)
        again = judged(fewer)
        if (again.kind, again.where) == (outcome.kind, outcome.where):
            small, outcome = fewer, again
    name = signature(small, outcome)
    assert explained(name, outcome.detail), f"{name}\n{outcome.detail}\n{small.text()}"


@pytest.mark.parametrize("name", N_CASES)
def test_fixed_seeds(name: str) -> None:
    for number in range(N_CASES[name]):
        check(targets()[name].draw(Random(f"quick/{name}/{number}")))


@bounded
@given(st.randoms(use_true_random=False))
def test_events_by_hypothesis(random: Random) -> None:
    """The same cases, drawn and shrunk by hypothesis."""
    check(targets()["events"].draw(random))


@pytest.mark.parametrize("name", KNOWN)
def test_known_causes(name: str) -> None:
    """As a strict expected failure, each with its own pattern: what is mended has to go from the table."""
    known = KNOWN[name]
    hangs = known.pattern.startswith("hang")
    signal.alarm(3 if hangs else 600)
    try:
        outcome = judged(known.case)
    except Hangs:
        outcome = Outcome("hang")
    assert outcome.failed, f"{name!r} is mended ({outcome.kind}: {outcome.detail}): remove it from tests/fuzz/known.py"
    text = f"{signature(known.case, outcome)} :: {outcome.detail}"
    assert explained(*text.split(" :: ", 1)), text


@bounded
@given(st.data())
def test_arbitrary_arrays(data: st.DataObject) -> None:
    """Any array for events, for the jets, or for a quantity of the event: an error of the package, or a number."""
    odd = pytest.importorskip("hypothesis_awkward.strategies", reason="arrays by hypothesis-awkward")
    array = data.draw(odd.constructors.arrays(max_size=12))
    name = data.draw(st.sampled_from(["events", "Jet", "fixedGridRhoFastjetAll", "PFCands", "JetPFCands", "SV"]))
    events = in_memory(tables_of("pfnano"))
    if name == "events":
        events = array
    else:
        array = array[np.arange(len(events)) % len(array)] if len(array) else ak.Array([None] * len(events))
        events = ak.with_field(events, array, name)
    for provider in ("pfn", "standard"):
        try:
            corrector(provider).apply(events)
        except Exception as error:
            outcome = outcome_of(error)
            assert not outcome.failed or explained(f"foreign | events | {outcome.where}", outcome.detail), outcome
