"""Networks judged on dijets by the truth: a known width is found, squeezing gains nothing, errors are paired."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet
from training.dataset import PreparedJets
from training.dataset.dijets import Dijets
from training.evaluate.dijets import judge
from training.evaluate.dijets_report import write_report

WIDTH = 0.1


def sample(n: int = 6000, truth: bool = True) -> tuple[Dijets, np.ndarray]:
    """Pairs whose jets are measured with 10 %, quarks 2 % above gluons; and the ln of what each is off by."""
    rng = np.random.default_rng(1)
    pt_gen = np.repeat(np.exp(rng.uniform(np.log(60), np.log(1000), n)), 2) * np.exp(rng.normal(0, 0.04, 2 * n))
    flavour = rng.choice([1, 21], 2 * n)
    off = rng.normal(0, WIDTH, 2 * n) + np.where(flavour == 1, 0.01, -0.01)
    columns = {
        "pt_raw": pt_gen * np.exp(off), "pt_gen": pt_gen if truth else np.full(2 * n, np.nan), "flavour": flavour,
        "eta_gen": rng.uniform(-2.5, 2.5, 2 * n), "scatter": np.repeat(np.arange(n), 2),
    }  # fmt: skip
    jets = PreparedJets(columns, {}, FeatureSet.from_names({"jet": ("pt",)}), {})
    return Dijets(jets, pt_gen.reshape(-1, 2).mean(axis=1), np.zeros(n, np.int64), np.zeros((n, 2)), {}), off


def test_known_numbers_are_found() -> None:
    dijets, off = sample()
    found = judge(
        dijets, {"none": np.zeros(len(off)), "half": -0.5 * off, "low": np.full(len(off), -0.03)}, replicas=20
    )
    none, half, low = found["none"], found["half"], found["low"]
    assert none.values["jer"] == pytest.approx(100 * WIDTH, rel=0.03)
    assert none.values["flavours"] == pytest.approx(2.0, abs=0.8)
    # The balance has the generator's own imbalance subtracted, and both agree.
    assert none.values["jer_dijets"] == pytest.approx(100 * WIDTH, rel=0.04)
    assert half.values["jer"] == pytest.approx(50 * WIDTH, rel=0.04)
    assert half.gain["jer"] == pytest.approx(none.values["jer"] - half.values["jer"])
    assert low.values["median"] == pytest.approx(np.exp(-0.03), abs=0.004)
    assert low.values["closure"] > 2.5
    # The same jets: a shift of all has hardly any error of its own, though the width has.
    assert abs(low.gain["jer"]) < 0.01
    assert low.gain_error["jer"] < 0.1 * low.errors["jer"]


def test_events_of_one_scatter_are_drawn_together() -> None:
    dijets, off = sample(1500)
    alone = judge(dijets, {"none": 0 * off}, replicas=60)["none"].errors["median"]
    columns = dijets.jets.columns | {"scatter": np.repeat(np.arange(1500) // 50, 2)}
    # A common shift of all events of a scatter, as another jet beside would make it.
    columns["pt_raw"] = columns["pt_raw"] * np.exp(0.05 * np.sin(columns["scatter"]))
    together = replace(dijets, jets=replace(dijets.jets, columns=columns))
    assert judge(together, {"none": 0 * off}, replicas=60)["none"].errors["median"] > 1.5 * alone


def test_squeezing_gains_nothing() -> None:
    dijets, off = sample()
    squeezed = -0.4 * np.log(dijets.jets.columns["pt_raw"] / 250.0)
    found = judge(dijets, {"none": np.zeros(len(off)), "squeezed": squeezed}, replicas=5)
    assert found["squeezed"].values["jer"] == pytest.approx(found["none"].values["jer"], rel=0.06)
    assert found["squeezed"].values["jer_dijets"] < 0.8 * found["none"].values["jer_dijets"]


def test_without_truth_or_jets_there_is_no_judging() -> None:
    with pytest.raises(InputError, match="these dijets were read without it: read them with truth"):
        judge(sample(200, truth=False)[0], {"none": np.zeros(400)})
    with pytest.raises(InputError, match=r"no bin of pT and \|eta\| has 100 of 40 jets: give more events"):
        judge(sample(20)[0], {"none": np.zeros(40)})


def test_the_report_has_every_network_and_sample(tmp_path: Path) -> None:
    dijets, off = sample(1500)
    results = {name: judge(dijets, {"before": 0 * off, "after": -0.1 * off}, replicas=3) for name in ("one", "other")}
    write_report(tmp_path, results, {"one": 1500, "other": 1500})
    content = json.loads((tmp_path / "dijets.json").read_text())["results"]
    assert set(content) == {"one", "other"}
    table = (tmp_path / "dijets.md").read_text().splitlines()
    assert len(table) == 2 + 4
    assert table[3].startswith("| one (1,500 events) | after | ")
    assert (tmp_path / "dijets.png").stat().st_size > 10_000
    # One sample alone is drawn network by network.
    write_report(tmp_path / "alone", {"one": results["one"]}, {"one": 1500})
    alone, both = (imread(folder / "dijets.png").shape for folder in (tmp_path / "alone", tmp_path))
    assert alone[1] > 1.2 * both[1]
