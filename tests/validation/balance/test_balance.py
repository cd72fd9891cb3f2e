"""Balance against a Z boson or a photon: a known response comes back, leptons are no jets, data need no generator."""

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
from coffea_mljec.validation.balance.processor import BalanceProcessor
from coffea_mljec.validation.balance.reference import Z_MASS, find_reference

RESPONSE = 0.92


def one_a_row(**columns: np.ndarray) -> ak.Array:
    """A collection with k objects in every event, from columns of shape (n, k)."""
    return ak.from_regular(ak.zip(columns), axis=1)


def leptons_of(pt: np.ndarray, phi: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pt, eta, phi, shape (n, 2), of massless leptons from Z bosons that decay in the transverse plane."""
    n = len(pt)
    energy, angle = np.hypot(pt, Z_MASS), rng.uniform(0, 2 * math.pi, n)
    along, across = Z_MASS / 2 * np.cos(angle), Z_MASS / 2 * np.sin(angle)
    momenta = []
    for sign in (1.0, -1.0):
        x = (sign * along * energy + Z_MASS / 2 * pt) / Z_MASS
        y = sign * across
        momenta.append((x * np.cos(phi) - y * np.sin(phi), x * np.sin(phi) + y * np.cos(phi)))
    px, py = (np.stack([part[k] for part in momenta], axis=1) for k in (0, 1))
    return np.hypot(px, py), np.zeros((n, 2)), np.arctan2(py, px)


def z_events(n: int, seed: int = 9, response: float = RESPONSE) -> ak.Array:
    """Z bosons at 100 to 400 GeV with a jet, a soft second jet that takes its part of the balance, and two leptons.

    The leptons are in the collection of jets too. MET is what the jets' response leaves; the file's jets are corrected
    already (the fake provider's factor is 1), and so is its MET.
    """
    rng = np.random.default_rng(seed)
    pt, phi = rng.uniform(100.0, 400.0, n), rng.uniform(-math.pi, math.pi, n)
    second = pt * np.minimum(rng.exponential(0.12, n), 0.8)
    gen = np.stack([pt - second, second], axis=1)
    # The second jet lies beside the first: together they balance the boson.
    directions = np.stack([phi + math.pi, phi + math.pi + 0.0], axis=1)
    eta = np.stack([rng.uniform(-1.2, 1.2, n), rng.uniform(2.0, 2.4, n)], axis=1)
    reco = gen * response * (1 + rng.normal(0, 0.05, (n, 2)))
    leptons = dict(zip(("pt", "eta", "phi"), leptons_of(pt, phi, rng), strict=True))
    met = sum(
        (gen[:, k] - reco[:, k])[:, None] * np.stack([np.cos(directions[:, k]), np.sin(directions[:, k])], 1)
        for k in (0, 1)
    )
    wrap = (directions + math.pi) % (2 * math.pi) - math.pi
    charge = np.where(rng.random((n, 1)) < 0.5, [[1, -1]], [[-1, 1]])
    own = {"pt": reco, "eta": eta, "phi": wrap}
    jets = {name: np.concatenate([leptons[name], own[name]], axis=1) for name in own}
    return ak.zip(
        {
            "run": np.ones(n, np.uint32), "luminosityBlock": np.arange(n) // 50, "event": np.arange(1, n + 1),
            "genWeight": rng.normal(1.0, 0.3, n),
            "Jet": one_a_row(**jets, rawFactor=np.zeros((n, 4))),
            "GenJet": one_a_row(pt=gen, eta=eta, phi=wrap),
            "Muon": one_a_row(**leptons, charge=charge, tightId=np.ones((n, 2), bool)),
            "GenDressedLepton": one_a_row(**leptons, pdgId=-13 * charge),
            "MET": ak.zip({"pt": np.hypot(*met.T), "phi": np.arctan2(met[:, 1], met[:, 0])}),
        },
        depth_limit=1,
    )  # fmt: skip


def photon_events(n: int) -> ak.Array:
    """The same events with the boson as a photon: one object, and one jet that is it."""
    events = z_events(n)
    pair = events.Muon
    px, py = (ak.to_numpy(ak.sum(pair.pt * f(pair.phi), axis=1)) for f in (np.cos, np.sin))
    pt, phi = np.hypot(px, py)[:, None], np.arctan2(py, px)[:, None]
    columns = {"pt": pt, "eta": np.full((n, 1), 0.01), "phi": phi}
    jets = one_a_row(**columns, rawFactor=np.zeros((n, 1)))
    events = events[[name for name in events.fields if "Muon" not in name and "Lepton" not in name]]
    events = ak.with_field(events, ak.concatenate([jets, events.Jet[:, 2:]], axis=1), "Jet")
    events = ak.with_field(events, one_a_row(**columns, cutBased=np.full((n, 1), 3)), "Photon")
    return ak.with_field(events, one_a_row(**columns), "GenIsolatedPhoton")


@pytest.fixture(scope="module")
def processor(scaled: Any) -> BalanceProcessor:
    return BalanceProcessor(
        {"a": scaled(1.0), "b": scaled(1 / RESPONSE)}, "zmumu", pt_edges=(100, 200, 400), replicas=6
    )


@pytest.fixture(scope="module")
def accumulated(processor: BalanceProcessor) -> dict[str, Any]:
    return processor.process(z_events(12_000))


def test_a_known_response_comes_back(processor: BalanceProcessor, accumulated: dict[str, Any]) -> None:
    summary = processor.summary(accumulated)
    assert summary.counts["events"] == summary.counts["simulated"] == 12_000
    assert 8_000 < summary.counts["with_reference"] < 12_000  # leptons below 20 GeV
    for provider, response in (("a", RESPONSE), ("b", 1.0)):
        for low in (100.0, 200.0):
            cell = next(c for c in summary.cells if (c.provider, c.eta[0], c.pt[0]) == (provider, 0.0, low))
            assert cell.events > 1_000
            assert cell.response.value == pytest.approx(response, abs=0.006)
            # Cut on is the second jet as it is measured: that moves the ratio by up to a per cent.
            assert cell.ratio.value == pytest.approx(response, abs=0.015)
            assert abs(cell.ratio_extrapolated.value - response) < 0.012 + 3 * cell.ratio_extrapolated.error
            # The second jet's share is lost to the balance, not to the MPF.
            assert cell.pt_balance.value < 0.97 * response
            assert cell.gen_balance.value < 0.97
            assert cell.mpf.value == pytest.approx(response, abs=0.015)
            assert cell.alpha[0].pt_balance.value > cell.alpha[-1].pt_balance.value
            assert cell.alpha[0].alpha_max * low >= 15.0
            assert 0.03 < cell.width.value < 0.15
    json.dumps(summary.to_dict(), allow_nan=False)


def test_means_and_cores_instead_of_medians(processor: BalanceProcessor, accumulated: dict[str, Any]) -> None:
    found = {}
    for estimator in ("quantile", "rms", "core"):
        summary = processor.summary(accumulated, estimator=estimator)
        assert summary.estimator == estimator
        cell = next(c for c in summary.cells if (c.provider, c.eta[0], c.pt[0]) == ("a", 0.0, 100.0))
        assert cell.ratio.value == pytest.approx(RESPONSE, abs=0.02)
        found[estimator] = cell.pt_balance.value
    assert found["rms"] < found["quantile"] < found["core"]  # the second jet's share makes a tail to low values
    with pytest.raises(InputError, match="unknown estimator 'mode'"):
        processor.summary(accumulated, estimator="mode")


def test_met_of_the_file_follows_the_providers_jets(processor: BalanceProcessor) -> None:
    """With the file's jets uncorrected, correcting them must bring the MPF to 1; a corrector of MET gives the same."""
    events = z_events(2_000)

    class Balanced:
        def apply(self, events: ak.Array) -> ak.Array:
            return ak.zip({"pt": np.zeros(len(events)), "phi": np.zeros(len(events))})

    own = BalanceProcessor(
        processor.providers, "zmumu", met={"a": Balanced(), "b": Balanced()}, pt_edges=(100, 400), replicas=0
    )
    cells = [c for c in own.summary(own.process(events)).cells if c.eta[0] == 0.0]
    assert [c.mpf.value for c in cells] == pytest.approx([1.0, 1.0], abs=0.011)
    nothing = BalanceProcessor(processor.providers, "zmumu", met=None, replicas=0)
    summary = nothing.summary(nothing.process(events))
    assert {c.mpf.note for c in summary.cells} == {"no MET"}
    assert summary.met is None


def test_a_photon_does_what_a_boson_does(processor: BalanceProcessor) -> None:
    judge = BalanceProcessor(processor.providers, "photon", pt_edges=(100, 400), replicas=4)
    cells = judge.summary(judge.process(photon_events(3_000))).cells
    for provider, response in (("a", RESPONSE), ("b", 1.0)):
        cell = next(c for c in cells if (c.provider, c.eta[0]) == (provider, 0.0))
        assert cell.ratio.value == pytest.approx(response, abs=0.015)
        assert cell.mpf.value == pytest.approx(response, abs=0.015)


@pytest.mark.parametrize("weight", [None, "genWeight"])
def test_any_chunking_and_merge_order_give_the_same(processor: BalanceProcessor, weight: str | None) -> None:
    events = z_events(300)
    judge = BalanceProcessor(processor.providers, "zll", weight=weight, replicas=3)
    with pytest.raises(MissingBranchError, match="'zll' needs Electron"):
        judge.process(events)
    judge = BalanceProcessor(processor.providers, "zmumu", weight=weight, replicas=3)
    whole = judge.process(events)["events"]
    view = whole["balance"].view(flow=True)
    assert view.any()
    for cuts in ([0, 1, 300], [0, 99, 99, 200, 300]):
        chunks = [judge.process(events[a:b]) for a, b in itertools.pairwise(cuts)]
        for order in (chunks, chunks[::-1]):
            merged = accumulate(order)["events"]
            assert (merged["counts"], merged["selected"]) == (whole["counts"], whole["selected"])
            if weight is None:
                np.testing.assert_array_equal(merged["balance"].view(flow=True), view)
            else:
                np.testing.assert_allclose(
                    merged["balance"].view(flow=True), view, rtol=0, atol=1e-12 * np.abs(view).max()
                )
    again = pickle.loads(cloudpickle.dumps(judge))
    np.testing.assert_array_equal(again.process(events)["events"]["balance"].view(flow=True), view)


def test_data_have_no_generator(processor: BalanceProcessor) -> None:
    events = z_events(500)
    data = events[[name for name in events.fields if not name.startswith("Gen")]]
    cell = processor.summary(processor.process(data)).cells[0]
    assert cell.pt_balance.value is not None
    assert cell.mpf.value is not None
    assert {getattr(cell, name).note for name in ("gen_balance", "response", "ratio", "ratio_extrapolated")} == {
        "no generator"
    }


def test_leptons_are_selected_as_stated() -> None:
    events = z_events(200)
    everything = find_reference(events, "zmumu", 0.0, 0.0)
    pair = events.Muon
    px, py = (ak.to_numpy(ak.sum(pair.pt * f(pair.phi), axis=1)) for f in (np.cos, np.sin))
    np.testing.assert_allclose(everything.pt, np.hypot(px, py), rtol=1e-6)
    np.testing.assert_allclose(everything.pt_gen, everything.pt, rtol=1e-6)
    hard = ak.to_numpy(ak.all(pair.pt > 30, axis=1))
    np.testing.assert_array_equal(find_reference(events, "zmumu", 30.0, 0.0).event, np.flatnonzero(hard))
    for field, values in (
        ("charge", ak.ones_like(pair.charge)),
        ("tightId", pair.pt > 1e9),
        ("pfRelIso04_all", ak.full_like(pair.pt, 0.2)),
        ("eta", ak.full_like(pair.eta, 2.45)),
        ("phi", ak.zeros_like(pair.phi)),  # collinear: no mass
    ):
        changed = ak.with_field(events, ak.with_field(pair, values, field), "Muon")
        assert len(find_reference(changed, "zmumu", 0.0, 0.0).event) == 0, field
    # The pair nearer to the Z mass wins: electrons worth 100 GeV against muons worth 91.
    heavier = ak.with_field(pair[["eta", "phi", "charge"]], pair.pt * 1.1, "pt")
    both = ak.with_field(events, heavier, "Electron")
    assert find_reference(both, "zll", 0.0, 0.0).pt == pytest.approx(everything.pt)
    assert find_reference(both, "zee", 0.0, 0.0).pt == pytest.approx(1.1 * everything.pt)


def test_generator_leptons_may_come_from_genpart() -> None:
    events = z_events(50)
    table = ak.with_field(events.GenDressedLepton, ak.ones_like(events.GenDressedLepton.pdgId), "status")
    fields = [name for name in events.fields if name != "GenDressedLepton"]
    plain = ak.with_field(events[fields], table, "GenPart")
    wanted = find_reference(events, "zmumu", 20.0, 0.0).pt_gen
    np.testing.assert_allclose(find_reference(plain, "zmumu", 20.0, 0.0).pt_gen, wanted)
    decayed = ak.with_field(events[fields], ak.with_field(table, 2 * table.status, "status"), "GenPart")
    assert not find_reference(decayed, "zmumu", 20.0, 0.0).pt_gen.any()
    assert find_reference(events[fields], "zmumu", 20.0, 0.0).pt_gen is None


def test_jets_without_a_positive_pt_are_none(processor: BalanceProcessor) -> None:
    events = z_events(100)
    jets = events.Jet
    last = ak.local_index(jets.pt, axis=1) == 3
    without = processor.process(ak.with_field(events, jets[~last], "Jet"))["events"]
    for value in (-5.0, 0.0, np.nan):
        changed = ak.with_field(jets, ak.where(last, value, jets.pt), "pt")
        found = processor.process(ak.with_field(events, changed, "Jet"))["events"]
        assert found["selected"] == without["selected"]
        of_balance = [part["balance"][{"quantity": "pt_balance"}].view(flow=True) for part in (found, without)]
        np.testing.assert_array_equal(*of_balance)


def test_no_events_and_bad_input(processor: BalanceProcessor, scaled: Any) -> None:
    events = z_events(5)
    empty = processor.process(events[:0])["events"]
    assert empty["selected"] == {"a": 0, "b": 0}
    assert processor.summary({"events": empty}).cells == []
    without = processor.process(ak.with_field(events, events.Jet[:, :0], "Jet"))["events"]
    assert without["selected"] == {"a": 0, "b": 0}
    provider = {"a": scaled(1.0)}
    with pytest.raises(InputError, match="unknown reference 'w'; choose one of zmumu, zee, zll, photon"):
        BalanceProcessor(provider, "w")
    with pytest.raises(InputError, match=r"met names nothing for the providers \['a'\]"):
        BalanceProcessor(provider, met={})
    with pytest.raises(InputError, match="eta_edges must be at least two increasing"):
        BalanceProcessor(provider, eta_edges=(1.3,))
    with pytest.raises(MissingBranchError, match=r"the MPF needs PuppiMET.*\['MET'\]"):
        BalanceProcessor(provider, "zmumu", met="PuppiMET").process(events)
    with pytest.raises(MissingBranchError, match="'photon' needs Photon"):
        BalanceProcessor(provider, "photon").process(events)
    bare = ak.with_field(events, events.Muon[["pt", "eta", "phi"]], "Muon")
    with pytest.raises(MissingBranchError, match="the balance needs Muon_charge"):
        processor.process(bare)


@pytest.mark.parametrize(
    "name", ["nanoaod_v12_tt_mc.root", "nanoaod_v15_tt_mc.root", "nanoaod_v13_egamma2022e_data.root"]
)
def test_real_nanoaod_is_read(real_data: Any, open_nano: Any, name: str) -> None:
    from coffea_mljec.validation.dijet.processor import DijetProcessor

    events = open_nano(real_data / "nano" / name)
    simulated = "GenJet" in events.fields

    class Stored:
        def apply(self, events: ak.Array, collection: str = "Jet") -> ak.Array:
            jets = events[collection]
            return ak.with_field(jets, ak.values_astype(ak.ones_like(jets.pt), np.uint8), "mljec_status")

    # Not every one of these small files has photons.
    for reference in [kind for kind in ("zll", "photon") if kind == "zll" or "Photon" in events.fields]:
        judge = BalanceProcessor({"stored": Stored()}, reference, met="PuppiMET", lepton_pt=10.0, replicas=2)
        out = judge.process(events)["events"]
        assert out["counts"]["events"] == len(events)
        assert out["counts"]["simulated"] == simulated * len(events)
        assert len(judge.summary({"events": out}).cells) <= out["selected"]["stored"]
    dijets = DijetProcessor({"stored": Stored()}, replicas=2).process(events)["events"]
    assert dijets["selected"]["stored"] > 0
    assert ("gen" in dijets) == simulated
