"""Files with soft-drop mass, subjets and neutrinos, and without; processes for AK8 jets; their plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError
from tests.training.simulate.fakes import random_batch
from training.simulate.branches import EXTRAS
from training.simulate.generator import generate_hard
from training.simulate.manifest import begin_manifest, write_manifest
from training.simulate.nanoaod import read, write
from training.simulate.plan import BOOSTED, Plan
from training.simulate.settings import PROCESSES, Settings
from training.simulate.skim import merge
from training.simulate.tables import EventTables, JetSelection, assemble

pytest.importorskip("fastjet")
SELECTION = JetSelection(unmatched_raw_pt_min=8.0, ak8_pt_min=30.0, soft_drop=True, neutrinos=True)


@pytest.fixture(scope="module")
def events() -> EventTables:
    batch = random_batch(11, n_events=6)
    batch.gen.columns["pdgId"] = np.where(np.arange(len(batch.gen["pt"])) % 7 == 0, 14, batch.gen["pdgId"])
    return assemble(batch, SELECTION, seed=3, first_event=0, block=1)


@pytest.fixture(scope="module")
def path(events: EventTables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("boosted") / "events.root"
    write(where, events)
    return where


def test_coffea_finds_subjets_and_generator_subjets(path: Path, open_nano: Callable[..., Any]) -> None:
    nano = open_nano(path, mode="eager")
    pair = nano.FatJet.subjets
    assert ak.all(ak.num(pair, axis=2) == 2)
    total = pair.sum()
    assert ak.to_numpy(ak.flatten(total.mass)) == pytest.approx(
        ak.to_numpy(ak.flatten(nano.FatJet.msoftdrop)), rel=0.01
    )
    assert ak.all(nano.FatJet.msoftdrop <= nano.FatJet.mass * 1.002)
    assert ak.any(nano.FatJet.msoftdrop < 0.9 * nano.FatJet.mass)
    index = ak.to_numpy(ak.flatten(nano.SubJet.subGenJetAK8Idx))
    assert (index >= 0).mean() > 0.5
    assert (index < np.repeat(ak.to_numpy(ak.num(nano.SubGenJetAK8)), ak.to_numpy(ak.num(nano.SubJet)))).all()
    assert ak.any(nano.SubJet.nBHadrons == 1)


@pytest.mark.parametrize("name", ["GenJet", "GenJetAK8"])
def test_momenta_with_neutrinos_are_larger(path: Path, open_nano: Callable[..., Any], name: str) -> None:
    jets = open_nano(path, mode="eager")[name]
    more = ak.to_numpy(ak.flatten(jets.ptWithNeutrinos / jets.pt))
    assert more.min() > 0.999
    assert np.median(more) > 1.02


def test_what_was_written_is_read_and_merged(events: EventTables, path: Path, tmp_path: Path) -> None:
    merge([path], tmp_path / "merged.root", 5.0, 8.0)
    for where in (path, tmp_path / "merged.root"):
        again = read(where)
        assert set(again.tables) == set(events.tables)
        for tables in EXTRAS.values():
            for table, fields in tables.items():
                for field in fields:
                    expected = np.asarray(events.tables[table][field], np.float64)
                    assert again.tables[table][field] == pytest.approx(expected, rel=2**-10, abs=2**-10)


def test_files_without_them_are_as_before(tmp_path: Path) -> None:
    plain = assemble(random_batch(1), dataclasses.replace(SELECTION, soft_drop=False, neutrinos=False), 1, 0, 1)
    write(tmp_path / "plain.root", plain)
    again = read(tmp_path / "plain.root").tables
    assert "SubJet" not in again
    assert "msoftdrop" not in again["FatJet"].columns
    assert "ptWithNeutrinos" not in again["GenJet"].columns


def test_soft_drop_needs_large_jets() -> None:
    with pytest.raises(InputError, match="soft_drop is of AK8 jets, which are not to be written: set ak8"):
        Plan.create(events=5, selection={"ak8": False, "soft_drop": True})


def plan(**selection: Any) -> Plan:
    return Plan.create(seed=4, events=25, shares=BOOSTED, settings={"pt_hat_min": 200.0}, selection=selection)


def test_a_production_from_before_goes_on_and_keeps_its_branches(tmp_path: Path) -> None:
    write_manifest(tmp_path, begin_manifest(tmp_path, plan(), resume=False))
    assert begin_manifest(tmp_path, plan(soft_drop=False, neutrinos=False), resume=True)["identity"]["selection"] == {}
    with pytest.raises(InputError, match="holds another production: selection differ"):
        begin_manifest(tmp_path, plan(soft_drop=True), resume=True)


def test_masses_and_decays_of_boosted_processes() -> None:
    pytest.importorskip("pythia8mc", reason="Pythia 8 is not installed: pip install 'coffea-mljec[simulate]'")
    common = {"seed": 3, "pt_hat_min": 200.0, "bias_power": 6.0}
    # Process -> heavy particle, and what the hard process ends in.
    expected = {
        "boosted-w": (24, 24, {1, 2, 3, 4, 5}), "boosted-z": (23, 23, {1, 2, 3, 4, 5}),
        "boosted-hbb": (25, 5, set()), "boosted-hcc": (25, 4, set()), "boosted-top": (6, 24, {1, 2, 3, 4, 5}),
    }  # fmt: skip
    for process, (heavy, child, quarks) in expected.items():
        part = generate_hard(Settings.create(process=process, **common), 8, 0).genpart
        number, hard = np.abs(part["pdgId"]), part["status"] <= 29
        assert np.isin(heavy, number[hard]), process
        assert np.isin(child, number), process
        assert part["pt"][hard & (number == heavy)].max() > 200.0
        leptons = np.isin(number[hard], (11, 12, 13, 14, 15, 16))
        assert not leptons.any(), process
        assert quarks == set() or set(number[part["status"] == 23].tolist()) & quarks
    assert set(BOOSTED) <= set(PROCESSES)


def test_higgs_bosons_have_any_mass_and_jets_any_momentum() -> None:
    pytest.importorskip("pythia8mc", reason="Pythia 8 is not installed: pip install 'coffea-mljec[simulate]'")
    settings = Settings.create(process="boosted-hbb", seed=3, pt_hat_min=200.0, bias_power=6.0)
    hard = generate_hard(settings, 60, 0)
    part = hard.genpart
    mass = part["mass"][(part["pdgId"] == 25) & (part["status"] == 22)]
    assert len(mass) == 60
    assert np.quantile(mass, 0.25) < 110.0
    assert np.quantile(mass, 0.75) > 130.0
    assert 30.0 <= mass.min() < 60.0
    assert mass.max() > 170.0
    assert np.quantile(hard.pthat, 0.75) - np.quantile(hard.pthat, 0.25) > 300.0
