"""The whole chain: the same numbers for the same seed, physical values, what the settings change."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from training.simulate.batch import CANDIDATE_COLUMNS, EVENT_COLUMNS, SV_COLUMNS, RecoBatch
from training.simulate.calorimeter import hadron_sigma
from training.simulate.detector import DETECTOR
from training.simulate.pileup import PileupPool
from training.simulate.reconstruct import Simulator
from training.simulate.settings import Settings

SETTINGS = Settings(seed=12, pileup_mean=12.0, pt_hat_min=60.0)


@pytest.fixture(scope="module")
def pool() -> PileupPool:
    pytest.importorskip("pythia8mc", reason="Pythia 8 is not installed: pip install 'coffea-mljec[simulate]'")
    return PileupPool.build(99, 80)


@pytest.fixture(scope="module")
def batch(pool: PileupPool) -> RecoBatch:
    return Simulator(SETTINGS, pool).batch(60, 0)


def equal(first: RecoBatch, second: RecoBatch) -> bool:
    tables = ("gen", "genpart", "partons", "candidates", "sv")
    return all(np.array_equal(first.event[name], second.event[name]) for name in EVENT_COLUMNS) and all(
        np.array_equal(getattr(first, table)[name], getattr(second, table)[name])
        for table in tables
        for name in getattr(first, table).columns
    )


def test_a_batch_depends_on_seed_and_number_only(pool: PileupPool, batch: RecoBatch) -> None:
    simulator = Simulator(SETTINGS, pool)
    other = simulator.batch(60, 1)
    assert equal(simulator.batch(60, 0), batch)
    assert not equal(other, batch)
    assert not equal(Simulator(SETTINGS.model_copy(update={"seed": 13}), pool).batch(60, 0), batch)


def test_columns_and_types(batch: RecoBatch) -> None:
    assert len(batch) == 60
    for table, schema in ((batch.candidates, CANDIDATE_COLUMNS), (batch.sv, SV_COLUMNS)):
        assert list(table.columns) == list(schema)
        assert all(column.dtype == np.dtype(schema[name]) for name, column in table.columns.items())
        assert all(np.isfinite(column).all() for column in table.columns.values())
    assert all(len(batch.event[name]) == 60 for name in EVENT_COLUMNS)
    assert (batch.event["n_pv_good"] <= batch.event["n_pv"]).all()
    assert (batch.event["n_pv"] <= batch.event["n_pu"] + 1).all()


def test_candidates_look_like_those_of_cms(batch: RecoBatch) -> None:
    table = batch.candidates
    assert set(np.unique(np.abs(table["pdgId"]))) <= {1, 2, 11, 13, 22, 130, 211}
    neutral = table["charge"] == 0
    assert (table["pvAssocQuality"][neutral] == 7).all()
    assert (table["d0"][neutral] == -1.0).all()
    assert (table["fromPV"][neutral] > 0).all()
    assert set(np.unique(table["pvAssocQuality"])) <= {0, 1, 4, 5, 6, 7}
    soft = ~neutral & (table["pt"] < 0.5)
    assert (table["d0Err"][soft] == -1.0).all()
    assert (table["trkChi2"][soft] == -1.0).all()
    assert (table["d0Err"][~neutral & ~soft] > 0.0).all()
    forward = np.abs(table["pdgId"]) <= 2
    assert (np.abs(table["eta"][forward]) > 2.8).all()
    assert (np.abs(table["eta"][~neutral]) < 2.6).all()
    assert ((table["puppiWeight"] >= 0.0) & (table["puppiWeight"] <= 1.0)).all()
    assert ((table["hcalFraction"] >= 0.0) & (table["hcalFraction"] <= 1.0)).all()
    # CHS removes most of the charged pileup, PUPPI most of the neutral one.
    assert 0.3 < (table["fromPV"][~neutral] == 0).mean() < 0.8


def test_transverse_momentum_is_balanced(batch: RecoBatch) -> None:
    table = batch.candidates
    leading = np.array([table.slice(i, i + 1)["pt"].sum() for i in range(60)])
    px = np.bincount(table.event, table["pt"] * np.cos(table["phi"]), minlength=60)
    assert np.median(np.abs(px) / leading) < 0.1


def test_without_pileup_nothing_comes_from_elsewhere(pool: PileupPool) -> None:
    quiet = Simulator(SETTINGS.model_copy(update={"pileup_mean": 0.0}), pool).batch(4, 0)
    assert (quiet.event["n_pu"] == 0).all()
    assert (quiet.event["n_pv"] == 1).all()
    assert (quiet.candidates["fromPV"] > 0).all()


def test_the_hadron_response_can_be_scaled(pool: PileupPool) -> None:
    def hadronic(scale: float) -> float:
        settings = SETTINGS.model_copy(update={"pileup_mean": 0.0, "hadron_response_scale": scale})
        table = Simulator(settings, pool).batch(40, 0).candidates
        return float(table["pt"][np.abs(table["pdgId"]) == 130].sum())

    assert hadronic(1.1) > 1.05 * hadronic(0.9)


def test_the_hadron_resolution_can_be_scaled_and_by_1_changes_nothing(pool: PileupPool) -> None:
    assert Simulator(SETTINGS, pool).detector == DETECTOR
    worse = Simulator(SETTINGS.model_copy(update={"hadron_resolution_scale": 1.5}), pool).detector
    for energy, eta in ((20.0, 0.3), (200.0, 2.0), (50.0, 2.7)):
        assert hadron_sigma(energy, eta, worse) == pytest.approx(1.5 * hadron_sigma(energy, eta, DETECTOR))
    assert (worse.hf_had_stochastic, worse.hf_em_stochastic) == (5.1, DETECTOR.hf_em_stochastic)
    assert worse.hadron_growth == DETECTOR.hadron_growth


def test_refuses_impossible_batches(pool: PileupPool) -> None:
    with pytest.raises(InputError, match="n_events >= 1 and index >= 0, got 0 and 0"):
        Simulator(SETTINGS, pool).batch(0, 0)
    with pytest.raises(InputError, match="got 5 and -1"):
        Simulator(SETTINGS, pool).batch(5, -1)
