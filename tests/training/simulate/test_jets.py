"""Jets against FastJet event by event: members, momenta, areas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training.simulate.fakes import random_batch
from training.simulate.batch import Jagged, offsets_of
from training.simulate.jets import chs_jets, cluster, generator_jets, puppi_jets

fastjet = pytest.importorskip("fastjet")


def pseudojets(particles: Jagged, event: int) -> list[Any]:
    part = particles.slice(event, event + 1)
    pt, eta, phi, mass = (part[name].astype(np.float64) for name in ("pt", "eta", "phi", "mass"))
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    found = [fastjet.PseudoJet(*row) for row in np.stack([px, py, pz, energy], axis=1).tolist()]
    for index, particle in enumerate(found):
        particle.set_user_index(index)
    return found


def busy(seed: int, n_events: int, n: int) -> Jagged:
    rng = np.random.default_rng(seed)
    total = n * n_events
    pt = rng.exponential(0.6, total) + 0.2
    pt[rng.random(total) < 0.01] *= 30
    columns = {
        "pt": pt, "eta": rng.uniform(-4, 4, total), "phi": rng.uniform(-np.pi, np.pi, total),
        "mass": rng.choice([0.0, 0.1396], total),
    }  # fmt: skip
    return Jagged(offsets_of(np.full(n_events, n)), columns)


def test_members_and_momenta_are_fastjets() -> None:
    particles = busy(1, 3, 400)
    jets = cluster(particles, 0.4, 5.0)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
    for event in range(3):
        sequence = fastjet.ClusterSequence(pseudojets(particles, event), definition)
        expected = sorted(sequence.inclusive_jets(5.0), key=lambda j: -j.pt())
        rows = slice(int(jets.table.offsets[event]), int(jets.table.offsets[event + 1]))
        assert rows.stop - rows.start == len(expected) > 0
        assert jets.table["pt"][rows] == pytest.approx([j.pt() for j in expected], rel=1e-9)
        assert jets.table["eta"][rows] == pytest.approx([j.eta() for j in expected], abs=1e-9)
        assert jets.table["phi"][rows] == pytest.approx([j.phi_std() for j in expected], abs=1e-9)
        assert jets.table["mass"][rows] == pytest.approx([j.m() for j in expected], abs=1e-4)
        for jet, row in zip(expected, range(rows.start, rows.stop), strict=True):
            members = jets.members["row"][jets.members.offsets[row] : jets.members.offsets[row + 1]]
            want = sorted(int(c.user_index()) + int(particles.offsets[event]) for c in jet.constituents())
            assert members.tolist() == want


def test_areas_agree_with_the_active_area() -> None:
    particles = busy(7, 4, 800)
    jets = cluster(particles, 0.4, 8.0)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
    ghosts = fastjet.AreaDefinition(fastjet.active_area, fastjet.GhostedAreaSpec(5.0, 3, 0.01))
    active: list[float] = []
    for event in range(4):
        sequence = fastjet.ClusterSequenceArea(pseudojets(particles, event), definition, ghosts)
        active += [j.area() for j in sorted(sequence.inclusive_jets(8.0), key=lambda j: -j.pt())]
    difference = jets.table["area"] - np.array(active)
    assert len(active) > 60
    # An active area is itself random, by some 0.02 to 0.04 for soft jets; ours neglects that their axes drifted.
    assert np.mean(difference) == pytest.approx(0.0, abs=0.025)
    assert np.std(difference) < 0.05
    assert np.corrcoef(jets.table["area"], active)[0, 1] > 0.6


def test_a_lone_jet_has_a_circles_area() -> None:
    columns = {"pt": [50.0, 1.0], "eta": [0.0, 3.0], "phi": [np.pi, 0.0], "mass": [0.0, 0.0]}
    jets = cluster(Jagged(np.array([0, 2]), {n: np.array(c) for n, c in columns.items()}), 0.4, 5.0)
    assert jets.table["area"] == pytest.approx([np.pi * 0.16])
    assert jets.members["row"].tolist() == [0]


def test_empty_events_stay() -> None:
    particles = busy(1, 1, 300)
    gaps = Jagged(np.array([0, 0, 300, 300]), particles.columns)
    jets = cluster(gaps, 0.4, 5.0)
    assert len(jets.table) == 3
    assert jets.table.counts[[0, 2]].tolist() == [0, 0]
    nothing = cluster(Jagged(np.zeros(3, np.int64), {n: c[:0] for n, c in particles.columns.items()}), 0.4, 5.0)
    assert nothing.table.counts.tolist() == [0, 0]
    assert len(nothing.members) == 0


def test_chs_drops_charged_pileup_only() -> None:
    batch = random_batch(1)
    jets = chs_jets(batch.candidates)
    row = jets.members["row"]
    removed = (batch.candidates["charge"] != 0) & (batch.candidates["fromPV"] == 0)
    assert not removed[row].any()
    assert (batch.candidates["pt"][row[batch.candidates["charge"][row] == 0]] > 0).any()
    total = np.add.reduceat(batch.candidates["pt"][row].astype(np.float64), jets.members.offsets[:-1])
    assert (jets.table["pt"] <= total * (1 + 1e-6)).all()
    assert (jets.table["pt"] > 0.9 * total).all()


def test_puppi_weights_scale_the_candidates() -> None:
    batch = random_batch(2)
    jets = puppi_jets(batch.candidates, pt_min=5.0)
    assert (batch.candidates["puppiWeight"][jets.members["row"]] > 0).all()
    batch.candidates.columns["puppiWeight"] = batch.candidates["puppiWeight"] * np.float32(0.5)
    halved = puppi_jets(batch.candidates, pt_min=2.5)
    assert halved.table["pt"] == pytest.approx(0.5 * jets.table["pt"], rel=1e-5)


def test_generator_jets_are_without_neutrinos() -> None:
    batch = random_batch(3)
    plain = generator_jets(batch.gen)
    assert plain.table.counts[:-1].min() >= 1
    batch.gen.columns["pdgId"] = np.where(np.arange(len(batch.gen["pt"])) % 5 == 0, -14, 211)
    without = generator_jets(batch.gen)
    assert (np.arange(len(batch.gen["pt"]))[without.members["row"]] % 5 != 0).all()
    assert without.table["pt"].sum() < plain.table["pt"].sum()
