"""Coverage of the intervals that models give: right ones hold 68 %, narrow ones less, lopsided ones are seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec import MLJEC, FactorizedJEC
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.style import style
from coffea_mljec.validation.width.figures import draw_widths
from tests.training.evaluate.test_evaluate import toy
from training.evaluate.jets import EvaluatedJets
from training.evaluate.weights import replicas_of
from training.evaluate.widths import gives_interval, read_widths, widths_of, widths_text
from training.evaluate.workflow import _rounded

WIDTH = 0.1


def made(n: int = 30_000) -> EvaluatedJets:
    """Generator pT off by a Gaussian in ln(pT) from what a model says; the interval right, too narrow, or moved."""
    jets = toy(n)
    error = np.random.default_rng(3).normal(0.0, WIDTH, n)
    said = jets["pt_gen"] * np.exp(error)
    centre = said / jets["pt_raw"]
    ends = {"right": (-1.0, 1.0), "narrow": (-0.5, 0.5), "moved": (-0.5, 1.5)}
    intervals = {
        name: np.stack([centre * np.exp(WIDTH * low), centre * np.exp(WIDTH * high)], axis=1)
        for name, (low, high) in ends.items()
    }
    # Of some jets nothing is said.
    intervals["right"][:1000] = np.nan
    return replace(jets, pt=dict.fromkeys(ends, said), intervals=intervals)


def test_the_share_within_the_interval_is_found_in_every_bin() -> None:
    jets = made()
    summary = widths_of(jets, replicas_of(jets, 10))
    assert summary is not None
    assert summary.with_width == ["right", "narrow", "moved"]
    expected = {"right": 0.683, "narrow": 0.383, "moved": 0.625}
    pulls = [
        (cell.coverage.value - expected[cell.provider]) / cell.coverage.error
        for cell in summary.coverages
        if cell.coverage.value is not None and cell.coverage.error
    ]
    assert len(pulls) > 30
    assert np.std(pulls) < 2
    # The width is that of the interval; a moved one has the right size.
    for provider, times in (("right", 1.0), ("narrow", 2.0), ("moved", 1.0)):
        spreads = [s for s in summary.spreads if s.provider == provider and s.measured.value is not None]
        assert spreads
        for one in spreads:
            given = WIDTH if provider != "narrow" else WIDTH / 2
            assert one.given[0] <= given <= (one.given[1] or 9)
            assert one.measured.value == pytest.approx(times * given, rel=0.1)
    right = sum(cell.jets for cell in summary.coverages if cell.provider == "right")
    narrow = sum(cell.jets for cell in summary.coverages if cell.provider == "narrow")
    assert right < narrow


def test_the_report_has_a_line_a_provider_and_a_table() -> None:
    jets = made(8000)
    summary = widths_of(jets, replicas_of(jets, 4))
    assert summary is not None
    text = widths_text(summary)
    assert "- narrow: 3" in text
    assert "0 of them within 1.5 of 68.3" in text
    assert "| 0-1.3 | 30-50 | right |" in text


def test_the_numbers_are_kept_for_the_figures(tmp_path: Path) -> None:
    jets = made(8000)
    summary = widths_of(jets, replicas_of(jets, 4))
    assert summary is not None
    again = read_widths(json.loads(json.dumps(_rounded(summary.to_dict()))))
    assert len(again.coverages) == len(summary.coverages)
    values = [(a.coverage.value, b.coverage.value) for a, b in zip(again.coverages, summary.coverages, strict=True)]
    assert all(a == b if a is None or b is None else a == pytest.approx(b, rel=1e-4) for a, b in values)
    with style():
        names = [drawing.name for drawing in draw_widths(again, Caption("toy"))]
    assert names == ["width_coverage", "width_measured"]


def test_models_without_a_width_have_no_coverage(sample_jec: list[Path]) -> None:
    assert not gives_interval(MLJEC("jet-bdt"))
    assert not gives_interval(FactorizedJEC.from_txt([str(path) for path in sample_jec], name="standard"))
    jets = toy(100)
    assert widths_of(jets, replicas_of(jets, 2)) is None
