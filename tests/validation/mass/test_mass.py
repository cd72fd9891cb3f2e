"""Energy and mass of toy jets whose response is known; peaks, pairs, pages, the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from coffea.processor import accumulate

from coffea_mljec.errors import InputError
from coffea_mljec.report import write_report
from coffea_mljec.validation import MassProcessor, MassSummary, Uncorrected
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.style import style
from coffea_mljec.validation.mass.figures import draw_masses
from coffea_mljec.validation.mass.sections import about, markdown
from tests.factories import Tables
from tests.validation.mass.toy import SCALES, large_jets, pairs_of_higgs


class Scaled:
    """Multiplies masses, and leaves pT."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def apply(self, events: ak.Array, collection: str = "FatJet") -> ak.Array:
        jets = events[collection]
        for name in SCALES:
            if name in jets.fields:
                jets = ak.with_field(jets, jets[name] * self.factor, name)
        return ak.with_field(jets, ak.values_astype(ak.ones_like(jets.pt), np.uint16), "mljec_status")


def in_memory(tables: Tables) -> ak.Array:
    return ak.zip(tables.records(), depth_limit=1)


@pytest.fixture(scope="module")
def events() -> ak.Array:
    return in_memory(large_jets())


@pytest.fixture(scope="module")
def judge() -> MassProcessor:
    return MassProcessor({"raw": Scaled(1.0), "up": Scaled(1.1)}, replicas=10)


@pytest.fixture(scope="module")
def summary(events: ak.Array, judge: MassProcessor) -> MassSummary:
    return judge.summary(judge.process(events))


def test_scales_and_resolutions_are_those_of_the_toy(summary: MassSummary) -> None:
    expected = {"energy": (1.0, 0.05), "mass": (0.9, 0.1), "soft drop": (0.85, 0.08)}
    seen = set()
    for one in summary.scales:
        if one.median.value is None or one.jets < 300:
            continue
        median, width = expected[one.quantity]
        median *= 1.1 if one.provider == "up" and one.quantity != "energy" else 1.0
        assert one.median.error is not None
        assert one.median.value == pytest.approx(median, abs=max(5 * one.median.error, 0.015)), one
        # The toy's responses are logarithms of Gaussians: their mode is lower by the square of the width.
        assert one.mode.value is not None
        assert one.mode.error is not None
        wanted = median * np.exp(-(width**2))
        assert one.mode.value == pytest.approx(wanted, abs=max(5 * one.mode.error, 0.015)), one
        assert one.resolution.value == pytest.approx(1.349 * width, rel=0.25), one
        seen.add((one.provider, one.quantity, one.against))
    assert len(seen) == 2 * 3 * 3


def test_peaks_are_measured_against_the_particle(summary: MassSummary) -> None:
    assert {(peak.kind, peak.origin) for peak in summary.peaks} == {("mass", "W"), ("soft drop", "W")}
    whole = {(p.provider, p.kind): p for p in summary.peaks if p.pt == [200.0, None]}
    assert whole["raw", "soft drop"].location.value == pytest.approx(0.85, abs=0.01)
    assert whole["raw", "soft drop"].width.value == pytest.approx(0.08, rel=0.12)
    assert whole["up", "mass"].location.value == pytest.approx(1.02 * 0.9 * 1.1, abs=0.015)
    # At 250 GeV the quarks are 2 m / pT = .64 apart, each .32 from the axis: all are inside.
    assert whole["raw", "mass"].jets == summary.counts["heavy"] > 1300


def test_spectra(summary: MassSummary) -> None:
    found = {(s.provider, s.kind, s.origin): s for s in summary.spectra}
    edges = np.array(summary.edges["spectrum"])
    w = found["raw", "soft drop", "W"]
    assert sum(w.shares) == pytest.approx(1.0, abs=1e-6)
    middle = float(np.dot(w.shares, 0.5 * (edges[1:] + edges[:-1])))
    assert middle == pytest.approx(0.85 * 80.4, abs=1.0)
    assert found["raw", "mass", "other"].jets > 1300


