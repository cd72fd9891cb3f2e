"""The mass of two jets: known peaks and widths are found, and groups by resolution gain what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError
from tests.validation.mass.toy import pairs_of_higgs
from training.evaluate.pairs import PERFECT, GeneratorJets, Pairs, judge_pairs, pairs_of, perfect, read_pairs
from training.evaluate.pairs_report import write_pairs


class Scaled:
    """Jets with pT times a factor, and a resolution of their own."""

    def __init__(self, factor: float, resolution: float | None = None) -> None:
        self.factor = factor
        self.resolution = resolution

    def apply(self, events: Any, collection: str) -> Any:
        jets = ak.with_field(events[collection], events[collection].pt * self.factor, "pt")
        if self.resolution is None:
            return jets
        return ak.with_field(jets, ak.full_like(jets.pt, self.resolution), "pt_resolution")


def test_masses_and_resolutions_of_events() -> None:
    found = pairs_of(pairs_of_higgs(300), {"raw": Scaled(1.0), "twice": Scaled(2.0, 0.1)})
    mass, none = found["raw"]
    assert len(mass) == 300
    assert np.isnan(none).all()
    np.testing.assert_allclose(found["twice"][0], 2.0 * mass, rtol=1e-6)
    np.testing.assert_allclose(found["twice"][1], 0.5 * np.hypot(0.1, 0.1), rtol=1e-6)


def test_jets_that_are_too_soft_are_no_pair() -> None:
    assert len(pairs_of(pairs_of_higgs(300), {"low": Scaled(0.2)})["low"][0]) == 0


def test_a_perfect_measurement_has_the_mass_of_the_boson() -> None:
    events = pairs_of_higgs(300)
    found = pairs_of(events, {"raw": Scaled(1.0), "perfect": GeneratorJets()})
    boson = events.GenPart.mass[:, 0].to_numpy()
    np.testing.assert_allclose(found["perfect"][0], boson, rtol=1e-6)
    assert not np.allclose(found["raw"][0], boson, rtol=1e-2)


def test_neutrinos_of_generator_jets_count_where_they_are_asked_for() -> None:
    events = pairs_of_higgs(50)
    with pytest.raises(InputError, match="GenJet has no ptWithNeutrinos: simulate with --neutrinos"):
        GeneratorJets(neutrinos=True).apply(events, "Jet")
    events["GenJet"] = ak.with_field(events.GenJet, 1.25 * events.GenJet.pt, "ptWithNeutrinos")
    pt = GeneratorJets(neutrinos=True).apply(events, "Jet").pt
    np.testing.assert_allclose(ak.flatten(pt), 1.25 * ak.flatten(events.GenJet.pt), rtol=1e-6)


def test_a_file_without_neutrinos_has_visible_generator_jets_only(sample: Path) -> None:
    assert list(perfect(sample)) == [PERFECT[0]]


def test_a_jet_without_a_generator_jet_has_no_perfect_pt() -> None:
    events = pairs_of_higgs(2)
    events["GenJet"] = events.GenJet[:, :1]
    pt = ak.to_numpy(GeneratorJets().apply(events, "Jet").pt)
    assert np.isfinite(pt[:, 0]).all()
    assert np.isnan(pt[:, 1]).all()


def toy(n: int = 20_000) -> Pairs:
    """Half of the pairs are measured with 6 %, half with 18 %; another provider is narrower by a fifth, and 5 % low."""
    rng = np.random.default_rng(4)
    width = np.where(np.arange(n) % 2 == 0, 0.06, 0.18)
    off = rng.normal(0.0, 1.0, n) * width
    known = width * rng.uniform(0.95, 1.05, n)
    return Pairs({"a": 125.0 * (1 + off), "b": 0.95 * 125.0 * (1 + 0.8 * off)}, {"b": known})


def test_peak_width_and_what_groups_gain() -> None:
    found = judge_pairs(toy(), replicas=20)
    a, b = found["a"], found["b"]
    assert a.peak[0] == pytest.approx(125.0, abs=0.5)
    assert b.peak[0] == pytest.approx(0.95 * 125.0, abs=0.5)
    assert b.gain[0] == pytest.approx(0.2, abs=0.02)
    assert b.gain[1] < 0.5 * b.width[1] / b.width[0]
    assert a.grouped is None
    assert b.grouped is not None
    assert b.grouped_gain is not None
    assert b.grouped_gain[0] == pytest.approx(1 - b.grouped[0] / a.width[0])
    # Groups of 6 %, a mixture, 18 %; better than one width, not better than both widths known.
    both = np.sqrt(2.0 / (1 / 0.048**2 + 1 / 0.144**2))
    assert both < b.grouped[0] < 0.85 * b.width[0]


def test_groups_that_know_nothing_gain_nothing() -> None:
    known = toy()
    blind = Pairs(known.mass, {"b": np.random.default_rng(5).uniform(0.05, 0.2, len(known))})
    b = judge_pairs(blind, replicas=5)["b"]
    assert b.grouped is not None
    assert b.grouped[0] == pytest.approx(b.width[0], rel=0.03)


def test_the_report(tmp_path: Path) -> None:
    pairs = {"H to bb": toy(2000)}
    write_pairs(tmp_path / "report", pairs, {name: judge_pairs(one, 5) for name, one in pairs.items()})
    table = (tmp_path / "report" / "pairs.md").read_text().splitlines()
    assert table[2].startswith("| H to bb | 2,000 | a | 12")
    assert table[3].count("±") == 5
    assert (tmp_path / "report" / "pairs.png").stat().st_size > 10_000


def test_few_pairs_are_refused(sample: Path) -> None:
    with pytest.raises(InputError, match="0 pairs of jets of H in 1 files, at least 100 are needed"):
        read_pairs([sample], {"raw": Scaled(1.0)}, progress=False)
