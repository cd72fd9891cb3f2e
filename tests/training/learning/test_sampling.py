"""From the available jets to the target density: shape, flavours, caps, reproducibility."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from training.learning.figures import plot_sampling
from training.learning.sampling import FLAVOUR_GROUPS, SamplingSettings, accept, effective_size, weigh_jets
from training.learning.target_density import target_density

N = 200_000


@pytest.fixture(scope="module")
def available() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steeply falling jets, flat in eta, mostly gluons."""
    rng = np.random.default_rng(11)
    pt = 10.0 * (1 - rng.random(N) * (1 - (1000 / 10) ** -1.0)) ** -1.0  # dN/dpt ~ pt^-2 from 10 to 1000 GeV
    return pt, rng.uniform(-5, 5, N), rng.choice([1, 2, 3, 4, 5, 21], N, p=[0.12, 0.12, 0.05, 0.07, 0.04, 0.6])


def test_target_density_is_the_formula() -> None:
    # 1 / (cosh(p / p_ref) cosh(eta)), p = pt cosh(eta).
    assert target_density(np.array([100.0]), np.array([0.0]))[0] == pytest.approx(1 / np.cosh(0.2))
    assert target_density(np.array([100.0]), np.array([-2.0]))[0] == pytest.approx(
        1 / (np.cosh(0.2 * np.cosh(2.0)) * np.cosh(2.0))
    )
    assert target_density(np.array([100.0]), np.array([0.0]), pt_power=1.0)[0] == pytest.approx(0.01 / np.cosh(0.2))
    assert target_density(np.array([1e9]), np.array([5.0]))[0] < 1e-290


@pytest.mark.parametrize("least", [0.0, 0.3, 1.0])
def test_accepted_jets_follow_the_target(available: tuple[np.ndarray, ...], least: float) -> None:
    pt, eta, flavour = available
    # A wide cap: here the shape is looked at, the cap has its own test.
    settings = SamplingSettings(least_acceptance=least, largest_weight=1e4)
    weights = weigh_jets(pt, eta, flavour, settings)
    rows = np.concatenate([accept(weights.acceptance, 5, epoch) for epoch in range(4)])
    edges = np.array([12.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0])
    for group in ("uds", "g"):
        mine = rows[np.isin(flavour[rows], FLAVOUR_GROUPS[group])]
        in_range = (np.abs(eta[mine]) < 1.3) & (pt[mine] > edges[0]) & (pt[mine] < edges[-1])
        mine = mine[in_range]
        got, _ = np.histogram(pt[mine], edges, weights=weights.loss_weight[mine])
        grid_pt, grid_eta = np.meshgrid(np.arange(12.05, 800.0, 0.1), np.linspace(0.01, 1.29, 65), indexing="ij")
        wanted, _ = np.histogram(grid_pt, edges, weights=target_density(grid_pt, grid_eta))
        np.testing.assert_allclose(got / got.sum(), wanted / wanted.sum(), atol=0.025)


def test_forward_jets_get_their_share_of_every_flavour(available: tuple[np.ndarray, ...]) -> None:
    pt, eta, flavour = available
    without = weigh_jets(pt, eta, flavour, SamplingSettings(largest_weight=1e4)).report["groups"]
    weights = weigh_jets(pt, eta, flavour, SamplingSettings(largest_weight=1e4, forward_share=0.3))
    reached = weights.acceptance.astype(float) * weights.loss_weight
    for group, codes in FLAVOUR_GROUPS.items():
        mine = np.isin(flavour, codes)
        share = reached[mine & (np.abs(eta) > 2.5)].sum() / reached[mine].sum()
        assert share == pytest.approx(0.3, abs=1e-3)
        assert weights.report["groups"][group]["forward"] == pytest.approx(share, abs=1e-6)
        assert without[group]["forward"] < 0.25
    # Within a region the density stays what it was.
    plain = weigh_jets(pt, eta, flavour, SamplingSettings(largest_weight=1e4))
    central = np.isin(flavour, FLAVOUR_GROUPS["g"]) & (np.abs(eta) < 2.5)
    ratio = reached[central] / (plain.acceptance.astype(float) * plain.loss_weight)[central]
    assert np.ptp(ratio) < 1e-3 * ratio.mean()
    only = np.full(100, 1.0)
    assert (
        weigh_jets(50 * only, only, np.resize([1, 4, 5, 21], 100), SamplingSettings(forward_share=0.3)).report["jets"]
        == 100
    )


