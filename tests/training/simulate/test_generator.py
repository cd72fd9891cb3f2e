"""Pythia's record, sorted: truth, flavour, strange decays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from training.simulate import decay, generator
from training.simulate.batch import Jagged, offsets_of
from training.simulate.generator import generate_hard
from training.simulate.record import HardEvents
from training.simulate.settings import PROCESSES, Settings


@pytest.fixture(scope="module")
def beauty() -> HardEvents:
    pytest.importorskip("pythia8mc", reason="Pythia 8 is not installed: pip install 'coffea-mljec[simulate]'")
    return generate_hard(Settings(process="qcd-b", seed=3, pt_hat_min=50.0), 15, 0)


def test_b_hadrons_end_in_weak_decays(beauty: HardEvents) -> None:
    part = beauty.genpart
    a = np.abs(part["pdgId"])
    b_hadron = (a > 100) & (((a // 100) % 10 == 5) | ((a // 1000) % 10 == 5))
    last = (part["statusFlags"] >> 13) & 1 == 1
    for event in range(len(part)):
        assert (b_hadron & last)[part.offsets[event] : part.offsets[event + 1]].sum() >= 2
    # 511, 521, 531, 541 and baryons decay weakly; excited states (513, ...) are never last.
    assert not np.isin(a[b_hadron & last], (513, 523, 533)).any()


def test_mothers_come_first_and_belong_to_the_event(beauty: HardEvents) -> None:
    mother = beauty.genpart["genPartIdxMother"]
    counts = np.repeat(beauty.genpart.counts, beauty.genpart.counts)
    local = np.arange(len(mother)) - np.repeat(beauty.genpart.offsets[:-1], beauty.genpart.counts)
    assert ((mother >= -1) & (mother < counts)).all()
    assert (mother[mother >= 0] < local[mother >= 0]).all()
    hard = beauty.genpart["status"] == 23
    assert set(np.abs(beauty.genpart["pdgId"][hard])) == {5}
    assert (np.bincount(beauty.genpart.event[hard], minlength=15) == 2).all()


def test_momentum_is_conserved(beauty: HardEvents) -> None:
    gen = beauty.gen
    for angle in (np.cos, np.sin):
        total = np.bincount(gen.event, gen["pt"].astype(float) * angle(gen["phi"].astype(float)), minlength=15)
        assert np.abs(total).max() < 0.05
    # Nothing but partons before hadronisation.
    assert set(np.abs(beauty.partons["pdgId"])) <= {1, 2, 3, 4, 5, 21}


def test_displaced_tracks_know_their_decay(beauty: HardEvents) -> None:
    particles = beauty.particles
    flight = np.hypot(particles["vx"], particles["vy"])
    charged = particles["charge"] != 0
    displaced = charged & (flight > 0.01)
    assert displaced.sum() > 20
    # Taus and the like apart, displaced tracks stem from b, c or V0 decays.
    assert (particles["group"][displaced] >= 0).mean() > 0.9
    assert (particles["group"][charged & (flight < 1e-6)] < 0).mean() > 0.8


def test_the_seed_fixes_everything(beauty: HardEvents) -> None:
    again = generate_hard(Settings(process="qcd-b", seed=3, pt_hat_min=50.0), 15, 0)
    other = generate_hard(Settings(process="qcd-b", seed=3, pt_hat_min=50.0), 15, 1)
    assert again.particles["pt"].tolist() == beauty.particles["pt"].tolist()
    assert again.weight.tolist() == beauty.weight.tolist()
    assert other.weight.tolist() != beauty.weight.tolist()


def test_unknown_commands_are_refused() -> None:
    pytest.importorskip("pythia8mc", reason="Pythia 8 is not installed: pip install 'coffea-mljec[simulate]'")
    with pytest.raises(InputError, match="does not know 'No:such = on'"):
        generator._pythia(["No:such = on"], 1)


def kaons(n: int, reach: float) -> Jagged:
    ones = np.ones(n, np.float32)
    gen = Jagged(
        offsets_of(np.array([n])),
        {
            "pt": 4 * ones,
            "eta": 0.5 * ones,
            "phi": 3.1 * ones,
            "mass": 0.4976 * ones,
            "pdgId": np.full(n, 310, np.int32),
        },
    )
    return decay.decay_strange(np.random.default_rng(1), gen, np.zeros((n, 3)), np.full(n, -1, np.int32), reach)


def test_kaons_decay_with_their_lifetime() -> None:
    n = 4000
    out = kaons(n, 50.0)
    pions = out["kind"] == decay.CHARGED_HADRON
    photons = out["kind"] == decay.PHOTON
    alive = int((out["kind"] == decay.NEUTRAL_HADRON).sum())
    momentum = 4 * math.cosh(0.5)
    assert alive / n == pytest.approx(math.exp(-50.0 * 0.4976 / (2.684 * momentum)), abs=0.02)
    assert pions.sum() / 2 / (n - alive) == pytest.approx(0.692, abs=0.02)
    assert photons.sum() == 4 * (n - alive - pions.sum() // 2)
    assert out["charge"][pions].sum() == 0
    assert np.hypot(np.hypot(out["vx"], out["vy"]), out["vz"]).max() < 50.0
    # Four-momentum of all together: isotropic decays keep the sum.
    energy = np.sqrt((out["pt"] * np.cosh(out["eta"])) ** 2 + out["mass"] ** 2).sum(dtype=float)
    assert energy == pytest.approx(n * math.hypot(momentum, 0.4976), rel=1e-4)
    assert (out["pt"] * np.cos(out["phi"])).sum(dtype=float) == pytest.approx(4 * n * math.cos(3.1), rel=1e-4)


def test_kaons_beyond_reach_stay() -> None:
    out = kaons(10, 0.0)
    assert out["kind"].tolist() == [decay.NEUTRAL_HADRON] * 10


def test_forward_variants_have_a_forward_parton() -> None:
    pytest.importorskip("pythia8mc", reason="Pythia 8 is not installed: pip install 'coffea-mljec[simulate]'")
    part = generate_hard(Settings(process="qcd-forward", seed=3), 12, 0).genpart
    hard = part["status"] == 23
    furthest = np.zeros(12)
    np.maximum.at(furthest, part.event[hard], np.abs(part["eta"][hard]))
    # Less than the veto's 2.4 only by what the recoil of the shower moved the parton.
    assert furthest.min() > 2.3
    # Without the veto 12 in a row happen once in 10^7.
    plain = generate_hard(Settings(process="qcd", seed=3), 12, 0).genpart
    hard = plain["status"] == 23
    furthest = np.zeros(12)
    np.maximum.at(furthest, plain.event[hard], np.abs(plain["eta"][hard]))
    assert furthest.min() < 2.3


def test_dijets_have_both_partons_in_one_region() -> None:
    pytest.importorskip("pythia8mc", reason="Pythia 8 is not installed: pip install 'coffea-mljec[simulate]'")
    process = PROCESSES["qcd-dijet"]
    assert process.chooses
    assert process.wants(0.1, 1.2)
    assert process.wants(2.4, 1.4)
    assert not process.wants(1.2, 1.4)
    assert not process.wants(2.6, 3.0)

    def apart(name: str) -> int:
        """Scatters of 12 whose partons are in different regions; the recoil of the shower moves them a little."""
        part = generate_hard(Settings(process=name, seed=3, pt_hat_min=60.0, pt_hat_max=800.0), 12, 0).genpart
        hard = part["status"] == 23
        eta = np.abs(part["eta"][hard]).reshape(12, 2)
        near = np.abs(eta - 1.3).min(axis=1) < 0.1
        return int(((np.digitize(eta, (1.3, 2.5))[:, 0] != np.digitize(eta, (1.3, 2.5))[:, 1]) & ~near).sum())

    assert apart("qcd-dijet") == 0
    # Without the veto half are: none of 12 happen once in 4,000.
    assert apart("qcd") > 0
