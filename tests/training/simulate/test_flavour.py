"""Flavours of hand-made events."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.batch import Jagged, offsets_of
from training.simulate.flavour import ghost_owner, hadron_flavour, heavy_quark_of, parton_flavour, rapidity


def table(rows: list[list[dict[str, float]]], names: tuple[str, ...]) -> Jagged:
    flat = [row for event in rows for row in event]
    integers = ("pdgId", "statusFlags")
    return Jagged(
        offsets_of(np.array([len(event) for event in rows])),
        {n: np.array([row[n] for row in flat], np.int32 if n in integers else np.float64) for n in names},
    )


def jets(*events: list[tuple[float, float, float]]) -> Jagged:
    rows = [[{"pt": p, "eta": e, "phi": f, "mass": 0.0} for p, e, f in event] for event in events]
    return table(rows, ("pt", "eta", "phi", "mass"))


def hadrons(*events: list[tuple[float, float, float, int, int]]) -> Jagged:
    rows = [
        [{"pt": p, "eta": e, "phi": f, "mass": 0.0, "pdgId": i, "statusFlags": s} for p, e, f, i, s in event]
        for event in events
    ]
    return table(rows, ("pt", "eta", "phi", "mass", "pdgId", "statusFlags"))


LAST = 1 << 13


@pytest.mark.parametrize(
    ("pdg_id", "quark"),
    [
        (511, 5), (-521, 5), (5122, 5), (10511, 5), (553, 5), (541, 5), (421, 4), (-411, 4), (4122, 4), (443, 4),
        (20413, 4), (5, 0), (4, 0), (21, 0), (211, 0), (310, 0), (3122, 0), (5101, 0), (4203, 0), (2212, 0), (0, 0),
    ],
)  # fmt: skip
def test_which_hadrons_are_heavy(pdg_id: int, quark: int) -> None:
    assert heavy_quark_of(np.array([pdg_id])).tolist() == [quark]


def test_hadron_flavour_counts_last_copies_and_prefers_b() -> None:
    found = jets([(50, 0, 0), (40, 1, 3.1), (30, -2, 1)], [], [(20, 0, 0)])
    truth = hadrons(
        [(30, 0.1, 0.1, 511, LAST), (10, 0.1, 0.0, 421, LAST), (20, 1.0, -3.12, 421, LAST), (9, -2.0, 1.0, 521, 0)],
        [(30, 0, 0, 511, LAST)],
        [(10, 0.0, 0.5, 411, LAST)],
    )
    flavour, n_b, n_c = hadron_flavour(found, truth)
    # The second's hadron lies across the seam at pi, the third's b is no last copy, the last hadron is 0.5 away.
    assert flavour.tolist() == [5, 4, 0, 0]
    assert n_b.tolist() == [1, 0, 0, 0]
    assert n_c.tolist() == [1, 1, 0, 0]


def test_a_hard_jet_takes_the_ghost_from_a_soft_one_nearby() -> None:
    """Nearest-jet assignment would give it to the soft jet, anti-kT does not."""
    found = jets([(200, 0, 0), (6, 0.45, 0)])
    flavour, _, _ = hadron_flavour(found, hadrons([(50, 0.3, 0, 511, LAST)]))
    assert flavour.tolist() == [5, 0]


def test_parton_flavour_takes_b_then_c_then_the_hardest() -> None:
    found = jets([(50, 0, 0), (40, 2, 0), (30, -2, 0), (20, 0, 3)])
    rows = [
        [
            {"pt": 40.0, "eta": 0.0, "phi": 0.0, "pdgId": 21}, {"pt": 5.0, "eta": 0.1, "phi": 0.0, "pdgId": -5},
            {"pt": 9.0, "eta": 0.0, "phi": 0.1, "pdgId": 4},
            {"pt": 30.0, "eta": 2.0, "phi": 0.0, "pdgId": 2}, {"pt": 10.0, "eta": 2.0, "phi": 0.1, "pdgId": 21},
            {"pt": 30.0, "eta": -2.0, "phi": 0.0, "pdgId": 21}, {"pt": 10.0, "eta": -2.0, "phi": 0.1, "pdgId": -4},
            {"pt": 10.0, "eta": 0.0, "phi": 2.4, "pdgId": 3}, {"pt": 11.0, "eta": 0.0, "phi": 3.0, "pdgId": 22},
        ]
    ]  # fmt: skip
    assert parton_flavour(found, table(rows, ("pt", "eta", "phi", "pdgId"))).tolist() == [-5, 2, -4, 0]


def test_owner_equals_a_plain_one() -> None:
    rng = np.random.default_rng(2)
    offsets, jet_offsets = offsets_of(np.array([300, 0, 50])), offsets_of(np.array([12, 3, 0]))
    y, phi = rng.uniform(-2, 2, 350), rng.uniform(-np.pi, np.pi, 350)
    jy, jphi, jpt = rng.uniform(-2, 2, 15), rng.uniform(-np.pi, np.pi, 15), rng.uniform(5, 100, 15)
    owner = ghost_owner(y, phi, offsets, jy, jphi, jpt, jet_offsets, 0.8)
    d2 = (y[:300, None] - jy[:12]) ** 2 + np.angle(np.exp(1j * (phi[:300, None] - jphi[:12]))) ** 2
    measure = np.where(d2 < 0.64, d2 / jpt[:12] ** 2, np.inf)
    assert owner[:300].tolist() == np.where(np.isfinite(measure.min(1)), measure.argmin(1), -1).tolist()
    assert set(owner[300:]) == {-1}
    assert (owner >= 0).sum() > 50


def test_rapidity() -> None:
    pt, eta, mass = np.array([10.0, 1.0, 0.0]), np.array([1.5, -2.0, 0.0]), np.array([0.0, 0.5, 0.0])
    energy, pz = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2), pt * np.sinh(eta)
    expected = 0.5 * np.log((energy[:2] + pz[:2]) / (energy[:2] - pz[:2]))
    assert rapidity(pt, eta, mass) == pytest.approx([*expected, 0.0], rel=1e-9)