def test_flavours_get_their_shares(available: tuple[np.ndarray, ...]) -> None:
    weights = weigh_jets(*available, SamplingSettings())
    reached = weights.acceptance.astype(float) * weights.loss_weight
    shares = {
        name: reached[np.isin(available[2], codes)].sum() / reached.sum() for name, codes in FLAVOUR_GROUPS.items()
    }
    assert shares == pytest.approx({"b": 1 / 6, "c": 1 / 6, "uds": 2 / 6, "g": 2 / 6}, abs=1e-4)
    reported = {name: group["share_reached"] for name, group in weights.report["groups"].items()}
    assert reported == pytest.approx(shares, abs=1e-4)


@pytest.mark.parametrize("least", [0.0, 0.3, 1.0])
def test_weights_have_mean_one_over_what_is_accepted(available: tuple[np.ndarray, ...], least: float) -> None:
    weights = weigh_jets(*available, SamplingSettings(least_acceptance=least))
    expected = np.average(weights.loss_weight, weights=weights.acceptance)
    assert expected == pytest.approx(1.0, abs=1e-4)
    assert weights.acceptance.min() >= least
    assert weights.acceptance.max() <= 1.0


def test_pure_weighting_keeps_more_than_pure_rejection(available: tuple[np.ndarray, ...]) -> None:
    sizes = {
        p: weigh_jets(*available, SamplingSettings(least_acceptance=p)).report["effective_size"]
        for p in (0.0, 0.3, 1.0)
    }
    assert sizes[0.0] < sizes[0.3] < sizes[1.0]
    weight = weigh_jets(*available, SamplingSettings()).loss_weight
    assert sizes[1.0] == pytest.approx(effective_size(weight), rel=1e-3)


def test_tempering_leads_from_the_target_to_what_is_there(available: tuple[np.ndarray, ...]) -> None:
    sizes = [
        weigh_jets(*available, SamplingSettings(temper=temper)).report["effective_size"] for temper in (1.0, 0.5, 0.0)
    ]
    assert sizes[0] < sizes[1] < sizes[2]
    flat = weigh_jets(*available, SamplingSettings(temper=0.0))
    gluons = (flat.acceptance * flat.loss_weight)[available[2] == 21]
    np.testing.assert_allclose(gluons, gluons[0], rtol=1e-5)


def test_a_lone_jet_does_not_rule_the_loss() -> None:
    rng = np.random.default_rng(2)
    pt = np.append(rng.uniform(10, 20, 2000), 900.0)
    flavour = np.append(rng.choice([5, 4, 1, 21], 2000), 5)
    capped = weigh_jets(pt, np.zeros(2001), flavour, SamplingSettings(largest_weight=20.0))
    free = weigh_jets(pt, np.zeros(2001), flavour, SamplingSettings(largest_weight=1e6))
    assert free.loss_weight[-1] > 100
    assert capped.loss_weight[-1] < 60
    assert capped.report["groups"]["b"]["capped"] > 0.5
    assert capped.report["groups"]["b"]["uncovered"] > 0.5


