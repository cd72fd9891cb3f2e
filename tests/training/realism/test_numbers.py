"""Composition, separation, pileup, closure and counts against plain twins and known answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.payloads import read_text
from tests.training.realism.toys import toy_sample
from training.realism.closure import closure
from training.realism.composition import composition, weighted_means
from training.realism.pileup import offset, pileup, rho_slope
from training.realism.row import FEW, MISS, PASS
from training.realism.size import cell_counts, size
from training.realism.substructure import roc_area, substructure


def test_weighted_means_and_their_errors() -> None:
    rng = np.random.default_rng(10)
    values, weight, cell = rng.normal(2.0, 1.0, 500), rng.uniform(0.0, 2.0, 500), rng.integers(-1, 3, 500)
    mean, error = weighted_means(values, weight, cell, 4)
    for number in range(3):
        v, w = values[cell == number], weight[cell == number]
        assert mean[number] == pytest.approx(np.average(v, weights=w))
        assert error[number] == pytest.approx(np.sqrt(np.sum((w * (v - mean[number])) ** 2)) / w.sum())
    assert np.isnan(mean[3])


def test_the_composition_is_judged_within_the_tracker() -> None:
    n = 4000
    shares = {"chHEF": 0.62, "neEmEF": 0.26, "neHEF": 0.17, "chEmEF": 0.0, "muEF": 0.0}
    jets = toy_sample(n, **{name: np.full(n, value) for name, value in shares.items()})
    part = composition(jets)
    verdicts = {row.what: row.verdict for row in part.rows}
    assert verdicts == {
        "energy fraction, charged hadrons": PASS,
        "energy fraction, photons, em HF": PASS,
        "energy fraction, neutral hadrons, had HF": MISS,
    }
    assert all("1.3" in row.where for row in part.rows)
    charged = [row.deviation for row in part.rows if "charged" in row.what]
    assert charged == pytest.approx([-0.03] * 8, abs=1e-6)


def test_the_roc_area_is_the_share_of_pairs() -> None:
    rng = np.random.default_rng(11)
    quark, gluon = rng.poisson(8, 60).astype(float), rng.poisson(10, 50).astype(float)
    w_quark, w_gluon = rng.uniform(0.5, 2.0, 60), rng.uniform(0.5, 2.0, 50)
    larger = (gluon[:, None] > quark) + 0.5 * (gluon[:, None] == quark)
    pairs = w_gluon[:, None] * w_quark
    area, error = roc_area(quark, w_quark, gluon, w_gluon)
    assert area == pytest.approx(np.sum(pairs * larger) / pairs.sum())
    areas = [
        roc_area(rng.poisson(8, 60).astype(float), np.ones(60), rng.poisson(10, 50).astype(float), np.ones(50))[0]
        for _ in range(400)
    ]
    assert error == pytest.approx(np.std(areas), rel=0.3)
    assert np.isnan(roc_area(quark[:0], w_quark[:0], gluon, w_gluon)[0])


def test_the_direction_of_every_separation() -> None:
    rng = np.random.default_rng(12)
    n = 6000
    flavour = rng.choice([1, 21], n)
    gluon = flavour == 21
    jets = toy_sample(
        n, flavour=flavour, eta_gen=rng.uniform(-1, 1, n), pt_gen=rng.uniform(80, 120, n),
        multiplicity=rng.poisson(20 + 10 * gluon), ptD=rng.normal(0.4 - 0.05 * gluon, 0.1),
        axis2=rng.normal(0.05 - 0.01 * gluon, 0.01),
    )  # fmt: skip
    rows = {row.what: row for row in substructure(jets).rows if "80-120" in row.where}
    assert rows["ROC area of multiplicity"].verdict == PASS
    assert rows["ROC area of ptD"].measured > 0.6
    assert rows["ROC area of axis2"].verdict == MISS, "these gluons are narrower"


def test_rho_against_interactions() -> None:
    rng = np.random.default_rng(13)
    n_pu = rng.poisson(35, 4000).astype(float)
    rho = 1.5 + 0.66 * n_pu + rng.normal(0, 0.1 * n_pu)
    slope, error, intercept = rho_slope(n_pu, rho)
    np.testing.assert_allclose([slope, intercept], np.polyfit(n_pu, rho, 1), rtol=1e-9)
    assert slope == pytest.approx(0.66, abs=4 * error)
    slopes = []
    for _ in range(200):
        again = rng.poisson(35, 4000).astype(float)
        slopes.append(rho_slope(again, 0.66 * again + rng.normal(0, 0.1 * again))[0])
    assert error == pytest.approx(np.std(slopes), rel=0.25)
    assert np.isnan(rho_slope(np.full(5, 30.0), np.arange(5.0))[0])
    with pytest.raises(InputError, match="at least 3 events, got 2"):
        rho_slope(n_pu[:2], rho[:2])


def test_the_offset_is_the_first_level_alone(sample_jec: list[Path]) -> None:
    payload = read_text(sample_jec)
    first = read_text([path for path in sample_jec if "L1FastJet" in path.name])
    same = {"pt_raw": np.full(2, 30.0), "rho": np.full(2, 20.0), "area": np.full(2, 0.5), "eta": np.array([0.0, 3.6])}
    wanted = 30.0 * (1.0 - first.evaluate(same)[0])
    np.testing.assert_allclose(offset(payload, same["eta"], 20.0, 0.5, 30.0), wanted)
    rows = {row.what: row for row in pileup(toy_sample(), payload).rows}
    assert rows["rho an interaction (GeV)"].measured == pytest.approx(0.66)
    assert rows["rho an interaction (GeV)"].verdict == PASS
    assert rows["L1 offset (GeV)"].measured == pytest.approx(wanted[1])


def test_closure_names_the_bin_that_does_not_close() -> None:
    rng = np.random.default_rng(14)
    n = 300_000
    eta, pt = rng.uniform(-5, 5, n), np.exp(rng.uniform(np.log(15.0), np.log(300.0), n))
    off = (np.abs(eta) > 2.5) & (np.abs(eta) < 2.8) & (pt > 50) & (pt < 100)
    jets = toy_sample(n, pt_gen=pt, eta_gen=eta, response=rng.normal(1.0 + 0.02 * off, 0.05))
    rows = closure(jets, independent=True).rows
    missed = [row for row in rows if row.verdict == MISS]
    assert len(missed) == 1
    assert "2.5-2.8, pt_gen 50-100" in missed[0].where
    whole = next(row for row in rows if row.what == "closure above 30 GeV" and "2.5-2.8" in row.where)
    inside = (np.abs(eta) > 2.5) & (np.abs(eta) < 2.8) & (pt > 30)
    assert whole.measured == pytest.approx(np.median(jets["response"][inside]), abs=2e-4)
    assert missed[0].measured == pytest.approx(1.02, abs=0.002)
    assert {row.verdict for row in rows} == {PASS, MISS}
    few = closure(toy_sample(200, response=rng.normal(1.0, 0.2, 200)), independent=False)
    assert {row.verdict for row in few.rows} == {FEW}
    assert "No test sample was given" in few.text


def test_jets_are_counted_by_flavour_and_region() -> None:
    jets = toy_sample(2000, seed=15)
    counts = cell_counts(jets)
    assert len(counts) == 12
    plain = sum(
        pt > 30 and abs(eta) < 2.5 and code == 5
        for pt, eta, code in zip(jets["pt_gen"], jets["eta_gen"], jets.flavour, strict=True)
    )
    assert counts["b", "central"] == plain > 0
    assert sum(counts.values()) == np.sum(jets["pt_gen"] > 30)
    rows = size(jets, None).rows
    assert [row.measured for row in rows[:2]] == [1000.0, 1600.0]
    assert rows[0].verdict == MISS
