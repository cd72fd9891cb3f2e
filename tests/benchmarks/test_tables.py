"""The tables that benchmarks make of what they measured, on numbers that are known."""

from __future__ import annotations

import importlib

import pytest

from tests.benchmarks.cost import cost_model, facility
from tests.benchmarks.timing import Topic, markdown, reached

NETWORK = Topic("PFN-r network", "us/jet", {"ours, flat": [40.0], "padded": [200.0]}, {"padded": 4.0})
APPLY = Topic(
    "apply, PFN-r Lite",
    "us/jet",
    {
        "apply": [10.0, 12.0, 11.0], "(a) reading its branches, lzma": [89.0] * 3, "(b) layout": [2.0] * 3,
        "(c) features": [3.0] * 3, "(e) output record": [1.0] * 3,
    },
    {"(a) reading its branches, lzma": 10.0},
)  # fmt: skip
OVERHEAD = Topic(
    "overhead of a chunk",
    "ms/chunk",
    {"one worker of a dask cluster": [20.0], "scheduler and client, processor time": [2.0]},
)
SCALING = Topic("dask workers", "us/jet", {"2 workers": [50.0], "1 worker": [97.5]}, {"1 worker": 1.9})
START = Topic(
    "first call, pfn-r-lite", "s", {"first apply, kernels compiled": [3.0], "import coffea.nanoevents": [2.0]}
)
MEMORY = Topic("resident memory", "MB", {"grown": [3.0], "peak": [150.0, 250.0]}, limits={"grown": 10.0, "peak": 200.0})


def rows(table: str) -> dict[str, list[str]]:
    """First cell -> the others, of every row."""
    lines = [line for line in table.splitlines() if line.startswith("|") and not line.startswith("|-")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells}


def test_every_goal_stands_beside_what_was_measured():
    found = rows(reached([NETWORK, APPLY, SCALING, MEMORY]))
    assert found["PFN-r network"] == ["40.0 us/jet", "padded", "200 us/jet", "5", "4", "reached"]
    assert found["apply, PFN-r Lite"][3:] == ["8.09", "10", "missed"]
    assert found["dask workers"][3:] == ["1.95", "1.9", "reached"]
    assert found["resident memory"] == ["250 MB", "peak", "", "", "at most 200", "missed"]
    assert "| grown |  |  | at most 10 | reached |" in reached([MEMORY])
    assert "| PFN-r network | padded | us/jet | 200 | 200 to 200 | 5.00 |" in markdown([NETWORK])


def test_cost_of_ten_thousand_million_events():
    bundled = Topic("apply, bundled models", "us/jet", {"large": [40.0, 50.0, 60.0], "small": [11.0] * 3})
    found = rows(cost_model([bundled, APPLY], events=3.6e9, jets_an_event=1.0))
    assert list(found)[1:] == ["apply with `small`", "apply with `large`", "reading their branches, lzma"]
    assert found["apply with `small`"] == ["11", "90,909", "11"]
    assert found["apply with `large`"] == ["50", "20,000", "50"]


def test_a_facility_on_paper():
    """Chunks of 1,000 events of ten jets: 1 s of work at 100 us a jet, and 20 ms for what is not work."""
    text = facility([APPLY, OVERHEAD, SCALING, START], workers=10, events=3.6e6, jets_an_event=10.0, chunk=1000)
    found = {what: float(value.replace(",", "")) for what, (value,) in rows(text.partition("follows")[2]).items()}
    assert found["3,600 chunks, core hours"] == pytest.approx(1.02)
    assert found["hours on 10 workers"] == pytest.approx((360 * 1.02 + 5) / 3600, rel=1e-2)
    assert found["of these for what is not work, hours"] == pytest.approx((360 * 0.02 + 5) / 3600, rel=1e-2)
    assert found["the scheduler busy in that time, share"] == pytest.approx(0.002 * 10 / 1.02, rel=1e-2)
    assert found["workers that one scheduler could feed"] == pytest.approx(510.0)


@pytest.mark.parametrize("missing", [APPLY, OVERHEAD, SCALING, START])
def test_without_a_measurement_nothing_is_estimated(missing):
    assert facility([topic for topic in (APPLY, OVERHEAD, SCALING, START) if topic is not missing]) == ""


def test_what_is_measured_is_there() -> None:
    """The benchmarks are run by hand; what they take from the package is looked for here."""
    pytest.importorskip("torch")
    assert importlib.import_module("tests.benchmarks.__main__").MODELS
