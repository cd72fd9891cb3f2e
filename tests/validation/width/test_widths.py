"""Jets that spread as much as is said, and jets that do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from coffea.processor import accumulate

from coffea_mljec.report import write_report
from coffea_mljec.validation import WidthProcessor, WidthSummary
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.style import style
from coffea_mljec.validation.width.figures import draw_widths
from coffea_mljec.validation.width.sections import about, coverage_table, sections
from coffea_mljec.validation.width.summary import MIN_JETS


class Said:
    """Generator pT smeared by a Gaussian in ln(pT), with a width that is said to be so many times the true one."""

    def __init__(self, times: float | None) -> None:
        self.times = times

    def apply(self, events: ak.Array, collection: str = "Jet") -> ak.Array:
        jets, gen = events[collection], events.GenJet
        true = 0.06 + 0.1 * (np.abs(gen.eta) > 2.5)
        numbers = np.random.default_rng(int(np.asarray(events.event)[0])).normal(size=int(ak.sum(ak.num(gen))))
        pt = gen.pt * np.exp(true * ak.unflatten(numbers, ak.num(gen)))
        jets = ak.with_field(
            ak.with_field(jets, pt, "pt"), ak.values_astype(ak.ones_like(pt), np.uint8), "mljec_status"
        )
        return jets if self.times is None else ak.with_field(jets, true * self.times, "pt_resolution")


@pytest.fixture(scope="module")
def events() -> ak.Array:
    """Each jet on its generator jet; twelve an event, along eta, of 20 to 3000 GeV."""
    rng = np.random.default_rng(5)
    n, each = 3000, 12
    pt = ak.from_numpy(np.exp(rng.uniform(np.log(20), np.log(3000), (n, each))))
    eta = ak.from_numpy(np.tile(np.linspace(-4.9, 4.9, each), (n, 1)) + rng.uniform(-0.05, 0.05, (n, each)))
    phi = ak.from_numpy(rng.uniform(-3, 3, (n, each)))
    gen = ak.from_regular(ak.zip({"pt": pt, "eta": eta, "phi": phi}))
    ids = {"run": np.ones(n, int), "luminosityBlock": np.ones(n, int), "event": np.arange(n)}
    return ak.zip({"Jet": gen, "GenJet": gen, **ids}, depth_limit=1)


@pytest.fixture(scope="module")
def judge() -> WidthProcessor:
    return WidthProcessor({"right": Said(1.0), "twice": Said(2.0), "silent": Said(None)}, replicas=20)


@pytest.fixture(scope="module")
def summary(events: ak.Array, judge: WidthProcessor) -> WidthSummary:
    return judge.summary(judge.process(events))


def test_coverage_of_right_and_wrong_widths(summary: WidthSummary) -> None:
    assert summary.with_width == ["right", "twice"]
    known = [c for c in summary.coverages if c.coverage.value is not None]
    assert len(known) > 25
    for cell in known:
        wanted = {"right": 0.683, "twice": 0.954}[cell.provider]
        assert cell.coverage.value is not None
        assert cell.coverage.error is not None
        assert abs(cell.coverage.value - wanted) < 5 * max(cell.coverage.error, 0.01)
        assert cell.jets >= MIN_JETS


def test_the_measured_width_is_the_true_one(summary: WidthSummary) -> None:
    found = {
        (s.provider, s.region): s.measured.value
        for s in summary.spreads
        if s.measured.value is not None and s.jets > 2000
    }
    # Of the true widths .06 and .16, (Q84 - Q16) / 2 is .9945 times the standard deviation.
    assert found["right", "central"] == pytest.approx(0.06, rel=0.03)
    assert found["twice", "central"] == pytest.approx(0.06, rel=0.03)
    assert found["right", "forward"] == pytest.approx(0.16, rel=0.03)


def test_chunks_add_up(events: ak.Array, judge: WidthProcessor) -> None:
    parts = [judge.process(events[i : i + 1]) for i in range(40)]
    together = accumulate(parts)["events"]
    one_by_one = judge.summary({"events": together})
    assert one_by_one.counts["events"] == 40
    view = together["covered"].view(flow=True)
    assert view.dtype == np.int64
    assert view[0].sum() == together["errors"].view(flow=True)[0].sum() > 500


def test_figures_and_page(summary: WidthSummary, tmp_path: Path) -> None:
    with style():
        drawn = list(draw_widths(summary, Caption("toy", "AK4", "13 TeV", 3000)))
        assert [one.name for one in drawn] == ["width_coverage", "width_measured"]
        for one in drawn:
            one.figure.savefig(tmp_path / f"{one.name}.png")
    assert "silent" not in coverage_table(summary).markdown()
    assert about(summary).endswith("given by right, twice.")
    report = write_report({"widths": summary}, tmp_path / "report", formats=())
    assert "Resolution of each jet" in report.page.read_text()


def test_without_widths_the_page_says_nothing(events: ak.Array) -> None:
    silent = WidthProcessor({"silent": Said(None)}, replicas=2)
    summary = silent.summary(silent.process(events[:20]))
    assert sections(summary) == []
    assert about(summary) == ""
    with style():
        assert list(draw_widths(summary, Caption("toy", None, None, 20))) == []


def test_real_regressions_cover(real_data: Path, open_nano: Callable[..., Any]) -> None:
    """PNet's width on top pairs: a coverage of about .6."""
    from coffea_mljec import NanoRegression

    events = open_nano(real_data / "nano" / "nanoaod_v12_tt_mc.root")
    judge = WidthProcessor({"PNet": NanoRegression("PNet")}, replicas=10)
    summary = judge.summary(judge.process(events))
    central = next(c for c in summary.coverages if c.eta == [0.0, 1.3] and c.pt == [50.0, 100.0])
    assert central.coverage.value is not None
    assert 0.45 < central.coverage.value < 0.75
