"""Secondary vertices where decays are, and few where none are."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.detector import DETECTOR
from training.simulate.vertices import VERTEX_COLUMNS, find_secondary_vertices


def run(flight: float, n_events: int = 400, n_tracks: int = 3, **changes: float) -> dict[str, np.ndarray]:
    """Decays at ``flight`` cm along x of a particle along x, one an event, with two prompt tracks."""
    n = n_events * (n_tracks + 2)
    tracks = np.zeros((n, 9))
    tracks[:, 0] = 5.0
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
    assert np.median(found["x"]) == pytest.approx(1.1, abs=0.02)
    assert np.median(found["dlen"]) == pytest.approx(1.0, abs=0.02)
    assert (found["dxy"] <= found["dlen"]).all()
    assert found["dlenSig"].min() > 3.0
    assert (found["ntracks"] == 3).all()
    # The momentum points along the flight: NanoAOD stores pi minus the angle.
    assert np.median(found["pAngle"]) > 3.0


def test_short_flights_are_not_significant() -> None:
    assert len(run(0.005, sv_fakes=0.0)["x"]) < 0.1 * len(run(1.0, sv_fakes=0.0)["x"])


def test_single_tracks_and_decays_beyond_the_pixels_make_no_vertex() -> None:
    assert len(run(1.0, n_tracks=1, sv_fakes=0.0)["x"]) == 0
    assert len(run(30.0, sv_fakes=0.0)["x"]) == 0


def test_fakes_are_pairs_near_their_significance_cut() -> None:
    found = run(0.0, sv_fakes=0.5)
    assert 0 < len(found["x"]) < 0.5 * 400
    assert (found["ntracks"] == 2).all()


def test_no_events() -> None:
    assert len(run(1.0, n_events=0)["x"]) == 0
