"""The numbers: against a plain computation on the unbinned jets, and what happens when there are too few."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.validation.binning import FLAVOUR_GROUPS, INTERVALS, REGIONS, SIX_FLAVOURS
from coffea_mljec.validation.summary import MIN_JETS, Measured, summarise


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
