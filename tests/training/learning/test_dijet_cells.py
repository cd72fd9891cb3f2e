"""The cells of dijets: what further jets explain is taken off, and an event then tells more."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.features import FeatureSet
from training.dataset import PreparedJets
from training.dataset.dijets import Dijets
from training.learning.dijet_cells import DijetCells, dijet_cells
from training.learning.in_situ_term import InSituSettings

N = 6_000
RESOLUTION, OWN = 0.08, 0.03


def pairs(seed: int, slope: float) -> Dijets:
    """Two jets that lack what further jets carry, of which half is seen, and OWN beside; cell 1 has 20 events."""
    rng = np.random.default_rng(seed)
    carried = rng.normal(0.0, 0.15, N)
    balance = carried + rng.normal(0.0, OWN, N)
    pt_gen = 200.0 * np.column_stack([1.0 + balance / 2.0, 1.0 - balance / 2.0]).reshape(-1)
    pt_raw = pt_gen * np.exp(rng.normal(0.0, RESOLUTION, 2 * N))
    columns = {"pt_gen": pt_gen, "pt_raw": pt_raw}
    jets = PreparedJets(columns, {}, FeatureSet.from_names({"jet": ("pt",)}), {})
    cell = (np.arange(N) < 20).astype(np.int64)
    return Dijets(jets, np.full(N, 200.0), cell, np.column_stack([carried / slope, np.zeros(N)]), {})


def cells(**settings: float) -> DijetCells:
    return dijet_cells(pairs(1, 2.0), pairs(2, 2.0), np.zeros(2 * N), 2, InSituSettings(**settings))


def test_slopes_are_found_in_data_and_taken_off_both() -> None:
    found = cells(tails=0.0)
    np.testing.assert_allclose(found.slopes, [[2.0, 0.0], [0.0, 0.0]], atol=0.08)
    assert found.used.tolist() == [True, False]
    assert np.sqrt(found.generator["asymmetry"][0]) == pytest.approx(OWN, rel=0.05)
    assert np.sqrt(found.generator["pairs"][0]) == pytest.approx(OWN, rel=0.05)
    assert found.rows()[0]["jer_start"] == pytest.approx(RESOLUTION, rel=0.04)
    np.testing.assert_allclose(found.soft_reco, found.reco)


def test_an_event_tells_more_than_without_its_further_jets() -> None:
    with_them, without = cells(tails=0.0), cells(tails=0.0, further_jets=False)
    assert (without.slopes == 0.0).all()
    assert np.sqrt(without.generator["asymmetry"][0]) == pytest.approx(np.hypot(0.15, OWN), rel=0.04)
    shares = [2 * RESOLUTION**2 / (2 * RESOLUTION**2 + own) for own in (OWN**2, OWN**2 + 0.15**2)]
    assert with_them.information[0] == pytest.approx(shares[0] ** 2, rel=0.05)
    assert without.information[0] == pytest.approx(shares[1] ** 2, rel=0.25)
    dijets = pairs(2, 2.0)
    np.testing.assert_allclose(with_them.expected(dijets)[20:], 2.0 * dijets.further[20:, 0], atol=0.03)


def test_softened_squares_are_less_in_both() -> None:
    plain, soft = cells(tails=0.0), cells(tails=2.0)
    assert np.isinf(plain.tail).all()
    np.testing.assert_allclose(soft.tail[0], 4.0 * plain.reco[0])
    # Of a Gaussian, tails of two standard deviations leave 4 <ln(1 + z^2 / 4)> of 1.
    z = np.linspace(-8, 8, 10_001)
    left = np.average(4.0 * np.log1p(z**2 / 4.0), weights=np.exp(-(z**2) / 2))
    assert soft.soft_reco[0] / plain.reco[0] == pytest.approx(left, rel=0.02)
    assert plain.soft_generator[0] > soft.soft_generator[0] > 0.9 * plain.soft_generator[0]
    assert soft.start[0] == soft.soft_reco[0] - soft.soft_generator[0]
