"""Jets embedded in a thermal background, and their clustering."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from training.applications.background_jets import embed_batch, read_batches
from training.applications.embedding import ACCEPTANCE, Embedding, embedded_events, softened, thermal
from training.simulate.batch import Jagged


def test_a_background_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match=r"density: .*without background particles \(0 a unit of eta\)"):
        Embedding.create(density=0.0)
    with pytest.raises(InputError, match="radii"):
        Embedding.create(radii=(0.9,))


def test_the_background_is_thermal() -> None:
    """Its number and, above the threshold, its mean pT: that of x exp(-x / T) from 0.15 GeV on."""
    settings = Embedding.create(density=1800.0, spread=0.0)
    rng = np.random.default_rng(3)
    events = [thermal(settings, rng) for _ in range(30)]
    numbers = np.array([len(event["pt"]) for event in events])
    assert numbers.mean() == pytest.approx(1800.0 * 2 * ACCEPTANCE, rel=0.01)
    pt = np.concatenate([event["pt"] for event in events])
    x = np.linspace(0.15, 10.0, 20_000)
    density = x * np.exp(-x / settings.temperature)
    assert pt.mean() == pytest.approx((x * density).sum() / density.sum(), rel=0.01)
    assert pt.min() > 0.15
    assert max(np.abs(event["eta"]).max() for event in events) <= ACCEPTANCE


def four_signals() -> Jagged:
    """Jets of 30 GeV in three particles about phi = 0; the last signal is one that is left over."""
    pt = np.tile([20.0, 8.0, 2.0], 5)
    columns = {"pt": pt, "eta": np.tile([0.0, 0.05, -0.05], 5), "phi": np.zeros(15), "mass": np.full(15, 0.14)}
    return Jagged(np.arange(0, 16, 3), columns)


def test_signals_share_an_event() -> None:
    """A quarter turn apart; the same batch gives the same event."""
    settings = Embedding.create(density=100.0)
    events = embedded_events(settings, four_signals(), 4)
    assert len(events) == 1
    for number in range(4):
        own = events["signal"] == number
        np.testing.assert_allclose(events["pt"][own], [20.0, 8.0, 2.0])
        np.testing.assert_allclose(np.cos(events["phi"][own] - 0.5 * np.pi * number), 1.0)
    assert np.count_nonzero(events["signal"] < 0) > 50
    again = embedded_events(settings, four_signals(), 4)
    np.testing.assert_array_equal(events["phi"], again["phi"])


def test_a_softened_jet_has_the_same_pt() -> None:
    soft = softened(four_signals())
    np.testing.assert_array_equal(soft.counts, 5)
    np.testing.assert_allclose(np.add.reduceat(soft["pt"], soft.offsets[:-1]), 30.0)
    assert soft["pt"].max() == 10.0


def test_a_batch_of_jets(tmp_path: Path) -> None:
    """Raw pT is the sum of the particles; the background's density is what was put in; kept files are not made anew."""
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    settings = Embedding.create(density=600.0, spread=0.0, radii=(0.3,), seed=2)
    path = embed_batch((settings, 14, 0, tmp_path))
    jets = read_batches([path], 0.3)
    assert 6 <= len(jets) <= 12
    sums = np.add.reduceat(jets.constituents["pt"].astype(np.float64), jets.constituents.offsets[:-1])
    np.testing.assert_allclose(sums, jets["pt_raw"], rtol=1e-4)
    mean_pt = 0.735  # of the spectrum above 0.15 GeV
    np.testing.assert_allclose(jets["rho_n"], mean_pt, rtol=0.1)
    np.testing.assert_allclose(jets["rho"], 600.0 * mean_pt / (2 * np.pi), rtol=0.2)
    np.testing.assert_allclose(jets["area"], np.pi * 0.09, rtol=0.4)
    assert np.hypot(jets.constituents["rel_eta"], jets.constituents["rel_phi"]).max() < 0.6
    left = jets["pt_raw"] - jets["rho"] * jets["area"] - jets["pt_true"]
    assert np.abs(left).max() < 25.0
    assert set(jets["flavour"]) <= {0, 1, 2, 3, 4, 5, 21}
    before = path.stat().st_mtime_ns
    assert embed_batch((settings, 14, 0, tmp_path)).stat().st_mtime_ns == before
    with pytest.raises(InputError, match=r"no jet of radius 0\.3"):
        read_batches([], 0.3)
