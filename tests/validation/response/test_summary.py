"""The numbers: against a plain computation on the unbinned jets, and what happens when there are too few."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

from coffea_mljec.errors import InputError
from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, INTERVALS, REGIONS, SIX_FLAVOURS
from coffea_mljec.validation.common.filling import count, fill
from coffea_mljec.validation.common.replicas import poisson_weights
from coffea_mljec.validation.common.statistics import chi_square, confidence_interval
from coffea_mljec.validation.response.summary import MIN_JETS, Measured, summarise
from coffea_mljec.validation.response.trend import trend_histogram, trend_jets


def close(measured: Measured, value: float, rel: float = 1e-3) -> None:
    assert measured.value == pytest.approx(value, rel=rel, abs=1e-3)


def test_medians_resolutions_and_beta_equal_the_unbinned_ones(toy: Any) -> None:
    summary = summarise(toy.accumulated)
    for region, (low, high) in zip(REGIONS, [(0, 2.5), (2.5, 5)], strict=True):
        for interval in (">30", "50-100"):
            for group in ("all", "uds", "g"):
                start, stop = INTERVALS[interval]
                inside = (toy.eta >= low) & (toy.eta < high) & (toy.pt >= start) & (toy.pt < stop)
                inside &= np.isin(toy.flavour, FLAVOUR_GROUPS[group])
                widths = {}
                for provider in ("standard", "model"):
                    quarters = np.quantile(toy.response[provider][inside], [0.25, 0.5, 0.75])
                    cell = summary.cell(provider, region, interval, group)
                    assert cell.jets == inside.sum()
                    widths[provider] = (quarters[2] - quarters[0]) / quarters[1]
                    close(cell.median, quarters[1])
                    close(cell.closure, abs(quarters[1] - 1))
                    close(cell.resolution, widths[provider], rel=1e-2)
                beta = summary.cell("model", region, interval, group).beta
                assert beta is not None
                assert beta.error is not None
                # A bin holds few jets here: what interpolation does to a sample quantile stays below its error.
                tolerance = max(5e-3, beta.error)
                assert beta.value == pytest.approx(1 - widths["model"] / widths["standard"], abs=tolerance)
                assert summary.cell("standard", region, interval, group).beta is None


def test_flavour_dependence_equals_the_unbinned_one(toy: Any) -> None:
    summary = summarise(toy.accumulated)
    inside = (toy.eta < 2.5) & (toy.pt >= 30)
    sae = {}
    for provider in ("standard", "model"):
        medians = [np.median(toy.response[provider][inside & (toy.flavour == name)]) for name in SIX_FLAVOURS]
        sae[provider] = np.abs(medians - np.mean(medians)).sum()
        assert summary.flavour_dependence(provider, "central", ">30").sae.value == pytest.approx(
            sae[provider], abs=2e-3
        )
    found = summary.flavour_dependence("model", "central", ">30")
    assert found.alpha is not None
    assert found.alpha.value == pytest.approx(1 - sae["model"] / sae["standard"], abs=0.03)
    assert found.floor is not None
    assert 0 < found.floor < sae["standard"] / 3
    assert summary.flavour_dependence("standard", "central", ">30").alpha is None


def test_errors_are_those_of_the_theory_and_pairing_makes_beta_precise(toy: Any) -> None:
    summary = summarise(toy.accumulated)
    cell = summary.cell("standard", "central", "50-100", "all")
    assert cell.median.value is not None
    assert cell.resolution.value is not None
    # Median of n Gaussian values: sigma sqrt(pi / 2n). The spread of 30 replicas is good to 13 %.
    sigma = cell.resolution.value / 1.349
    expected = sigma * math.sqrt(math.pi / 2 / cell.jets)
    assert cell.median.error == pytest.approx(expected, rel=0.45)
    assert cell.closure.error == cell.median.error
    beta = summary.cell("model", "central", "50-100", "all").beta
    assert beta is not None
    assert beta.error is not None
    assert cell.resolution.error is not None
    unpaired = math.sqrt(2) * cell.resolution.error / cell.resolution.value
    assert 0 < beta.error < 0.75 * unpaired


def test_same_provider_twice_has_no_gain_and_no_error(toy: Any) -> None:
    summary = summarise(toy.make({"standard": "standard", "twin": "standard"}))
    beta = summary.cell("twin", "central", ">30", "all").beta
    assert beta == Measured(0.0, 0.0)
    assert summary.flavour_dependence("twin", "central", ">30").alpha == Measured(0.0, 0.0)


def test_too_few_jets_say_so(toy: Any) -> None:
    summary = summarise(toy.accumulated)
    seen = set()
    for cell in summary.cells:
        seen.add(cell.jets >= MIN_JETS)
        for measured in (cell.median, cell.resolution, cell.closure, cell.beta):
            if measured is not None:
                assert (measured.value is None) == (cell.jets < MIN_JETS)
                assert (measured.note == "too few") == (cell.jets < MIN_JETS)
    assert seen == {True, False}
    assert summary.flavour_dependence("model", "central", ">1000").alpha == Measured(None, None, "too few")


def test_alpha_is_too_few_when_noise_alone_would_give_the_standard_s_sae(toy: Any) -> None:
    # All flavours alike: SAE is all noise, although every flavour has hundreds of jets.
    summary = summarise(toy.make({"standard": "flat", "model": "standard"}))
    found = summary.flavour_dependence("model", "central", ">30")
    assert all(summary.cell("model", "central", ">30", name).jets >= MIN_JETS for name in SIX_FLAVOURS)
    assert found.sae.value is not None
    assert found.alpha == Measured(None, None, "too few")


def test_noise_floor_is_the_sae_of_equal_flavours(toy: Any) -> None:
    summary = summarise(toy.make({"standard": "flat"}))
    pairs = [summary.flavour_dependence("standard", region, interval) for region in REGIONS for interval in INTERVALS]
    known = [(pair.sae.value, pair.floor) for pair in pairs if pair.floor is not None]
    assert len(known) >= 4
    ratio = sum(sae for sae, _ in known if sae is not None) / sum(floor for _, floor in known)
    assert 0.6 < ratio < 1.5


def test_curves_follow_the_fine_bins(toy: Any) -> None:
    summary = summarise(toy.accumulated)
    curve = summary.curve("model", "central", "all")
    assert len(curve.median) == len(curve.resolution) == len(curve.ratio) == len(curve.jets) == 19
    inside = (toy.eta < 2.5) & (toy.pt >= summary.fine_edges[3]) & (toy.pt < summary.fine_edges[4])
    assert curve.jets[3] == inside.sum()
    close(curve.median[3], float(np.median(toy.response["model"][inside])))
    assert all((m.value is None) == (n < 50) for m, n in zip(curve.median, curve.jets, strict=True))
    assert summary.curve("standard", "central", "all").ratio[3] == Measured(1.0, 0.0)


def test_datasets_add_up_and_the_input_is_left_alone(toy: Any) -> None:
    once = toy.accumulated["toy"]
    before = once["response"].view(flow=True).copy()
    summary = summarise({"a": once, "b": once})
    np.testing.assert_array_equal(once["response"].view(flow=True), before)
    assert summary.datasets == ["a", "b"]
    assert summary.counts["judged"] == 2 * once["counts"]["judged"]
    single = summarise({"a": once, "b": once}, datasets=["b"])
    assert summary.cell("model", "central", ">30", "g").jets == 2 * single.cell("model", "central", ">30", "g").jets
    assert summary.cell("model", "central", ">30", "g").median == single.cell("model", "central", ">30", "g").median


def test_summary_is_json_without_nan(toy: Any) -> None:
    summary = summarise(toy.accumulated)
    back = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert back["standard"] == "standard"
    assert back["status"] == {"standard": {"APPLIED": 10}, "model": {"KEPT": 2, "APPLIED|OUT_OF_DOMAIN": 8}}
    assert len(back["cells"]) == 2 * len(REGIONS) * len(INTERVALS) * len(FLAVOUR_GROUPS)


def test_nothing_filled_and_no_replicas(toy: Any) -> None:
    empty = summarise(toy.make({"standard": "standard", "model": "model"}, keep=0))
    assert {cell.median.note for cell in empty.cells} == {"too few"}
    assert json.dumps(empty.to_dict(), allow_nan=False)
    bare = summarise(toy.make({"standard": "standard", "model": "model"}, replicas=0))
    cell = bare.cell("model", "central", ">30", "all")
    assert cell.median.value is not None
    assert cell.median.error is None


def test_bad_input_is_refused(toy: Any) -> None:
    with pytest.raises(InputError, match=r"standard 'nominal' is not among the providers \['standard', 'model'\]"):
        summarise(toy.accumulated, standard="nominal")
    with pytest.raises(InputError, match=r"no accumulated datasets \['x'\]; there are \['toy'\]"):
        summarise(toy.accumulated, datasets=["x"])
    with pytest.raises(InputError, match="no accumulated datasets"):
        summarise({})
    with pytest.raises(InputError, match="the summary has no entry"):
        summarise(toy.accumulated).cell("model", "barrel", ">30", "all")


def with_trends(toy: Any) -> dict[str, Any]:
    """The toy's jets with a rho that lowers the standard's response by half a per cent a GeV above 20."""
    rng = np.random.default_rng(8)
    rho = rng.uniform(0.0, 55.0, len(toy.pt))
    histogram, jets = trend_histogram("rho", ["standard", "model"], 30, False), trend_jets("rho")
    where = {"rho": rho, "pt_gen": toy.pt, "abs_eta_gen": toy.eta}
    count(jets, where, len(rho))
    event = np.arange(len(rho))
    ones = np.ones_like(event)
    poisson = poisson_weights(ones, ones, event)
    for provider, slope in (("standard", -0.005), ("model", 0.0)):
        values = toy.response["flat"] * (1 + slope * (rho - 20.0))
        fill(histogram, values, where | {"provider": provider}, event, ones, poisson)
    empty = {
        name: (trend_histogram(name, ["standard", "model"], 30, False), trend_jets(name)) for name in ("npv", "abs_eta")
    }
    accumulated = dict(toy.accumulated["toy"])
    accumulated["trends"] = {"rho": histogram} | {name: part[0] for name, part in empty.items()}
    accumulated["trend_jets"] = {"rho": jets} | {name: part[1] for name, part in empty.items()}
    return {"toy": accumulated}


def test_trends_follow_pileup(toy: Any) -> None:
    summary = summarise(with_trends(toy))
    found = {t.provider: t for t in summary.trends if (t.variable, t.region, t.interval) == ("rho", "central", ">30")}
    centres = np.arange(2.5, 50.0, 5.0)
    for provider, slope in (("standard", -0.005), ("model", 0.0)):
        trend = found[provider]
        assert trend.edges == np.arange(0.0, 55.0, 5.0).tolist()
        for centre, median, jets in zip(centres, trend.median, trend.jets, strict=True):
            assert jets > 200
            assert abs(median.value - (1 + slope * (centre - 20.0))) < 4 * median.error + 2e-3
    jets = (toy.pt >= 30) & (toy.eta < 2.5)
    assert 0.85 * jets.sum() < sum(found["model"].jets) < jets.sum()
    assert {m.value for m in found["standard"].ratio} == {1.0}
    nothing = [t for t in summary.trends if t.variable == "npv"]
    assert {m.note for t in nothing for m in t.median} == {"too few"}
    assert {t.region for t in summary.trends if t.variable == "abs_eta"} == {"all"}
    assert summarise(toy.accumulated).trends == []
    json.dumps(summary.to_dict(), allow_nan=False)


def test_closure_has_a_chi_square(toy: Any) -> None:
    summary = summarise(toy.make({"standard": "standard", "model": "flat"}))
    found = {c.provider: c for c in summary.closures if (c.region, c.flavour) == ("central", "g")}
    curve = summary.curve("model", "central", "g")
    low = summary.fine_edges[:-1]
    used = [
        (m.value - 1, m.error) for edge, m in zip(low, curve.median, strict=True) if edge >= 30 and m.value is not None
    ]
    assert found["model"].bins == len(used)
    assert found["model"].chi_square == pytest.approx(sum((d / e) ** 2 for d, e in used), rel=1e-12)
    assert found["model"].p_value == pytest.approx(scipy.stats.chi2.sf(found["model"].chi_square, len(used)), rel=1e-9)
    assert found["model"].p_value > 1e-3
    assert found["standard"].p_value < 1e-6
    assert found["standard"].worst == pytest.approx(0.09, abs=0.04)


def test_confidence_intervals_cover() -> None:
    rng = np.random.default_rng(6)
    covered = dict.fromkeys(("normal", "percentile"), 0)
    for _ in range(400):
        values = rng.normal(0.0, 1.0, 101)
        truth = values[0] + rng.normal(0.0, 1.0)
        for method in covered:
            centred = values if method == "normal" else np.concatenate([values[:1], values[0] + values[1:]])
            low, high = confidence_interval(centred, 0.8, method)
            covered[method] += low < truth < high
    assert covered["normal"] / 400 == pytest.approx(0.8, abs=0.06)
    assert covered["percentile"] / 400 == pytest.approx(0.8, abs=0.06)
    with pytest.raises(InputError, match="between 0 and 1, got 95"):
        confidence_interval(np.zeros(31), 95)
    with pytest.raises(InputError, match=r"at level 0\.99 need at least 200 replicas, got 30"):
        confidence_interval(np.zeros(31), 0.99, "percentile")
    with pytest.raises(InputError, match="unknown method 'bca'"):
        confidence_interval(np.zeros(31), 0.9, "bca")
    with pytest.raises(InputError, match="errors above 0"):
        chi_square(np.ones(2), np.zeros(2))


def test_runs_that_do_not_fit_are_named(toy: Any) -> None:
    runs = toy.accumulated | {
        "other": toy.make({"standard": "standard", "model": "model"}, keep=100, replicas=3)["toy"]
    }
    with pytest.raises(
        InputError, match=r"'response' of 'other' and 'toy' cannot be added: they differ in \['replica'\]"
    ):
        summarise(runs)