def test_weights_stay_between_the_limits_and_most_jets_are_left(available: tuple[np.ndarray, ...]) -> None:
    limits = {"least_acceptance": 0.0, "accept_all_above": 0.2, "largest_weight": 5.0}
    weights = weigh_jets(*available, SamplingSettings(**limits))
    report = weights.report
    used = weights.loss_weight[weights.acceptance > 0]
    together = weights.loss_weight.astype(np.float64) * weights.acceptance
    for codes in FLAVOUR_GROUPS.values():
        mine = np.isin(available[2], codes)
        assert together[mine].max() <= 5.0 * together[mine].mean() * (1 + 1e-5)
    assert (report["smallest_weight"], report["largest_weight"]) == pytest.approx((used.min(), used.max()))
    thinned = weights.acceptance < 1
    assert thinned.any()
    np.testing.assert_allclose(weights.loss_weight[thinned], used.min(), rtol=1e-5)
    rejecting = weigh_jets(
        *available, SamplingSettings(least_acceptance=0.0, accept_all_above=5.0, largest_weight=5.0)
    ).report
    assert report["left"] > 2 * rejecting["left"]
    assert report["left"] == pytest.approx(weights.acceptance.mean())
    assert sum(group["left"] for group in report["groups"].values()) == pytest.approx(report["accepted_in_an_epoch"])


def test_the_share_of_the_weight_in_capped_cells_is_reported(available: tuple[np.ndarray, ...]) -> None:
    pt, eta, flavour = available
    free = weigh_jets(pt, eta, flavour, SamplingSettings(largest_weight=1e6))
    assert free.report["in_capped"] == 0.0
    tight = weigh_jets(pt, eta, flavour, SamplingSettings(largest_weight=2.0))
    assert 0.3 < tight.report["in_capped"] < 1.0
    # In a group, capped jets are those of the largest weight.
    mine = np.flatnonzero(flavour == 21)
    weight = tight.loss_weight[mine].astype(np.float64)
    top = weight > weight.max() * (1 - 1e-6)
    assert tight.report["groups"]["g"]["in_capped"] == pytest.approx(weight[top].sum() / weight.sum(), abs=1e-4)


def test_acceptance_is_reproducible_and_new_in_every_epoch(available: tuple[np.ndarray, ...]) -> None:
    acceptance = weigh_jets(*available, SamplingSettings(least_acceptance=0.0)).acceptance
    first = accept(acceptance, seed=3, epoch=1)
    np.testing.assert_array_equal(first, accept(acceptance, seed=3, epoch=1))
    assert not np.array_equal(first, accept(acceptance, seed=3, epoch=2))
    assert not np.array_equal(first, accept(acceptance, seed=4, epoch=1))
    assert len(first) == pytest.approx(acceptance.sum(), rel=0.05)


def test_what_cannot_be_sampled_is_refused() -> None:
    one = np.ones(4)
    with pytest.raises(InputError, match="no jet to sample from"):
        weigh_jets(np.zeros(0), np.zeros(0), np.zeros(0, int), SamplingSettings())
    with pytest.raises(InputError, match=r"flavours \[0\] belong to no group"):
        weigh_jets(10 * one, one, np.array([0, 4, 5, 21]), SamplingSettings())
    with pytest.raises(InputError, match=r"no jet of flavour b, which has a share of 0\.167"):
        weigh_jets(10 * one, one, np.array([1, 4, 4, 21]), SamplingSettings())
    with pytest.raises(InputError, match=r"shares name \['charm'\]"):
        weigh_jets(10 * one, one, np.array([5, 4, 1, 21]), SamplingSettings(shares={"charm": 1.0}))


def test_a_flavour_without_share_is_never_accepted() -> None:
    flavour = np.array([5, 4, 1, 21] * 50)
    weights = weigh_jets(
        np.linspace(10, 100, 200), np.zeros(200), flavour, SamplingSettings(shares={"uds": 1.0, "g": 1.0})
    )
    assert (weights.acceptance[np.isin(flavour, (4, 5))] == 0).all()
    assert set(flavour[accept(weights.acceptance, 1, 0)]) == {1, 21}


def test_effective_size() -> None:
    assert effective_size(np.ones(7)) == pytest.approx(7)
    assert effective_size(np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(2)
    assert effective_size(np.zeros(0)) == 0.0


def test_plot_is_written(available: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    columns = tuple(values[:2000] for values in available)
    plot_sampling(tmp_path / "s.png", *columns, weigh_jets(*columns, SamplingSettings()), SamplingSettings())
    assert (tmp_path / "s.png").read_bytes()[:4] == b"\x89PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["s.png"]
