"""Grouped quantiles, cells, penalised splines, the inversion, the flavour mix."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from tests.training.derive.toy import toy
from training.derive.inversion import invert
from training.derive.jets import MatchedJets
from training.derive.medians import effective, group_quantiles, make_cells, medians
from training.derive.mix import mix_weights
from training.derive.smoothing import Axis, smooth_curve, smooth_surface


def twin(values: np.ndarray, weights: np.ndarray, probabilities: tuple[float, ...]) -> np.ndarray:
    """Quantiles of one group, by numpy alone."""
    kept = weights > 0
    values, weights = values[kept], weights[kept]
    order = np.argsort(values)
    centre = (np.cumsum(weights[order]) - 0.5 * weights[order]) / weights.sum()
    return np.interp(probabilities, centre, values[order])


def test_quantiles_of_groups_are_those_of_each() -> None:
    rng = np.random.default_rng(1)
    n, n_groups = 3_000, 12
    group = rng.integers(-1, n_groups - 1, n)  # the last group stays empty
    group[group == 4] = 5
    group[0] = 4  # one value
    values, weights = rng.normal(size=n), rng.exponential(1.0, n) * (rng.random(n) < 0.8)
    weights[0] = 1.0
    wanted = (0.16, 0.5, 0.84)
    found = group_quantiles(values, weights, group, n_groups, wanted)
    for number in range(n_groups - 1):
        rows = group == number
        assert found[number] == pytest.approx(twin(values[rows], weights[rows], wanted), abs=1e-9)
    assert np.isnan(found[-1]).all()
    assert found[4] == pytest.approx(np.full(3, values[0]))
    order = np.lexsort((values, group))
    assert np.array_equal(found, group_quantiles(values, weights, group, n_groups, wanted, order), equal_nan=True)
    nothing = np.zeros(0)
    assert np.isnan(group_quantiles(nothing, nothing, np.zeros(0, np.int64), 2, (0.5,))).all()


def test_the_error_of_a_median_is_its_spread_over_samples() -> None:
    rng = np.random.default_rng(2)
    n_samples, n = 400, 200
    group = np.repeat(np.arange(n_samples), n)
    middle, error = medians(rng.normal(1.0, 0.2, n_samples * n), np.ones(n_samples * n), group, n_samples)
    assert np.std(middle) == pytest.approx(np.mean(error), rel=0.1)
    assert effective(np.array([1.0, 1.0, 2.0]), np.array([0, 0, -1]), 2) == pytest.approx([2.0, 0.0])


def test_cells_hold_enough_jets_and_leave_none_out() -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    eta, pt = rng.uniform(0, 3, n), 10 * np.exp(rng.exponential(1.0, n))
    edges = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    pt_edges = np.geomspace(10, 10_000, 40)
    cells = make_cells(eta, pt, np.ones(n), edges, pt_edges, 50)
    counts = np.bincount(cells.group[cells.group >= 0], minlength=len(cells))
    assert counts.min() >= 50
    inside = pt < 10_000
    assert counts.sum() == inside.sum()
    assert set(cells.row) == {0, 1, 2}
    for number in range(len(cells)):
        rows = cells.group == number
        assert np.unique(np.digitize(eta[rows], edges) - 1) == cells.row[number]
        assert cells.log_pt[number] == pytest.approx(np.log(pt[rows]).mean())


def test_a_smooth_curve_follows_what_the_points_support() -> None:
    rng = np.random.default_rng(4)
    x = np.linspace(0, 5, 60)
    axis = Axis(np.linspace(0, 5, 16))
    truth = np.sin(2 * x)
    curve = smooth_curve(axis, x, truth + rng.normal(0, 0.02, 60), np.full(60, 0.02))
    assert curve(x) == pytest.approx(truth, abs=0.05)
    line = 1.0 + 0.2 * x
    noisy = smooth_curve(axis, x, line + rng.normal(0, 0.3, 60), np.full(60, 0.3))
    assert noisy(x) == pytest.approx(line, abs=0.25)
    assert np.std(np.diff(noisy(x), 2)) < 0.01


def test_a_smooth_surface_and_its_strengths() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 3, 900), rng.uniform(2, 7, 900)
    axes = (Axis(np.linspace(0, 3, 8)), Axis(np.linspace(2, 7, 8)))
    truth = 0.7 + 0.1 * np.tanh(3 * (x - 1.5)) + 0.03 * y
    surface, strengths = smooth_surface(axes, x, y, truth + rng.normal(0, 0.01, 900), np.full(900, 0.01))
    assert surface(x, y) == pytest.approx(truth, abs=0.02)
    again, same = smooth_surface(axes, x, y, truth, np.full(900, 0.01), strengths)
    assert same == strengths
    assert again(x, y) == pytest.approx(truth, abs=0.01)


def test_inversion_is_exact_for_the_median() -> None:
    """1 / response at equal reconstructed pT would be wrong by several per cent here."""
    rng = np.random.default_rng(5)

    def response(pt: np.ndarray) -> np.ndarray:
        return 0.5 + 0.1 * np.log(pt / 10)

    pt = np.exp(rng.uniform(np.log(10), np.log(100), 400_000))
    reconstructed = pt * response(pt) * np.exp(rng.normal(0, 0.2, len(pt)))
    inversion = invert(response, 8.0, 120.0)
    generated = np.geomspace(9, 110, 200)
    assert inversion(generated * response(generated)) * response(generated) == pytest.approx(1.0, abs=3e-3)
    back = reconstructed * inversion(reconstructed)
    for low, high in ((15, 17), (30, 33), (60, 65)):
        rows = (pt > low) & (pt < high)
        assert np.median(back[rows] / pt[rows]) == pytest.approx(1.0, abs=0.006)
        naive = reconstructed[rows] / response(reconstructed[rows])
        assert abs(np.median(naive / pt[rows]) - 1.0) > 0.03
    edge = inversion(np.array([0.01, inversion.pt[0], inversion.pt[-1], 1e5]))
    assert edge[0] == edge[1]
    assert edge[2] == pytest.approx(edge[3])


def test_nodes_that_do_not_rise_are_left_out() -> None:
    bumpy = invert(lambda pt: np.where((pt > 30) & (pt < 60), 0.5, 0.9), 10.0, 1000.0)
    assert np.all(np.diff(bumpy.pt) > 0)
    with pytest.raises(InputError, match="does not rise with pt_gen between 10 and 1e"):
        invert(lambda pt: 1.0 / pt, 10.0, 1000.0)


def mixture(process_of_other: float, eta: float) -> tuple[MatchedJets, np.ndarray]:
    rng = np.random.default_rng(3)
    n = 20_000
    jets = toy(1, n)
    process = np.where(np.arange(n) % 2 == 0, 0.0, process_of_other)
    flavour = np.where(process == 0, np.where(rng.random(n) < 0.1, 5, 21), 5).astype(float)
    columns = jets.columns | {"process": process, "flavour": flavour, "eta_gen": np.full(n, eta)}
    mixed = MatchedJets(columns, jets.event_rho, jets.event_n_pu)
    return mixed, mix_weights(mixed)


def test_enriched_flavours_do_not_shift_the_mix() -> None:
    jets, weight = mixture(1.0, 0.5)
    share = weight[jets["flavour"] == 5].sum() / weight.sum()
    assert share == pytest.approx(np.mean(jets["flavour"][jets["process"] == 0] == 5), abs=0.01)


@pytest.mark.parametrize(("eta", "counts"), [(3.0, True), (1.0, False)])
def test_forward_qcd_is_inclusive_where_it_is_not_cut(eta: float, counts: bool) -> None:
    jets, weight = mixture(20.0, eta)
    share = weight[jets["flavour"] == 5].sum() / weight.sum()
    expected = np.mean(jets["flavour"] == 5) if counts else 0.1
    assert share == pytest.approx(expected, abs=0.02)


def test_heavy_weights_are_cut() -> None:
    jets = toy(1, 20_000)
    weight = np.random.default_rng(1).pareto(1.0, len(jets)) + 1.0
    mixed = mix_weights(MatchedJets(jets.columns | {"weight": weight}, jets.event_rho, jets.event_n_pu))
    assert mixed.max() / np.median(mixed) < 6.0
