"""Hadrons respond non-linearly, photons do not; what leaves nothing."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.calorimeter import deposit, hadron_response, hadron_sigma
from training.simulate.detector import DETECTOR

#: Factors at |eta| 1.2 on the constant and stochastic terms, and on the noise.
BARREL, NOISE = 1.0 + 1.44 * DETECTOR.hadron_growth, 1.0 + 1.44 * DETECTOR.hadron_noise_growth


def deposits(kind: int, energy: float, eta: float = 0.3, n: int = 20_000, **changes: float) -> tuple[float, float]:
    em, had = deposit(
        np.random.default_rng(5), np.full(n, kind, np.int8), np.full(n, energy), np.full(n, eta),
        np.ones(n, np.bool_), DETECTOR._replace(**changes),
    )  # fmt: skip
    return float(em.mean()), float(had.mean())


def test_response_rises_with_energy() -> None:
    energies = np.geomspace(1.0, 1000.0, 40)
    response = np.array([hadron_response(energy, DETECTOR) for energy in energies])
    assert (np.diff(response) > 0).all()
    assert 0.5 < hadron_response(4.0, DETECTOR) < 0.7
    assert 0.88 < hadron_response(300.0, DETECTOR) < 1.0


def test_response_against_its_formula() -> None:
    energy = np.array([0.3, 1.0, 7.0, 250.0])
    em = 1.0 - np.maximum(energy, 1.0) ** (DETECTOR.hadron_power - 1.0)
    twin = DETECTOR.hadron_norm * (em + (1 - em) * DETECTOR.hadron_h_over_e)
    assert [hadron_response(e, DETECTOR) for e in energy] == pytest.approx(twin.tolist(), rel=1e-12)


@pytest.mark.parametrize("energy", [3.0, 30.0, 300.0])
def test_mean_deposit_of_hadrons(energy: float) -> None:
    em, had = deposits(5, energy)
    assert (em + had) / energy == pytest.approx(hadron_response(energy, DETECTOR), rel=0.02)
    assert 0.0 < em < 0.5 * had
    em_up, had_up = deposits(5, energy, response_scale=1.03)
    assert (em_up + had_up) / (em + had) == pytest.approx(1.03, rel=5e-3)


@pytest.mark.parametrize(
    ("eta", "scale", "louder", "where"),
    [(0.0, 1.0, 1.0, ""), (1.2, BARREL, NOISE, ""), (2.0, 1.0, 1.0, "_endcap"), (2.7, 1.0, 1.0, "_gap")],
)
def test_sigma_of_hadrons_against_its_formula(eta: float, scale: float, louder: float, where: str) -> None:
    constant, stochastic, noise = (
        getattr(DETECTOR, f"hadron_{term}{where}") for term in ("constant", "stochastic", "noise")
    )
    constant, stochastic, noise = scale * constant, scale * stochastic, louder * noise
    energy = np.array([0.5, 8.0, 300.0])
    sigma = [hadron_sigma(e, eta, DETECTOR) for e in energy]
    twin = np.sqrt((constant * energy) ** 2 + stochastic**2 * energy + noise**2)
    assert sigma == pytest.approx(twin.tolist(), rel=1e-12)


@pytest.mark.parametrize(("eta", "name"), [(DETECTOR.crack_eta, "crack_loss"), (DETECTOR.hf_eta - 1e-6, "edge_loss")])
def test_energy_is_lost_between_calorimeters(eta: float, name: str) -> None:
    whole = sum(deposits(5, 100.0, eta, crack_loss=0.0, edge_loss=0.0))
    lost = sum(deposits(5, 100.0, eta))
    assert lost / whole == pytest.approx(1.0 - getattr(DETECTOR, name), abs=0.02)
    assert sum(deposits(5, 100.0, 0.3)) == pytest.approx(sum(deposits(5, 100.0, 0.3, crack_loss=0.0)), rel=5e-3)


@pytest.mark.parametrize("eta", [0.3, DETECTOR.crack_eta, 2.0, 2.6])
def test_photons_that_do_not_convert_are_seen_whole(eta: float) -> None:
    # At the crack between the HCAL's barrel and endcap too, which lies behind the ECAL.
    em, had = deposits(1, 40.0, eta, conversion_loss=0.0, edge_loss=0.0, gap_em_response=1.0)
    assert had == 0.0
    assert em == pytest.approx(40.0, rel=2e-3)


def test_photons_lose_energy_between_the_parts_of_the_ecal_and_in_the_material() -> None:
    whole = deposits(1, 40.0, DETECTOR.ecal_crack_eta, ecal_crack_loss=0.0)[0]
    lost = deposits(1, 40.0, DETECTOR.ecal_crack_eta)[0]
    assert lost / whole == pytest.approx(1.0 - DETECTOR.ecal_crack_loss, abs=0.01)
    assert deposits(1, 2.0)[0] < 1.95


def test_forward_calorimeter_splits_photons_and_hadrons() -> None:
    photon, hadron = deposits(1, 200.0, eta=4.0), deposits(5, 200.0, eta=4.0)
    assert photon[0] > 5 * photon[1] > 0
    assert hadron[1] > hadron[0] > 0


def test_muons_lost_particles_and_the_beam_pipe_leave_nothing() -> None:
    assert deposits(3, 50.0) == (0.0, 0.0)
    assert deposits(5, 50.0, eta=5.3) == (0.0, 0.0)
    em, had = deposit(
        np.random.default_rng(1), np.full(3, 4, np.int8), np.ones(3), np.zeros(3), np.zeros(3, np.bool_), DETECTOR
    )
    assert not em.any()
    assert not had.any()
