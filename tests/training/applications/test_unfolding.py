"""Unfolding event by event, on events whose truth is known."""

from __future__ import annotations

import math
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from coffea_mljec.errors import InputError
from tests.factories import two_jets, write
from training.applications.multifold import Paired, binned, migration, unfold
from training.applications.unfolding import leading_jets, write_weights
from training.applications.unfolding_replicas import migrations, replicas, spectra

pytest.importorskip("lightgbm")


def smeared(n: int, seed: int, mean: float) -> Paired:
    """A truth about ``mean`` in two variables that belong together, measured with an error."""
    rng = np.random.default_rng(seed)
    first = rng.normal(mean, 1.0, n)
    true = np.column_stack([first, 0.5 * first + rng.normal(0.0, 0.5, n)])
    return Paired(true + rng.normal(0.0, 0.5, true.shape), true, np.ones(n))


def test_the_truth_of_the_data_comes_out() -> None:
    """The data lie .3 higher: so do the unfolded events, in both variables and in what is made of them."""
    simulation, data = smeared(4000, 1, 0.0), smeared(4000, 2, 0.3)
    factors = unfold(data.measured, simulation, iterations=4)
    assert np.average(factors) == pytest.approx(1.0)
    for variable in (lambda true: true[:, 0], lambda true: true[:, 1], lambda true: true.sum(axis=1)):
        found = np.average(variable(simulation.true), weights=factors)
        assert found == pytest.approx(variable(data.true).mean(), rel=0.25)


def test_in_bins_it_is_iterative_bayes() -> None:
    """In one variable the same iterations as D'Agostini's (arXiv:1010.0632) give the same spectrum."""
    simulation, data = smeared(6000, 7, 0.0), smeared(6000, 8, 0.3)
    alone = Paired(simulation.measured[:, :1], simulation.true[:, :1], simulation.weight)
    edges = np.concatenate([[-20.0], np.linspace(-1.5, 1.5, 7), [20.0]])
    table = migration(simulation.true[:, 0], simulation.measured[:, 0], edges, simulation.weight)
    seen = binned(data.measured[:, 0], edges, np.ones(6000))
    bayes = start = binned(simulation.true[:, 0], edges, simulation.weight)
    for _ in range(3):
        bayes = bayes * (table @ (seen / (bayes @ table)))
    found = binned(simulation.true[:, 0], edges, unfold(data.measured[:, :1], alone, 3))
    assert np.abs(bayes - start).max() > 0.03 * 6000
    np.testing.assert_allclose(found / 6000, bayes / 6000, atol=0.015)


def test_closure() -> None:
    """Data of the same truth: the factors are 1 but for chance."""
    simulation, data = smeared(3000, 3, 0.0), smeared(3000, 4, 0.0)
    factors = unfold(data.measured, simulation, iterations=2)
    assert np.std(factors) < 0.25
    np.testing.assert_array_equal(factors, unfold(data.measured, simulation, iterations=2))


def test_what_cannot_be_unfolded() -> None:
    simulation, data = smeared(300, 1, 0.0), smeared(300, 2, 0.0).measured
    with pytest.raises(InputError, match="20 events of data are too few"):
        unfold(data[:20], simulation)
    with pytest.raises(InputError, match="iterations must be 1 or more, got 0"):
        unfold(data, simulation, 0)
    with pytest.raises(InputError, match="weights of the data must be finite, 0 or more"):
        unfold(data, simulation, data_weight=-np.ones(300))
    data[3, 1] = np.nan
    with pytest.raises(InputError, match="1 NaN or infinite values in the data"):
        unfold(data, simulation)


def test_empty_bins() -> None:
    values, one = np.array([1.0, 1.5, 7.0]), np.ones(3)
    with pytest.raises(InputError, match="no events in the bins 2 to 4, 4 to 6: merge bins"):
        binned(values, np.array([0.0, 2.0, 4.0, 6.0, 8.0]), one)
    with pytest.raises(InputError, match="no events in the bins 2 to 6"):
        migration(values, values, np.array([0.0, 2.0, 6.0, 8.0]), one)
    with pytest.raises(InputError, match="no events in the bins 2 to 8"):
        binned(values, np.array([0.0, 2.0, 8.0]), np.array([1.0, 1.0, 0.0]))


def test_migration_by_hand() -> None:
    true, measured = np.array([1.0, 1.0, 3.0, 3.0]), np.array([1.0, 3.0, 3.0, 9.0])
    found = migration(true, measured, np.array([0.0, 2.0, 4.0]), np.array([3.0, 1.0, 1.0, 1.0]))
    np.testing.assert_allclose(found, [[0.75, 0.25], [0.0, 0.5]])
    rng = np.random.default_rng(1)
    wide = rng.uniform(0.0, 4.0, 4000)
    edges = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    measured = {name: wide + rng.normal(0.0, width, 4000) for name, width in (("blunt", 0.5), ("sharp", 0.1))}
    compared = migrations(wide, measured, edges)
    blunt, sharp = compared["blunt"], compared["sharp"]
    assert (blunt.gain, blunt.ratio) == ((0.0, 0.0), (1.0, 0.0))
    # A Gaussian error of .1 leaves .92 in a bin of 1, one of .5 leaves .61.
    for found, width in ((sharp, 0.1), (blunt, 0.5)):
        inside = math.erf(1.0 / width / math.sqrt(2.0))
        exact = inside - 2.0 * width / math.sqrt(2.0 * math.pi) * (1.0 - math.exp(-0.5 / width**2))
        assert found.stays[0] == pytest.approx(exact, abs=4 * found.stays[1])
        assert 0.002 < found.stays[1] < 0.02
        assert found.diagonal[0].mean() == pytest.approx(found.stays[0])
    assert sharp.gain[0] == pytest.approx(sharp.stays[0] - blunt.stays[0])
    assert sharp.ratio[0] == pytest.approx(sharp.condition[0] / blunt.condition[0])
    assert sharp.ratio[0] + 4 * sharp.ratio[1] < 1.0
    assert 0.001 < sharp.gain[1] < 0.02


