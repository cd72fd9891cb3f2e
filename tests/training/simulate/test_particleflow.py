"""Cells, links and candidates from a few hand-made particles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.simulate.calorimeter import calibrate, hadron_response, hadron_sigma
from training.simulate.candidates import from_vertex
from training.simulate.detector import DETECTOR
from training.simulate.particleflow import reconstruct_candidates

PHOTON, CHARGED, NEUTRAL = 1, 4, 5


def candidates(rows: list[dict[str, float]], offsets: list[int] | None = None, pv_z: float = 0.0) -> list[dict]:
    """Candidates of particles given by kind, eta, phi, em, had and, with a track, p."""
    n = len(rows)
    tracks = np.zeros((n, 9))
    for row, track in zip(rows, tracks, strict=True):
        if "p" in row:
            track[:4] = row["p"] / math.cosh(row["eta"]), row["eta"], row["phi"], row.get("sigma", 0.01)
    column = {name: np.array([row.get(name, 0.0) for row in rows]) for name in ("kind", "eta", "phi", "em", "had")}
    bounds = np.array([0, n] if offsets is None else offsets)
    found, values, pdg, source = reconstruct_candidates(
        np.random.default_rng(2), bounds, column["kind"].astype(np.int8),
        np.array([int("p" in row) for row in rows], np.int8), column["em"] + column["had"], tracks,
        column["eta"], column["phi"], np.ones(n, np.bool_), column["em"], column["had"],
        np.full(len(bounds) - 1, pv_z), DETECTOR,
    )  # fmt: skip
    assert found[-1] == len(values)
    event = np.repeat(np.arange(len(bounds) - 1), np.diff(found))
    return [
        {"event": e, "id": i, "source": s, "e": v[0] * math.cosh(v[1]), "eta": v[1], "phi": v[2], "hcal": v[4]}
        for e, i, s, v in zip(event, pdg, source, values, strict=True)
    ]


def test_calibration_inverts_the_response() -> None:
    full = DETECTOR._replace(calibration_completeness=1.0)
    for energy in (2.0, 20.0, 200.0):
        assert calibrate(energy * hadron_response(energy, full), full) == pytest.approx(energy, rel=0.01)
    # What is left of the non-linearity: soft hadrons come out too low, those of the reference energy right.
    part = DETECTOR
    ratio = [calibrate(e * hadron_response(e, part), part) / e for e in (3.0, 30.0, part.calibration_reference)]
    assert ratio[0] < ratio[1] < ratio[2] == pytest.approx(1.0, abs=1e-3)
    assert calibrate(0.0, part) == 0.0


@pytest.mark.parametrize("eta", [0.0, 0.8, -1.4, 1.7, -2.9, 4.5])
def test_direction_from_the_vertex(eta: float) -> None:
    r, z = (DETECTOR.radius, DETECTOR.radius * math.sinh(eta))
    if abs(z) > DETECTOR.half_length:
        r, z = DETECTOR.half_length / abs(math.sinh(eta)), math.copysign(DETECTOR.half_length, eta)
    assert from_vertex(eta, 6.0, DETECTOR) == pytest.approx(math.asinh((z - 6.0) / r))
    assert from_vertex(eta, 0.0, DETECTOR) == pytest.approx(eta)


def test_no_particles_no_candidates() -> None:
    assert candidates([], offsets=[0, 0, 0]) == []


@pytest.mark.parametrize("phi", [0.01, math.pi - 1e-9, -math.pi])
@pytest.mark.parametrize("eta", [0.0, 0.01, -1.9])
def test_a_photon_alone(eta: float, phi: float) -> None:
    (found,) = candidates([{"kind": PHOTON, "eta": eta, "phi": phi, "em": 60.0}])
    assert found["id"] == 22
    assert found["source"] == -1
    assert found["e"] == pytest.approx(60.0)
    assert found["eta"] == pytest.approx(eta, abs=1e-9)
    assert math.remainder(found["phi"] - phi, 2 * math.pi) == pytest.approx(0.0, abs=1e-6)


def test_a_neutral_hadron_gives_a_photon_and_a_hadron() -> None:
    found = candidates([{"kind": NEUTRAL, "eta": 0.5, "phi": 1.0, "em": 12.0, "had": 20.0}])
    assert sorted(c["id"] for c in found) == [22, 130]
    hadron = next(c for c in found if c["id"] == 130)
    assert hadron["e"] == pytest.approx(calibrate(20.0, DETECTOR))
    assert hadron["hcal"] == 1.0


def test_a_charged_hadron_keeps_its_track() -> None:
    momentum = 10.0
    seen = momentum * hadron_response(momentum, DETECTOR)
    row = {"kind": CHARGED, "eta": 0.5, "phi": 1.0, "em": 0.3 * seen, "had": 0.7 * seen, "p": momentum}
    (found,) = candidates([row])
    assert found["id"] == 211
    assert found["source"] == 0
    # The calorimeter, ten times worse, hardly moves it.
    assert found["e"] == pytest.approx(momentum, rel=0.01)
    assert found["hcal"] == pytest.approx(0.7)


def test_a_bad_track_is_drawn_to_the_calorimeter() -> None:
    row = {"kind": CHARGED, "eta": 0.2, "phi": 1.0, "had": 500.0, "p": 600.0, "sigma": 0.5}
    (found,) = candidates([row])
    measured = calibrate(500.0, DETECTOR)
    assert abs(found["e"] - measured) < 0.1 * abs(600.0 - measured)


def test_an_excess_makes_a_neutral() -> None:
    rows = [
        {"kind": CHARGED, "eta": 0.5, "phi": 1.0, "had": 7.0, "p": 10.0},
        {"kind": NEUTRAL, "eta": 0.5, "phi": 1.0, "had": 60.0},
    ]
    found = {c["id"]: c for c in candidates(rows)}
    assert set(found) == {211, 130}
    assert found[211]["e"] == pytest.approx(10.0)
    assert found[130]["e"] == pytest.approx(calibrate(67.0, DETECTOR) - 10.0)


@pytest.mark.parametrize(("momentum", "sigmas", "neutral"), [(5.0, 1.6, False), (5.0, 2.1, True), (400.0, 1.2, True)])
def test_soft_clusters_need_a_larger_excess(momentum: float, sigmas: float, neutral: bool) -> None:
    # Two sigma at low energies, one at high ones.
    wanted = momentum + sigmas * hadron_sigma(momentum, 0.5, DETECTOR)
    visible = np.linspace(0.3, 2.0, 20_000) * wanted
    had = float(np.interp(wanted, [calibrate(v, DETECTOR) for v in visible], visible))
    found = {c["id"]: c for c in candidates([{"kind": CHARGED, "eta": 0.5, "phi": 1.0, "had": had, "p": momentum}])}
    assert set(found) == ({211, 130} if neutral else {211})
    if neutral:
        assert found[130]["e"] == pytest.approx(wanted - momentum, rel=1e-3)


def test_photons_beside_a_track_are_separate() -> None:
    rows = [
        {"kind": CHARGED, "eta": 0.45, "phi": 0.02, "had": 7.0, "p": 10.0},
        {"kind": PHOTON, "eta": 0.45, "phi": 0.06, "em": 30.0},
    ]
    assert sorted(c["id"] for c in candidates(rows)) == [22, 211]


def test_leptons() -> None:
    rows = [{"kind": 3, "eta": eta, "phi": 1.0, "p": 40.0} for eta in np.linspace(-2, 2, 100)]
    found = candidates(rows)
    assert {c["id"] for c in found} == {-13, 211}
    assert sum(c["id"] == -13 for c in found) > 90


def test_forward_candidates() -> None:
    rows = [
        {"kind": PHOTON, "eta": 4.0, "phi": 1.0, "em": 100.0, "had": 10.0},
        {"kind": NEUTRAL, "eta": -3.5, "phi": 1.0, "em": 20.0, "had": 80.0},
        {"kind": NEUTRAL, "eta": 3.5, "phi": 1.0, "em": 0.5, "had": 0.5},
    ]
    found = candidates(rows)
    assert sorted(c["id"] for c in found) == [1, 1, 2]
    assert sum(c["e"] for c in found) == pytest.approx(210.0, rel=1e-9)


def test_events_do_not_leak_into_each_other() -> None:
    one = {"kind": PHOTON, "eta": 0.3, "phi": 0.5, "em": 50.0}
    two = {"kind": NEUTRAL, "eta": 0.3, "phi": 0.5, "had": 50.0}
    found = candidates([one, two, one], offsets=[0, 1, 1, 2, 3])
    assert [(c["event"], c["id"]) for c in found] == [(0, 22), (2, 130), (3, 22)]
    assert found[0]["e"] == found[2]["e"] == pytest.approx(50.0)


def test_neutrals_point_to_the_primary_vertex() -> None:
    (found,) = candidates([{"kind": PHOTON, "eta": 0.0, "phi": 0.5, "em": 50.0}], pv_z=12.9)
    assert found["eta"] == pytest.approx(math.asinh(-0.1))
