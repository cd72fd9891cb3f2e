"""AK4 PUPPI jets with the branches of Run 3: what the file says of itself, and that its constituents add up."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from coffea_mljec.errors import InputError
from coffea_mljec.nano import detect, flatten
from coffea_mljec.nano.algorithm import pileup_scheme
from coffea_mljec.payloads import read_text
from coffea_mljec.payloads.suitability import MismatchWarning, check_algorithm
from coffea_mljec.status import Status
from tests.training.simulate.fakes import random_batch
from training.simulate.batch import Jagged, RecoBatch
from training.simulate.branches import TABLES_OF
from training.simulate.manifest import begin_manifest, write_manifest
from training.simulate.nanoaod import correct_jets, read, write
from training.simulate.plan import Plan
from training.simulate.prompt import missing_momentum
from training.simulate.skim import concatenate, skim_jets
from training.simulate.tables import EventTables, JetSelection, assemble

SELECTION = JetSelection(jets="puppi", unmatched_raw_pt_min=8.0, ak8_pt_min=30.0)


@pytest.fixture(scope="module")
def batch() -> RecoBatch:
    """Give a batch whose neutral candidates, pileup's too, have weights between 0 and 1."""
    made = random_batch(21, n_events=6)
    columns = dict(made.candidates.columns)
    rng = np.random.default_rng(3)
    neutral = columns["charge"] == 0
    drawn = np.where(rng.random(len(neutral)) < 0.3, 0.0, rng.uniform(0.01, 1.0, len(neutral)))
    weight = np.where(neutral, drawn, columns["puppiWeight"])
    columns["puppiWeight"] = weight.astype(np.float32)
    return dataclasses.replace(made, candidates=Jagged(made.candidates.offsets, columns))


@pytest.fixture(scope="module")
def events(batch: RecoBatch) -> EventTables:
    return assemble(batch, SELECTION, seed=3, first_event=0, block=1)


