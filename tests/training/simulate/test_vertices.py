"""Secondary vertices where decays are, and few where none are."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.detector import DETECTOR
from training.simulate.vertices import VERTEX_COLUMNS, find_secondary_vertices


def run(
    flight: float, n_events: int = 400, n_tracks: int = 3, pt: float = 5.0, dz: float = 0.0, **changes: float
) -> dict[str, np.ndarray]:
    """Decays at ``flight`` cm along x of a particle along x, one an event, with two prompt tracks."""
    n = n_events * (n_tracks + 2)
    tracks = np.zeros((n, 9))
    tracks[:, 0] = pt
    tracks[:, 6] = dz
    decay = np.tile(np.arange(n_tracks + 2) < n_tracks, n_events)
    rng = np.random.default_rng(8)
    tracks[:, 1:3] = rng.normal(0.0, 0.05, (n, 2))
    pv = np.tile([0.1, -0.2, 3.0], (n_events, 1))
    x = np.where(decay, 0.1 + flight, 0.1).astype(np.float32)
    offsets, values = find_secondary_vertices(
        np.random.default_rng(9), np.arange(n_events + 1) * (n_tracks + 2), tracks,
        np.where(decay, 17, -1).astype(np.int32), np.zeros(n, np.int32), x, np.full(n, -0.2, np.float32),
        np.full(n, 3.0, np.float32), pv, DETECTOR._replace(**changes),
    )  # fmt: skip
    assert offsets[-1] == len(values)
    return dict(zip(VERTEX_COLUMNS, values.T, strict=True))


def test_a_decay_is_found_where_it_is() -> None:
    found = run(1.0, sv_fakes=0.0)
    assert 0.6 < len(found["x"]) / 400 < DETECTOR.sv_efficiency
    assert set(found["ntracks"]) == {2, 3}
    assert np.median(found["x"]) == pytest.approx(1.1, abs=0.02)
    assert np.median(found["dlen"]) == pytest.approx(1.0, abs=0.02)
    assert (found["dxy"] <= found["dlen"]).all()
    assert found["dlenSig"].min() > 3.0
    # The momentum points along the flight: NanoAOD stores pi minus the angle.
    assert np.median(found["pAngle"]) > 3.0


def test_short_flights_are_not_significant() -> None:
    assert len(run(0.005, sv_fakes=0.0)["x"]) < 0.1 * len(run(1.0, sv_fakes=0.0)["x"])


def test_single_tracks_and_decays_beyond_the_pixels_make_no_vertex() -> None:
    assert len(run(1.0, n_tracks=1, sv_fakes=0.0)["x"]) == 0
    assert len(run(30.0, sv_fakes=0.0)["x"]) == 0


def test_fakes_grow_with_the_density() -> None:
    sparse, dense = run(0.0, sv_fakes=0.02, sv_efficiency=0.0), run(0.0, n_tracks=20, sv_fakes=0.02, sv_efficiency=0.0)
    assert 0 < len(sparse["x"]) < 0.2 * 400
    # Five tracks with four neighbours each, and 22 with 21.
    assert len(dense["x"]) > 5 * len(sparse["x"])
    assert dense["dlenSig"].min() > 3.0
    assert 0.2 < np.mean(dense["ntracks"] > 2) < 0.5


def test_a_daughters_decay_may_be_a_vertex_of_its_own() -> None:
    n = 6
    tracks = np.zeros((n * 300, 9))
    tracks[:, 0] = 5.0
    tracks[:, 1] = np.random.default_rng(3).normal(0.0, 0.05, n * 300)
    x = np.tile([0.5, 0.5, 0.5, 0.9, 0.9, 0.9], 300).astype(np.float32)
    none = np.zeros(n * 300, np.float32)
    offsets, values = find_secondary_vertices(
        np.random.default_rng(4), np.arange(301) * n, tracks, np.full(n * 300, 3, np.int32),
        np.zeros(n * 300, np.int32), x, none, none, np.zeros((300, 3)), DETECTOR._replace(sv_fakes=0.0),
    )  # fmt: skip
    counts = np.diff(offsets)
    assert set(counts) <= {0, 1, 2}
    assert 0.25 < np.mean(counts == 2) < 0.5
    apart = values[np.repeat(counts == 2, counts), VERTEX_COLUMNS.index("ntracks")]
    assert apart.max() <= 3


def test_tracks_that_are_soft_or_far_in_z_are_not_used() -> None:
    assert len(run(1.0, sv_fakes=0.0, pt=0.7)["x"]) == 0
    assert len(run(1.0, sv_fakes=0.0, dz=0.4)["x"]) == 0


def test_no_events() -> None:
    assert len(run(1.0, n_events=0)["x"]) == 0
