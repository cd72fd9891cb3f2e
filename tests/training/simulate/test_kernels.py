"""The simulation's inner kernels against twins in plain numpy: what other kernels call, edge cases included."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from training.simulate.calorimeter import _fluctuate, _radiation_lengths, _uncracked
from training.simulate.cells import N_ETA, N_PHI, tower_of
from training.simulate.composition import _compose
from training.simulate.decay import CHARGED_HADRON, ELECTRON, MUON, _two_body
from training.simulate.detector import DETECTOR
from training.simulate.flavour import _leading_partons
from training.simulate.jets import _sums, four_momenta, ghost_areas
from training.simulate.pileup import _overlay
from training.simulate.puppi import _alpha
from training.simulate.record import _has_flavour, _heavy
from training.simulate.tables import _near_pairs
from training.simulate.tracker import _density, _draw_chi2, _efficiency, _pull
from training.simulate.transport import _straight, _turn
from training.simulate.vertices import _neighbourhood, _tertiary


def apart(phi: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    return np.mod(np.asarray(phi) - other + np.pi, 2 * np.pi) - np.pi


# PUPPI


@pytest.mark.parametrize("n", [1, 2, 60, 400])
def test_alpha(n: int) -> None:
    rng = np.random.default_rng(n)
    pt, eta = rng.exponential(2.0, n), rng.uniform(-5.5, 5.5, n)
    phi = np.where(rng.random(n) < 0.2, np.pi, rng.uniform(-np.pi, np.pi, n))  # the seam
    counted, wanted = rng.random(n) < 0.6, rng.random(n) < 0.7
    alpha = np.full(n, 7.0)
    _alpha(n // 3, n, pt, eta, phi, counted, alpha, wanted)
    for i in range(n):
        if i < n // 3 or not wanted[i]:
            assert alpha[i] == 7.0
            continue
        d2 = (eta - eta[i]) ** 2 + apart(phi, phi[i]) ** 2
        near = counted & (d2 < 0.16) & (np.arange(n) != i) & (np.arange(n) >= n // 3)
        expected = math.log(np.sum(pt[near] ** 2 / np.maximum(d2[near], 1e-4))) if near.any() else -99.0
        assert alpha[i] == pytest.approx(expected, rel=1e-9)


# Tracks


def test_efficiency() -> None:
    pt = np.array([0.05, 0.119, 0.12, 0.5, 0.74, 0.9999, 1.0, 50.0, 99.0, 100.0, 3000.0])
    for eta in (0.0, -1.5, 1.5001, -2.4):
        central = abs(eta) <= DETECTOR.barrel_eta
        soft = DETECTOR.eff_soft_central if central else DETECTOR.eff_soft_forward
        hard = DETECTOR.eff_hard_central if central else DETECTOR.eff_hard_forward
        electron = [0.73, 0.95, 0.99] if central else [0.50, 0.83, 0.90]
        twins = {
            CHARGED_HADRON: np.interp(pt, [0.5, 1.0], [soft, hard]),
            ELECTRON: np.select([pt < 1, pt < 100], electron[:2], electron[2]),
            MUON: np.where(pt < 1, 0.75 if central else 0.70, 0.99 if central else 0.98),
        }
        for kind, twin in twins.items():
            found = [_efficiency(value, eta, kind, DETECTOR) for value in pt]
            assert found == pytest.approx(np.where(pt < DETECTOR.track_min_pt, 0.0, twin).tolist(), rel=1e-12)


def test_density_of_tracks() -> None:
    rng = np.random.default_rng(2)
    n = 4000
    pt = rng.exponential(1.5, n).astype(np.float32)
    charge = rng.choice([-1, 0, 1], n).astype(np.int8)
    eta, phi = rng.normal(0.0, 1.5, n), rng.uniform(-np.pi, np.pi, n)
    eta[:6], phi[:6], pt[:6], charge[:6] = [2.5, -2.5, 2.4999, -2.4999, 0, 0], [0, 0, 0, 0, np.pi, -np.pi], 5.0, 1
    reached = rng.random(n) < 0.9
    grid = np.zeros((252, 316), np.int32)
    _density(5, n - 7, pt, charge, eta, phi, reached, grid)
    kept = (charge != 0) & (pt > 1) & reached & (np.abs(eta) < 2.5)
    kept[:5] = kept[n - 7 :] = False
    twin = np.zeros_like(grid)
    np.add.at(twin, (((eta[kept] + 2.5) * 50).astype(int), ((phi[kept] + np.pi) * 49.99).astype(int)), 1)
    assert np.array_equal(grid, twin)
    assert grid.sum() == kept.sum() > 500


def test_pulls() -> None:
    for pt, near in ((0.2, 0), (1.0, 2), (5.0, 3), (80.0, 8), (80.0, 9), (80.0, 100)):
        crowd = np.clip(near - DETECTOR.dense_free, 0, 6)
        assert _pull(pt, near, DETECTOR) == pytest.approx((0.82 + 0.1 * np.log1p(pt)) * (1 + 0.2 * crowd), rel=1e-12)


def test_chi2() -> None:
    rng = np.random.default_rng(3)
    for pt in (0.2, 0.5, 8.0):
        grown = np.log(max(pt, 0.5) / 0.7)
        drawn = np.array([_draw_chi2(rng, pt) for _ in range(4000)])
        # The median of a log-normal; the tail of bad fits, 2.5 %, moves it by 3 % of a sigma.
        assert np.median(drawn) == pytest.approx(np.exp(-0.14 + 0.1 * grown), rel=0.05)
        assert (drawn > 0).all()


# Calorimeters


def test_material() -> None:
    eta = np.array([0.0, 0.7, 1.4999, 1.5, 2.4, 3.3, 3.5, 5.0])
    twin = np.where(eta < 1.5, 0.4 + 1.5 * (eta / 1.5) ** 2, np.maximum(1.9 - 0.5 * (eta - 1.5), 1.0))
    assert [_radiation_lengths(value) for value in eta] == pytest.approx(twin.tolist(), rel=1e-12)


@pytest.mark.parametrize(("energy", "sigma"), [(50.0, 5.0), (50.0, 20.0), (2.0, 2.5)])
def test_fluctuations_keep_mean_and_width(energy: float, sigma: float) -> None:
    rng = np.random.default_rng(4)
    drawn = np.array([_fluctuate(rng, energy, sigma) for _ in range(20_000)])
    assert drawn.mean() == pytest.approx(energy, abs=5 * sigma / np.sqrt(20_000))
    assert drawn.std() == pytest.approx(sigma, rel=0.05)
    assert (drawn >= 0).all()
    assert _fluctuate(rng, 0.0, 1.0) == _fluctuate(rng, -1.0, 1.0) == 0.0


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("eta", [0.0, 1.2, 1.3, 1.5, 2.9, 2.964, 4.0])
def test_losses_between_calorimeters(eta: float, light: bool) -> None:
    rng = np.random.default_rng(5)
    which = "ecal_crack" if light else "crack"
    loss, place, width = (getattr(DETECTOR, f"{which}_{part}") for part in ("loss", "eta", "width"))
    lost = loss * np.exp(-abs(eta - place) / width)
    lost += DETECTOR.edge_loss * np.exp(-abs(eta - DETECTOR.hf_eta) / DETECTOR.edge_width)
    drawn = np.array([_uncracked(rng, eta, light, DETECTOR) for _ in range(5000)])
    if lost <= 0.01:
        assert (drawn == 1.0).all()
        return
    assert drawn.mean() == pytest.approx(1 - lost, abs=0.02)
    assert 1 - 2 * lost - 1e-9 <= drawn.min() < drawn.max() <= 1.0


def test_towers_are_wide_beyond_the_barrel() -> None:
    ring, sector = (values.ravel() for values in np.meshgrid(np.arange(N_ETA), np.arange(N_PHI), indexing="ij"))
    wide = (ring < 15) | (ring >= N_ETA - 15)
    twin = ring * N_PHI + np.where(wide, sector // 2 * 2, sector)
    assert [tower_of(*pair) for pair in zip(ring.tolist(), sector.tolist(), strict=True)] == twin.tolist()


# Transport


def test_straight_lines_end_on_the_circle() -> None:
    rng = np.random.default_rng(6)
    for x, y, phi in zip(*rng.uniform(-90, 90, (2, 50)), rng.uniform(-np.pi, np.pi, 50), strict=True):
        length = _straight(x, y, math.cos(phi), math.sin(phi), 129.0)
        if math.hypot(x, y) >= 129.0:
            assert length == 0.0
        else:
            assert length > 0
            assert math.hypot(x + length * math.cos(phi), y + length * math.sin(phi)) == pytest.approx(129.0, rel=1e-9)


def test_turns_meet_the_circle_first() -> None:
    rng = np.random.default_rng(7)
    for charge in (-1.0, 1.0):
        for _ in range(40):
            x, y, phi = rng.uniform(-60, 60), rng.uniform(-60, 60), rng.uniform(-np.pi, np.pi)
            bend = rng.uniform(20, 400)
            angle, xc, yc = _turn(x, y, phi, bend, charge, 129.0)
            assert (xc, yc) == pytest.approx((x + charge * bend * np.sin(phi), y - charge * bend * np.cos(phi)))
            steps = np.linspace(0, 2 * np.pi, 40_001)
            turned = np.arctan2(y - yc, x - xc) - charge * steps
            outside = np.hypot(xc + bend * np.cos(turned), yc + bend * np.sin(turned)) >= 129.0
            if outside.any():
                assert angle == pytest.approx(steps[np.argmax(outside)], abs=4e-4)
            else:
                assert angle == math.inf
    assert _turn(130.0, 0.0, 0.0, 50.0, 1.0, 129.0)[0] == 0.0


# Generator, decays, pileup


def test_two_bodies_keep_momentum_and_mass() -> None:
    rng = np.random.default_rng(8)
    for mass, m1, m2 in ((0.4976, 0.1396, 0.1396), (1.1157, 0.9383, 0.1396), (0.135, 0.0, 0.0)):
        for _ in range(20):
            pt, eta, phi = rng.uniform(0.1, 50), rng.uniform(-4, 4), rng.uniform(-np.pi, np.pi)
            out = _two_body(pt, eta, phi, mass, m1, m2, rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi))
            total = np.zeros(4)
            for (t, h, f), m in ((out[:3], m1), (out[3:], m2)):
                px, py, pz = t * np.cos(f), t * np.sin(f), t * np.sinh(h)
                total += [px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + m**2)]
            parent = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
            energy = np.sqrt(np.sum(parent**2) + mass**2)
            assert total == pytest.approx([*parent, energy], rel=1e-6, abs=1e-6)


def test_flavours_of_hadrons() -> None:
    for pdg in (1, 5, 21, 99, 111, 211, 411, -421, 511, -531, 541, 4122, 5122, -5332, 443, 553, 1000000022, 1000010020):
        digits = f"{abs(pdg):010d}"
        hadron = 100 <= abs(pdg) <= 1_000_000_000
        contains = {q: hadron and str(q) in (digits[-3], digits[-4]) for q in (4, 5)}
        assert {q: bool(_has_flavour(pdg, q)) for q in (4, 5)} == contains, pdg
        assert _heavy(pdg) == (5 if contains[5] else 4 if contains[4] else 0)


def test_leading_partons() -> None:
    rng = np.random.default_rng(9)
    owner, pt = rng.integers(-1, 40, 300), rng.exponential(20.0, 300)
    pdg = rng.choice([21, 1, -2, 3, 4, -4, 5, -5, 22, 6], 300)
    found = _leading_partons(owner, pt, pdg, 45)
    for jet in range(45):
        mine = [i for i in np.flatnonzero(owner == jet) if abs(pdg[i]) in (1, 2, 3, 4, 5, 21)]
        best = max(mine, key=lambda i: ({5: 2, 4: 1}.get(abs(pdg[i]), 0), pt[i]), default=None)
        assert found[jet] == (0 if best is None else pdg[best])


def test_overlay() -> None:
    rng = np.random.default_rng(10)
    offsets = np.array([0, 4, 4, 9])
    columns = [rng.uniform(-3.1, 3.1, 9).astype(np.float32) for _ in range(5)]
    angle, mirror, z = np.array([0.3, 1.0, 6.0]), np.array([1.0, 1.0, -1.0]), np.array([2.0, 0.0, -5.0])
    made = [column.copy() for column in columns]
    _overlay(offsets, angle, mirror, *made, z)
    own = np.repeat(np.arange(3), np.diff(offsets))
    eta, phi, x, y, along = columns
    assert made[0] == pytest.approx(eta * mirror[own], rel=1e-6)
    assert apart(made[1], phi + angle[own]) == pytest.approx(np.zeros(9), abs=1e-5)
    assert (np.abs(made[1]) <= np.float32(np.pi) + 1e-6).all()
    assert made[2] + 1j * made[3] == pytest.approx((x + 1j * y) * np.exp(1j * angle[own]), rel=1e-5)
    assert made[4] == pytest.approx(along * mirror[own] + z[own], rel=1e-5)


# Vertices


def test_tertiary_tracks() -> None:
    vx, vy, vz = (np.array(values, np.float32) for values in ([0.1, 0.1, 0.13, 9.0], [0, 0, 0, 0], [0, 0.05, 0, 0]))
    pv = np.array([0.0, 0.0, 0.0])
    for members in (np.array([0, 1, 2, 3]), np.array([2]), np.array([3, 0])):
        distance = np.sqrt(vx[members] ** 2 + vy[members] ** 2 + vz[members] ** 2)
        assert _tertiary(members, vx, vy, vz, pv).tolist() == (distance > distance.min() + 0.02).tolist()


def test_neighbourhoods_hold_near_tracks_once() -> None:
    rng = np.random.default_rng(11)
    n = 200
    tracks = np.zeros((n, 9))
    tracks[:, 1], tracks[:, 2] = rng.normal(0, 0.4, n), apart(np.pi + rng.normal(0, 0.4, n), 0.0)
    rows = np.arange(0, n, 2)
    d2 = (tracks[rows, 1] - tracks[0, 1]) ** 2 + apart(tracks[rows, 2], tracks[0, 2]) ** 2
    allowed = set(rows[(d2 < 0.09) & (rows != 0)].tolist())
    sizes = []
    for _ in range(300):
        members = _neighbourhood(rng, 0, rows, tracks, 1.0)
        assert members[0] == 0
        assert set(members[1:].tolist()) <= allowed
        assert len(set(members.tolist())) == len(members)
        sizes.append(len(members))
    assert np.mean(np.array(sizes) > 2) == pytest.approx(0.35, abs=0.1)
    # The chance is the rate times the root of the neighbours; a track alone has none.
    hit = np.mean([len(_neighbourhood(rng, 0, rows, tracks, 0.05)) > 0 for _ in range(2000)])
    assert hit == pytest.approx(0.05 * math.sqrt(len(allowed)), abs=0.04)
    assert len(_neighbourhood(rng, 0, np.array([0]), tracks, 1.0)) == 0


# Jets and their tables


def test_four_momenta_and_their_sums() -> None:
    rng = np.random.default_rng(12)
    pt, eta, phi = rng.exponential(3.0, 50), rng.uniform(-4, 4, 50), rng.uniform(-np.pi, np.pi, 50)
    mass = rng.choice([0.0, 0.1396], 50)
    momenta = four_momenta(pt, eta, phi, mass)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    assert momenta == pytest.approx(np.stack([px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + mass**2)]), rel=1e-12)
    rows, offsets = rng.permutation(50), np.array([0, 20, 20, 21, 50])
    found = _sums(momenta, rows, offsets)
    for jet in range(4):
        x, y, z, e = momenta[:, rows[offsets[jet] : offsets[jet + 1]]].sum(axis=1)
        t = np.hypot(x, y)
        expected = (t, np.arcsinh(z / t) if t > 0 else 0.0, np.arctan2(y, x), np.sqrt(max(e**2 - t**2 - z**2, 0.0)))
        assert [column[jet] for column in found] == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_areas() -> None:
    rng = np.random.default_rng(13)
    offsets = np.array([0, 0, 1, 41])
    y, phi = rng.uniform(-1.2, 1.2, 41), rng.uniform(2.4, 4.0, 41)
    phi = apart(phi, 0.0)  # across the seam
    pt = np.concatenate([[30.0], np.sort(rng.exponential(12.0, 40))[::-1]])
    radius, spacing = 0.4, 0.05
    found = ghost_areas(y, phi, pt, offsets, 5.0, radius, spacing)
    middle = (np.arange(-8, 8) + 0.5) * spacing
    d_y, d_phi = (values.ravel() for values in np.meshgrid(middle, middle))
    inside = d_y**2 + d_phi**2 < radius**2
    d_y, d_phi = d_y[inside], d_phi[inside]
    for start, stop in pairwise(offsets.tolist()):
        for j in range(start, stop):
            if pt[j] < 5.0:
                assert found[j] == 0.0
                continue
            mine = np.ones(len(d_y), bool)
            for k in range(start, stop):
                if k == j or pt[k] < 0.05 * pt[j]:
                    continue
                other = (y[j] + d_y - y[k]) ** 2 + apart(phi[j] + d_phi, phi[k]) ** 2
                mine &= ~((other < radius**2) & (other / pt[k] ** 2 < (d_y**2 + d_phi**2) / pt[j] ** 2))
            # One point of 200 may fall on the other side of a border by rounding.
            assert found[j] == pytest.approx(np.pi * radius**2 * mine.mean(), abs=1.5 * np.pi * radius**2 / len(d_y))


def test_composition() -> None:
    rng = np.random.default_rng(14)
    kind, energy = rng.integers(0, 5, 60), rng.exponential(4.0, 60)
    rows, offsets = rng.permutation(60), np.array([0, 0, 30, 31, 60])
    energy[rows[30]] = 0.0  # a jet without energy
    fraction, count = _compose(kind, energy, rows, offsets)
    for jet in range(4):
        mine = rows[offsets[jet] : offsets[jet + 1]]
        sums = np.bincount(kind[mine], energy[mine], 5)
        assert fraction[:, jet] == pytest.approx(sums / sums.sum() if sums.sum() > 0 else np.zeros(5), rel=1e-12)
        assert count[:, jet].tolist() == np.bincount(kind[mine], minlength=5).tolist()


def test_near_pairs() -> None:
    rng = np.random.default_rng(15)
    first, second = np.array([0, 0, 12, 20]), np.array([0, 5, 25, 25])
    eta_1, eta_2 = rng.uniform(-1, 1, 20), rng.uniform(-1, 1, 25)
    phi_1, phi_2 = (apart(np.pi + rng.uniform(-1, 1, n), 0.0) for n in (20, 25))
    counts, i, k, distance = _near_pairs(eta_1, phi_1, first, eta_2, phi_2, second, 0.4)
    event_1, event_2 = (np.repeat(np.arange(3), np.diff(offsets)) for offsets in (first, second))
    all_distances = np.hypot(eta_1[:, None] - eta_2, apart(phi_1[:, None], phi_2))
    want_i, want_k = np.nonzero((event_1[:, None] == event_2) & (all_distances < 0.4))
    assert (i.tolist(), k.tolist()) == (want_i.tolist(), want_k.tolist())
    assert distance == pytest.approx(all_distances[want_i, want_k], rel=1e-9)
    assert counts.tolist() == np.bincount(event_1[want_i], minlength=3).tolist()
    assert counts[1] > 0
