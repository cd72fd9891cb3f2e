"""Dijets: a known resolution comes back, any chunking gives the same, data need no generator."""

from __future__ import annotations

import itertools
import json
import math
import pickle
from typing import Any

import awkward as ak
import cloudpickle
import numpy as np
import pytest
from coffea.processor import accumulate

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.validation.dijet.processor import DijetProcessor
from coffea_mljec.validation.dijet.summary import summarise_dijets

CENTRAL, FORWARD = 0.08, 0.14


def dijets(n: int, seed: int = 4) -> ak.Array:
    """Pairs of jets at 100 to 300 GeV, in half of the events one of them forward, and a third jet that unbalances them.

    Generator jets are out of balance by a sharp peak and by what the third jet takes; corrected jets are smeared by
    `CENTRAL` or `FORWARD`. Stored are corrected jets: the fake provider's factor is 1.
    """
    rng = np.random.default_rng(seed)
    pt = 100.0 * (1.0 - rng.random(n) * (1 - 3.0**-3)) ** (-1 / 3.0)
    third = pt * rng.exponential(0.1, n)
    imbalance = rng.laplace(0.0, 0.03, n) + rng.choice([-0.5, 0.5], n) * third / pt
    gen_pt = np.stack([pt * (1 + imbalance / 2), pt * (1 - imbalance / 2), third], axis=1)
    forward = rng.random(n) < 0.5
    eta = np.stack([rng.uniform(-1.25, 1.25, n), rng.uniform(1.35, 2.4, n), rng.uniform(-4, 4, n)], axis=1)
    eta[~forward, 1] = rng.uniform(-1.25, 1.25, int((~forward).sum()))
    phi_1 = rng.uniform(-math.pi, math.pi, n)
    phi = np.stack([phi_1, phi_1 + math.pi - rng.exponential(0.1, n), phi_1 + 1.5], axis=1)
    phi = (phi + math.pi) % (2 * math.pi) - math.pi
    width = np.where(np.abs(eta) < 1.3, CENTRAL, FORWARD)
    reco_pt = gen_pt * (1 + width * rng.normal(size=(n, 3)))
    # In the file the forward jet comes first in half of the events: order must not matter.
    order = np.where(rng.random(n)[:, None] < 0.5, [[0, 1, 2]], [[1, 0, 2]])
    columns = {
        name: np.take_along_axis(part, order, 1)
        for name, part in (("g", gen_pt), ("r", reco_pt), ("e", eta), ("p", phi))
    }
    angles = {"eta": columns["e"], "phi": columns["p"]}
    jets = ak.zip({"pt": columns["r"], **angles, "rawFactor": np.zeros((n, 3))})
    return ak.zip(
        {
            "run": np.ones(n, np.uint32), "luminosityBlock": np.arange(n) // 100, "event": np.arange(1, n + 1),
            "genWeight": rng.normal(1.0, 0.3, n), "Jet": ak.from_regular(jets, axis=1),
            "GenJet": ak.from_regular(ak.zip({"pt": columns["g"], **angles}), axis=1),
        },
        depth_limit=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def many() -> ak.Array:
    return dijets(30_000)


@pytest.fixture(scope="module")
def processor(scaled: Any) -> DijetProcessor:
    return DijetProcessor(
        {"a": scaled(1.0), "b": scaled(1.1)}, pt_edges=(100, 130, 200), eta_edges=(0, 1.3, 2.5), replicas=8
    )


@pytest.fixture(scope="module")
def accumulated(many: ak.Array, processor: DijetProcessor) -> dict[str, Any]:
    return processor.process(many)


def same(first: dict[str, Any], second: dict[str, Any], exact: bool = True) -> None:
    assert first.keys() == second.keys()
    for name in ("counts", "selected"):
        assert first[name] == second[name]
    for name in ("reco", "gen", "truth"):
        left, right = (part[name].view(flow=True) for part in (first, second))
        assert left.any()
        if exact:
            np.testing.assert_array_equal(left, right)
        else:
            np.testing.assert_allclose(left, right, rtol=0, atol=1e-12 * np.abs(left).max())


@pytest.mark.parametrize("weight", [None, "genWeight"])
def test_any_chunking_and_merge_order_give_the_same(processor: DijetProcessor, weight: str | None) -> None:
    events = dijets(400)
    judge = DijetProcessor(processor.providers, weight=weight, pt_edges=(100, 150, 300), replicas=3)
    whole = judge.process(events)["events"]
    for cuts in ([0, 1, 400], [0, 133, 133, 260, 400]):
        chunks = [judge.process(events[a:b]) for a, b in itertools.pairwise(cuts)]
        same(whole, accumulate(chunks)["events"], exact=weight is None)
        same(whole, accumulate(chunks[::-1])["events"], exact=weight is None)
    again = pickle.loads(cloudpickle.dumps(judge))
    same(whole, again.process(events)["events"])


def test_selection_is_that_of_a_plain_loop(processor: DijetProcessor) -> None:
    events = dijets(300)
    judge = DijetProcessor(
        {"a": processor.providers["a"]}, replicas=0, pt_edges=(30, 100, 150, 5000), eta_edges=(0, 1.3, 2.5)
    )
    out = judge.process(events)["events"]
    same_pairs, reference = [], []
    for event in events.to_list():
        one, two, three = sorted(event["Jet"], key=lambda jet: -jet["pt"])
        average = (one["pt"] + two["pt"]) / 2
        apart = abs((one["phi"] - two["phi"] + math.pi) % (2 * math.pi) - math.pi)
        if apart <= 2.7 or three["pt"] >= max(25, 0.25 * average) or max(abs(j["eta"]) for j in (one, two)) >= 2.5:
            continue
        central = [abs(jet["eta"]) < 1.3 for jet in (one, two)]
        if central[0] == central[1]:
            same_pairs.append(abs(one["pt"] - two["pt"]) / average)
        else:
            ref, probe = (one, two) if central[0] else (two, one)
            reference.append((ref["pt"] - probe["pt"]) / average)
    assert out["selected"] == {"a": len(same_pairs) + len(reference)}
    histogram = out["reco"].project("asymmetry", "pair")
    edges = histogram.axes["asymmetry"].edges
    np.testing.assert_array_equal(histogram[:, "reference"].values(), np.histogram(reference, edges)[0])
    signed = histogram[:, "same"].values()
    np.testing.assert_array_equal(
        (signed + signed[::-1])[len(signed) // 2 :], np.histogram(same_pairs, edges[len(signed) // 2 :])[0]
    )
    # Chance decides the sign: both occur.
    assert signed[: len(signed) // 2].sum() > 0.3 * len(same_pairs)
    assert signed[len(signed) // 2 :].sum() > 0.3 * len(same_pairs)


@pytest.mark.parametrize("estimator", ["quantile", "core", "rms"])
def test_a_known_resolution_comes_back(accumulated: dict[str, Any], estimator: str) -> None:
    summary = summarise_dijets(accumulated, estimator=estimator)
    wanted = {("same", 0.0): CENTRAL, ("reference", 1.3): FORWARD}
    for (pair, low), jer in wanted.items():
        cell = next(c for c in summary.cells if (c.provider, c.pair, c.eta[0], c.pt[0]) == ("a", pair, low, 130.0))
        assert cell.events > 2_000
        assert cell.truth.value == pytest.approx(jer, rel=0.04)
        assert abs(cell.jer.value - jer) < 0.04 * jer + 2.5 * cell.jer.error
        assert abs(cell.jer_extrapolated.value - jer) < 0.04 * jer + 2.5 * cell.jer_extrapolated.error
        assert 0.0 < cell.jer.error < 0.05 * jer
        assert 0.0 < cell.jer_extrapolated.error < 0.15 * jer
        assert cell.ratio.value == pytest.approx(cell.jer.value / cell.truth.value, rel=1e-12)
        assert [point.alpha_max for point in cell.alpha] == [0.15, 0.2, 0.25]
        assert cell.alpha[0].events < cell.alpha[-1].events <= cell.events
        assert cell.sigma_reco.value > cell.sigma_gen.value
    shifts = [c.shift for c in summary.cells if c.pair == "same" and c.shift.value is not None]
    assert all(abs(shift.value) < 4 * shift.error + 1e-3 for shift in shifts)


def test_a_common_scale_moves_no_asymmetry(accumulated: dict[str, Any]) -> None:
    cells = summarise_dijets(accumulated).cells
    a, b = (
        next(c for c in cells if (c.provider, c.pair, c.pt[0], c.eta[0]) == (name, "same", 130.0, 0.0)) for name in "ab"
    )
    assert a.jer.value == pytest.approx(b.jer.value, rel=0.15)
    assert b.truth.value == pytest.approx(CENTRAL, rel=0.05)


def test_data_take_the_generator_from_simulation(
    many: ak.Array, processor: DijetProcessor, accumulated: dict[str, Any]
) -> None:
    data = processor.process(many[[name for name in many.fields if name != "GenJet"]])
    assert set(data["events"]) == {"reco", "counts", "selected", "sample"}
    alone = summarise_dijets(data).cells[0]
    assert alone.sigma_reco.value is not None
    assert {alone.jer.note, alone.truth.note, alone.sigma_gen.note, alone.ratio.note} == {"no generator"}
    borrowed = summarise_dijets(data, generator=accumulated)
    full = summarise_dijets(accumulated)
    for one, two in zip(borrowed.cells, full.cells, strict=True):
        assert (one.jer, one.jer_extrapolated, one.sigma_gen) == (two.jer, two.jer_extrapolated, two.sigma_gen)
        assert one.truth.note == "no generator"
    other = DijetProcessor({"a": processor.providers["a"]}).process(many[:10])
    with pytest.raises(InputError, match="the generator's histograms have other axes"):
        summarise_dijets(data, generator=other)


def test_summary_is_json(accumulated: dict[str, Any]) -> None:
    summary = summarise_dijets(accumulated)
    text = json.dumps(summary.to_dict(), allow_nan=False)
    assert json.loads(text)["estimator"] == "quantile"
    assert summary.counts["events"] == 30_000
    assert summary.reference_eta == [0.0, 1.3]
    drawn = summary.distributions[0]
    assert len(drawn.edges) == len(drawn.reco) + 1 == len(drawn.gen) + 1
    empty = summarise_dijets(
        {"none": {**accumulated["events"], **{k: accumulated["events"][k] * 0 for k in ("reco", "gen", "truth")}}}
    )
    assert empty.cells == []


def test_events_without_two_jets_are_no_dijets(processor: DijetProcessor) -> None:
    events = dijets(20)
    for chunk in (
        events[:0],
        ak.with_field(events, events.Jet[:, :1], "Jet"),
        ak.with_field(events, events.Jet[:, :0], "Jet"),
    ):
        out = processor.process(chunk)["events"]
        assert out["selected"] == {"a": 0, "b": 0}
        assert not out["reco"].view(flow=True).any()
    two = processor.process(ak.with_field(events, events.Jet[:, :2], "Jet"))["events"]
    assert two["selected"]["a"] > 10


def test_bad_input_is_refused(processor: DijetProcessor, accumulated: dict[str, Any], scaled: Any) -> None:
    events = dijets(5)
    with pytest.raises(InputError, match="providers is empty"):
        DijetProcessor({})
    with pytest.raises(InputError, match=r"pt_edges must be .* increasing .* got \[200, 100\]"):
        DijetProcessor({"a": scaled(1.0)}, pt_edges=(200, 100))
    with pytest.raises(InputError, match="no collection 'FatJet'"):
        DijetProcessor({"a": scaled(1.0)}, "FatJet").process(events)
    with pytest.raises(MissingBranchError, match=r"\['event'\] are missing"):
        processor.process(events[[name for name in events.fields if name != "event"]])
    with pytest.raises(InputError, match="no accumulated datasets"):
        summarise_dijets({})
    with pytest.raises(InputError, match="unknown estimator 'sigma'"):
        summarise_dijets(accumulated, estimator="sigma")
    other = DijetProcessor({"a": scaled(1.0)}, replicas=2).process(events)["events"]
    with pytest.raises(
        InputError, match=r"histograms 'reco' of 'events' and 'more' cannot be added: they differ in \["
    ):
        summarise_dijets({"events": accumulated["events"], "more": other})