def test_replicas_give_the_covariance() -> None:
    """Its diagonal is about that of counting; the first row is the unfolding itself."""
    simulation, data = smeared(800, 5, 0.0), smeared(800, 6, 0.1)
    edges = np.array([-5.0, -0.5, 0.5, 5.0])
    factors, drawn = replicas(data.measured, simulation, number=6, iterations=1)
    assert factors.shape == drawn.shape == (7, 800)
    found = spectra(simulation.true[:, 0], edges, factors)
    assert found.shape == (7, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_allclose(factors[0], unfold(data.measured, simulation, 1, seed=1, data_weight=np.ones(800)))
    assert (drawn[0] == 1.0).all()
    assert drawn[1:].mean() == pytest.approx(1.0, abs=0.1)
    errors = np.sqrt(np.diag(np.cov(found[1:].T)))
    assert (errors > 0.003).all()
    assert (errors < 0.1).all()
    by_two = replicas(data.measured, simulation, number=6, iterations=1, workers=2)
    np.testing.assert_array_equal(by_two.factors, factors)


class AsItIs:
    """A correction that corrects nothing."""

    def apply(self, events: ak.Array) -> ak.Array:
        return events.Jet


def test_jets_of_a_file_and_their_weights(tmp_path: Path) -> None:
    tables = two_jets(30)
    lacking = write(tables, tmp_path / "lacking.root")
    with pytest.raises(InputError, match="no GenJet_nConstituents"):
        leading_jets([lacking], {"raw": AsItIs()})
    number = np.arange(len(tables.tables["GenJet"]["pt"]), dtype=np.int32)
    jets = tables.tables["Jet"]
    here = np.tile([0, 1], len(jets["pt"]) // 2).astype(np.int32)
    mass = {"mass": tables.tables["GenJet"].get("mass", np.ones(len(number), np.float32))}
    full = tables.with_columns("GenJet", nConstituents=number, **mass)
    full = full.with_columns("Jet", genJetIdx=here, nConstituents=here + 5)
    path = write(full, tmp_path / "jets.root")
    events = leading_jets([path], {"raw": AsItIs()}, pt=10.0, most_eta=5.0)
    assert len(events.true) == 30
    np.testing.assert_array_equal(events.true[:, 2], number[::2])
    np.testing.assert_allclose(events.measured["raw"][:, 0], jets["pt"][::2])
    assert (events.measured["raw"][:, 2] == 5).all()
    rows = np.arange(0, 30, 2)
    factors = np.vstack([np.full(15, 1.5), np.full(15, 0.5)])
    write_weights(path, tmp_path / "weights.root", events.identity[rows], factors)
    with uproot.open(tmp_path / "weights.root") as file:
        tree = file["Events"]
        np.testing.assert_allclose(ak.to_numpy(tree["Jet_unfolding_weight"].array())[::2], 1.5)
        np.testing.assert_allclose(ak.to_numpy(tree["Jet_unfolding_weight"].array())[1::2], 1.0)
        np.testing.assert_allclose(ak.to_numpy(tree["Jet_unfolding_weight_1"].array())[0], 0.5)
    with pytest.raises(InputError, match="no event has a leading jet above 5000 GeV"):
        leading_jets([path], {"raw": AsItIs()}, pt=5000.0)


def test_a_study_of_two_corrections(tmp_path: Path) -> None:
    """The sharper one keeps more events in their bin; every number of the report is finite."""
    from training.applications.unfolding import JetEvents
    from training.applications.unfolding_report import draw, report
    from training.applications.unfolding_study import Unfolding, study

    def events(n: int, seed: int, scale: float) -> JetEvents:
        rng = np.random.default_rng(seed)
        pt = 50.0 + scale * rng.exponential(60.0, n)
        true = np.column_stack([pt, 0.15 * pt * rng.uniform(0.5, 1.5, n), rng.poisson(20.0 + 0.1 * pt)]).astype(float)
        measured = {
            name: true * np.column_stack([rng.normal(1.0, width, (n, 2)), np.ones(n)])
            for name, width in (("standard", 0.2), ("learnt", 0.1))
        }
        return JetEvents(np.column_stack([np.ones(n), np.ones(n), np.arange(n)]).astype(np.int64), true, measured)

    simulation = events(900, 1, 1.0)
    found, factors = study(simulation, events(600, 2, 1.1), Unfolding(bins=5, number=3, iterations=1, progress=False))
    assert factors.shape == (5, 900)
    of_pt = found["variables"]["pt"]
    learnt = of_pt["corrections"]["learnt"]
    assert learnt["gain"][0] > 4 * learnt["gain"][1]
    assert learnt["ratio"][0] < 1.0
    # The data are harder by 60 GeV x .1 of 115 on average; a scale of 2 % makes them harder still.
    assert abs(of_pt["before"][0] + 6.0 / 115.0) < 4 * of_pt["before"][1]
    assert abs(learnt["unfolded"][0]) < abs(of_pt["before"][0])
    assert learnt["scale"][0] > 0.0
    assert np.array(learnt["covariance"]).shape == (5, 5)
    text = report(found)
    assert text.count("\n| ") == 7
    assert "nan" not in text
    draw(found, tmp_path / "unfolding.png")
    assert (tmp_path / "unfolding.png").stat().st_size > 10_000