def test_chunks_add_up(events: ak.Array, judge: MassProcessor, summary: MassSummary) -> None:
    parts = accumulate([judge.process(events[start : start + 211]) for start in range(0, len(events), 211)])
    assert judge.summary(parts).to_dict() == summary.to_dict()
    assert parts["events"]["ratio"].view(flow=True).dtype == np.int64


def test_pairs_of_small_jets() -> None:
    n = 400
    judge = MassProcessor({"raw": Scaled(1.0)}, "Jet", replicas=3)
    assert judge.gen_collection == "GenJet"
    assert judge.max_dr == 0.2
    summary = judge.summary(judge.process(pairs_of_higgs(n)))
    assert summary.counts["pairs"] == n
    pair = next(p for p in summary.peaks if p.kind == "pair")
    assert pair.origin == "H"
    assert pair.location.value == pytest.approx(0.9, abs=0.01)
    assert pair.width.value == pytest.approx(0.03, rel=0.2)


def test_figures_and_page(summary: MassSummary, tmp_path: Path) -> None:
    with style():
        drawn = list(draw_masses(summary, Caption("toy", "AK8", "13 TeV", 1500)))
        assert [one.name for one in drawn] == [
            "mass_energy", "mass_mass", "mass_soft_drop", "mass_spectrum_mass", "mass_spectrum_soft_drop",
        ]  # fmt: skip
        for one in drawn:
            one.figure.savefig(tmp_path / f"{one.name}.png")
    assert "soft drop" in markdown(summary)
    assert "hadronic decays of W, Z, H or top" in about(summary)
    page = write_report({"mass": summary}, tmp_path / "report", formats=()).page.read_text()
    assert "Energy and mass" in page
    assert json.loads((tmp_path / "report" / "numbers.json").read_text())["mass"]["peaks"]


def test_bad_input(events: ak.Array) -> None:
    judge = MassProcessor({"raw": Scaled(1.0)}, replicas=0)
    data = events[[name for name in events.fields if name != "GenJetAK8"]]
    with pytest.raises(InputError, match="the events have no GenJetAK8, which the mass of FatJet is compared with"):
        judge.process(data)
    with pytest.raises(InputError, match="pt_edges must be at least two increasing numbers"):
        MassProcessor({"raw": Scaled(1.0)}, pt_edges=(200.0,))

    class Fewer:
        def apply(self, events: ak.Array, collection: str = "FatJet") -> ak.Array:
            return Scaled(1.0).apply(events, collection)[:, :1]

    with pytest.raises(InputError, match="returned other jets than FatJet holds"):
        MassProcessor({"few": Fewer()}, replicas=0).process(events)


def test_without_soft_drop_or_truth_the_rest_is_measured(events: ak.Array) -> None:
    bare = events[[name for name in events.fields if name not in ("GenPart", "SubGenJetAK8")]]
    bare = ak.with_field(bare, bare.FatJet[["pt", "eta", "phi", "mass"]], "FatJet")
    judge = MassProcessor({"raw": Scaled(1.0)}, replicas=2)
    summary = judge.summary(judge.process(bare))
    assert summary.peaks == []
    assert {s.quantity for s in summary.scales if s.jets} == {"energy", "mass"}
    assert {s.origin for s in summary.spectra} == {"other"}


def test_real_large_jets(real_data: Path, open_nano: Callable[..., Any]) -> None:
    judge = MassProcessor({"stored": Uncorrected(raw=False)}, replicas=2, pt_edges=(150.0, 3000.0))
    summary = judge.summary(judge.process(open_nano(real_data / "nano" / "nanoaod_v15_tt_mc.root")))
    energy = next(s for s in summary.scales if s.quantity == "energy" and s.against == "pt")
    assert energy.jets > 50
    assert energy.median.value == pytest.approx(1.0, abs=0.05)
