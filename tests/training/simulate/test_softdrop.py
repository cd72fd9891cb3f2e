"""Soft drop against a declustering of our own, jet by jet; subjets and their places in the event."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.simulate.fakes import random_batch
from training.simulate.batch import Jagged, offsets_of
from training.simulate.jets import Jets, puppi_jets
from training.simulate.softdrop import soft_drop, with_subjets

fastjet = pytest.importorskip("fastjet")


def declustered(momenta: list[tuple[float, ...]]) -> tuple[float, list[float]]:
    """Mass and prongs' pT of one jet, by its definition: undo the last step until both prongs are hard enough."""
    sequence = fastjet.ClusterSequence(
        [fastjet.PseudoJet(*row) for row in momenta], fastjet.JetDefinition(fastjet.cambridge_algorithm, 100.0)
    )
    jet = sequence.inclusive_jets()[0]
    first, second = fastjet.PseudoJet(), fastjet.PseudoJet()
    while sequence.has_parents(jet, first, second):
        pt = sorted([first.pt(), second.pt()], reverse=True)
        if pt[1] > 0.1 * (pt[0] + pt[1]):
            return jet.m(), pt
        jet = fastjet.PseudoJet(first if first.pt() > second.pt() else second)
    return jet.m(), []


def momenta_of(particles: Jagged, rows: np.ndarray, weight: np.ndarray) -> list[tuple[float, ...]]:
    pt, eta, phi, mass = (np.asarray(particles[name][rows], np.float64) for name in ("pt", "eta", "phi", "mass"))
    pt, mass = pt * weight[rows], mass * weight[rows]
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return list(zip(*(x.tolist() for x in (px, py, pz, np.sqrt(pt**2 + pz**2 + mass**2))), strict=True))


def test_mass_and_prongs_are_those_of_the_definition() -> None:
    candidates = random_batch(5).candidates
    weight = np.where(np.arange(len(candidates["pt"])) % 3 == 0, 0.4, 1.0) * candidates["puppiWeight"]
    candidates.columns["puppiWeight"] = weight
    jets = puppi_jets(candidates, pt_min=10.0)
    groomed = soft_drop(candidates, jets, weight)
    assert len(groomed.mass) == len(jets.members) > 5
    lighter = 0
    for jet in range(len(jets.members)):
        rows = jets.members["row"][jets.members.offsets[jet] : jets.members.offsets[jet + 1]]
        mass, pt = declustered(momenta_of(candidates, rows, weight))
        found = groomed.subjets.slice(jet, jet + 1)
        assert groomed.mass[jet] == pytest.approx(mass, rel=1e-6, abs=1e-5)
        assert found["pt"].tolist() == pytest.approx(pt, rel=1e-9)
        lighter += mass < 0.98 * jets.table["mass"][jet]
        pair = np.sum(np.array(momenta_of(found, np.arange(len(pt)), np.ones(2))), axis=0)
        assert np.sqrt(pair[3] ** 2 - (pair[:3] ** 2).sum()) == pytest.approx(mass, rel=1e-5)
    assert lighter > 0


def jets_of(counts: list[int], jets_an_event: list[int], columns: dict[str, np.ndarray]) -> tuple[Jagged, Jets]:
    particles = Jagged(np.array([0, sum(counts)]), columns)
    members = Jagged(offsets_of(np.array(counts)), {"row": np.arange(sum(counts))})
    table = Jagged(offsets_of(np.array(jets_an_event)), {"pt": np.ones(len(counts))})
    return particles, Jets(table, members)


def test_soft_and_wide_radiation_goes() -> None:
    columns = {
        "pt": np.array([100.0, 80.0, 5.0, 60.0]), "eta": np.array([0.0, 0.3, 0.7, 1.0]),
        "phi": np.array([3.1, -3.1, 2.9, 0.0]), "mass": np.array([0.0, 0.0, 0.0, 0.139]),
    }  # fmt: skip
    particles, jets = jets_of([3, 1], [0, 2, 0], columns)
    groomed = soft_drop(particles, jets)
    between = np.sqrt(2 * 100 * 80 * (np.cosh(0.3) - np.cos(2 * np.pi - 6.2)))
    assert groomed.mass == pytest.approx([between, 0.139], rel=1e-6)
    assert groomed.subjets.counts.tolist() == [2, 0]
    assert groomed.subjets["pt"].tolist() == pytest.approx([100.0, 80.0])
    table, subjets = with_subjets(jets.table, groomed)
    assert subjets.counts.tolist() == [0, 2, 0]
    assert table["subJetIdx1"].tolist() == [0, -1]
    assert table["subJetIdx2"].tolist() == [1, -1]


def test_subjets_are_counted_within_the_event() -> None:
    pair = {"pt": [50.0, 40.0], "eta": [0.0, 0.2], "phi": [0.0, 0.1], "mass": [0.0, 0.0]}
    columns = {name: np.tile(values, 4) for name, values in pair.items()}
    particles, jets = jets_of([2, 2, 2, 2], [1, 3], columns)
    table, subjets = with_subjets(jets.table, soft_drop(particles, jets))
    assert subjets.counts.tolist() == [2, 6]
    assert table["subJetIdx1"].tolist() == [0, 0, 2, 4]
    assert table["subJetIdx2"].tolist() == [1, 1, 3, 5]


def test_no_jets() -> None:
    particles, jets = jets_of([], [0, 0], {name: np.zeros(0) for name in ("pt", "eta", "phi", "mass")})
    table, subjets = with_subjets(jets.table, soft_drop(particles, jets))
    assert len(table["msoftdrop"]) == 0
    assert subjets.counts.tolist() == [0, 0]