@pytest.fixture(scope="module")
def path(events: EventTables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("run3") / "events.root"
    write(where, events)
    return where


@pytest.mark.parametrize("mode", ["eager", "virtual"])
def test_the_file_is_recognised_as_puppi(path: Path, open_nano: Callable[..., Any], mode: str) -> None:
    layout = detect(open_nano(path, mode=mode), "Jet")
    assert pileup_scheme(layout) == "Puppi"
    assert layout.puppi_weighting == "weight"
    assert layout.simulation
    assert layout.find("event", "rho") == ("Rho", "fixedGridRhoFastjetAll")
    check_algorithm("AK4PFPuppi", layout, "a network")
    with pytest.warns(MismatchWarning, match="are Puppi jets: use one for AK4PFPuppi"):
        check_algorithm("AK4PFchs", layout, f"another network, {mode}")


def test_weighted_constituents_are_the_jet(path: Path) -> None:
    """Candidates keep 10 bits of pT and 8 of the weight: each is right to 0.25 %, and so is their sum."""
    with uproot.open(path) as file:
        arrays = file["Events"].arrays()
    weights = ak.flatten(arrays["PFCands_puppiWeight"][arrays["JetPFCands_pFCandsIdx"]])
    assert ak.min(weights) > 0.0
    assert ak.sum((weights > 0.0) & (weights < 1.0)) > 50
    checked = 0
    for event in arrays:
        candidates, jet = event["JetPFCands_pFCandsIdx"], np.asarray(event["JetPFCands_jetIdx"])
        pt, eta, phi, weight = (
            np.asarray(event[f"PFCands_{name}"][candidates], np.float64) for name in ("pt", "eta", "phi", "puppiWeight")
        )
        raw = np.asarray(event["Jet_pt"] * (1.0 - event["Jet_rawFactor"]), np.float64)
        n = len(raw)
        assert np.bincount(jet, minlength=n).tolist() == event["Jet_nConstituents"].tolist()
        px, py, pz = (np.bincount(jet, pt * weight * f, n) for f in (np.cos(phi), np.sin(phi), np.sinh(eta)))
        assert np.hypot(px, py) == pytest.approx(raw, rel=3e-3)
        assert np.arcsinh(pz / np.hypot(px, py)) == pytest.approx(np.asarray(event["Jet_eta"]), abs=3e-3)
        assert np.angle(np.exp(1j * (np.arctan2(py, px) - np.asarray(event["Jet_phi"])))) == pytest.approx(0, abs=3e-3)
        # Unweighted they are not.
        assert (np.bincount(jet, pt, n) > 1.05 * raw).any() or n == 0
        checked += n
    assert checked > 10


@pytest.mark.parametrize("collection", ["Jet", "FatJet"])
def test_no_jet_has_lost_constituents(path: Path, open_nano: Callable[..., Any], collection: str) -> None:
    flat = flatten(open_nano(path), collection, constituents={"charged": ("pt",), "neutral": ("pt",), "sv": ()})
    assert len(flat) > 5
    bad = Status.BAD_INPUT | Status.NO_CONSTITUENTS | Status.INCOMPLETE_CONSTITUENTS
    assert not np.any(flat.flags & np.uint8(bad))


def test_branches_are_those_of_run_3(real_data: Path, path: Path) -> None:
    with uproot.open(path) as file:
        ours = set(file["Events"].keys())
    with uproot.open(real_data / "nano" / "nanoaod_v15_tt_mc.root") as file:
        theirs = set(file["Events"].keys())
    event_wide = {name for name in TABLES_OF["puppi"][""] if not name.startswith("MLJEC")}
    assert event_wide <= ours & theirs
    assert not ours & {"fixedGridRhoFastjetAll", "RawMET_pt", "MET_pt", "Jet_puId"}


def test_missing_momentum_is_weighted_and_rho_is_not(batch: RecoBatch, events: EventTables) -> None:
    weighted = Jagged(
        batch.candidates.offsets,
        batch.candidates.columns | {"pt": batch.candidates["pt"] * batch.candidates["puppiWeight"]},
    )
    expected = missing_momentum(dataclasses.replace(batch, candidates=weighted))
    for name in ("pt", "phi", "sumEt"):
        assert events.scalars[f"RawPuppiMET_{name}"] == pytest.approx(expected[f"RawMET_{name}"], rel=1e-5)
    of_chs = assemble(batch, JetSelection(), seed=3, first_event=0, block=1).scalars
    assert events.scalars["Rho_fixedGridRhoFastjetAll"].tolist() == of_chs["fixedGridRhoFastjetAll"].tolist()
    assert events.scalars["RawPuppiMET_sumEt"][0] < of_chs["RawMET_sumEt"][0]


def test_forward_jets_of_few_neutrals_pass_the_jet_id_of_run_3(batch: RecoBatch) -> None:
    moved = dict(batch.candidates.columns)
    moved |= {"eta": np.where(np.abs(moved["eta"]) < 2.5, moved["eta"], np.sign(moved["eta"]) * 4.0).astype(np.float32)}
    moved["phi"] = np.where(np.abs(moved["eta"]) == 4.0, moved["phi"] * 0.05, moved["phi"]).astype(np.float32)
    moved["pdgId"] = np.where(np.abs(moved["eta"]) == 4.0, 130, moved["pdgId"]).astype(np.int32)
    made = dataclasses.replace(batch, candidates=Jagged(batch.candidates.offsets, moved))
    jets = {
        kind: assemble(made, JetSelection(jets=kind, unmatched_raw_pt_min=8.0, ak8=False), 1, 0, 1).tables["Jet"]
        for kind in ("chs", "puppi")
    }
    forward = np.abs(jets["puppi"]["eta"]) > 3.0
    assert forward.any()
    assert (jets["puppi"]["jetId"][forward] == 6).all()
    assert set(jets["chs"]["jetId"].tolist()) <= {0, 2, 6}


def test_it_is_read_corrected_and_skimmed_as_chs_is(events: EventTables, path: Path, tmp_path: Path) -> None:
    again = read(path)
    assert again.scalars["Rho_fixedGridRhoFastjetAll"] == pytest.approx(
        events.scalars["Rho_fixedGridRhoFastjetAll"], rel=1e-3
    )
    jec = tmp_path / "Toy_V1_MC_L1FastJet_AK4PFPuppi.jec.txt"
    jec.write_text(
        "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-y*0-z*[0]*x/y) Correction L1FastJet}\n"
        "-5.191 5.191 7 0 200 1 6500 0 10 0.01\n"
    )
    corrected = correct_jets(events, read_text([jec])).tables["Jet"]
    assert (corrected["rawFactor"] < 0.0).any()
    small = skim_jets(events, 60.0, 100.0)
    assert 0 < len(small.tables["Jet"]["pt"]) < len(events.tables["Jet"]["pt"])
    chs = assemble(random_batch(1, 5), dataclasses.replace(SELECTION, jets="chs"), 1, 0, 1)
    with pytest.raises(InputError, match=r"cannot be joined: chs, .* / puppi, "):
        concatenate([chs, events])


def plan(**selection: Any) -> Plan:
    energy = 13600.0 if selection.get("jets") == "puppi" else 13000.0
    return Plan.create(
        seed=4, events=25, shard_events=5, selection={"ak8": False} | selection, settings={"energy": energy}
    )


def test_a_production_keeps_its_kind_of_jets(tmp_path: Path) -> None:
    for kind, other in (("puppi", "chs"), ("chs", "puppi")):
        folder = tmp_path / kind
        folder.mkdir()
        write_manifest(folder, begin_manifest(folder, plan(jets=kind), resume=False))
        begin_manifest(folder, plan(jets=kind), resume=True)
        with pytest.raises(InputError, match=r"holds another production: selection, settings differ"):
            begin_manifest(folder, plan(jets=other), resume=True)


def test_a_production_of_chs_jets_from_before_goes_on(tmp_path: Path) -> None:
    """Its manifest says nothing of the kind of jets."""
    manifest = begin_manifest(tmp_path, plan(), resume=False)
    assert "puppi" not in json.dumps(manifest)
    assert manifest["identity"]["selection"] == {"ak8": False}
    write_manifest(tmp_path, manifest)
    assert begin_manifest(tmp_path, plan(jets="chs"), resume=True)["identity"] == manifest["identity"]


def test_unknown_jets_are_refused() -> None:
    with pytest.raises(InputError, match=r"unknown jets 'pupi': choose one of chs, puppi"):
        plan(jets="pupi")
