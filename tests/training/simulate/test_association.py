"""Tracks go to the right vertex, mostly; CHS removes what another vertex holds."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.association import associate
from training.simulate.detector import DETECTOR
from training.simulate.tracker import TRACK_COLUMNS


def run(dz: np.ndarray, interaction: np.ndarray, pileup_z: list[float], d0: float = 0.0, **changes: float):
    tracks = np.zeros((len(dz), len(TRACK_COLUMNS)))
    tracks[:, 0] = 1.0
    tracks[:, TRACK_COLUMNS.index("dz")] = dz
    tracks[:, TRACK_COLUMNS.index("d0")] = d0
    tracks[:, TRACK_COLUMNS.index("d0Err")] = tracks[:, TRACK_COLUMNS.index("dzErr")] = 0.005
    return associate(
        np.random.default_rng(4), np.array([0, len(dz)]), tracks, interaction.astype(np.int32), np.array([1.0]),
        np.array([0, len(pileup_z)]), np.array(pileup_z), DETECTOR._replace(**changes),
    )  # fmt: skip


def test_separated_vertices() -> None:
    interaction = np.repeat([0, 1], 500)
    dz = np.where(interaction == 0, 0.0, 3.0)
    quality, from_pv, n_pv, _ = run(dz, interaction, [4.0], vertex_efficiency=1.0)
    assert n_pv[0] == 2
    assert (from_pv[:500] > 0).all()
    assert (from_pv[:500] == 3).mean() == pytest.approx(0.85, abs=0.05)
    removed = from_pv[500:] == 0
    # What is not in the other vertex' fit, nor close to it, stays (CMS: PVLoose).
    assert removed.mean() == pytest.approx(0.95, abs=0.03)
    assert set(quality[500:][~removed]) <= {0, 1}


def test_a_vertex_that_is_not_found_leaves_its_tracks_in() -> None:
    quality, from_pv, n_pv, _ = run(np.full(200, 3.0), np.ones(200), [4.0], vertex_efficiency=0.0)
    assert n_pv[0] == 1
    assert set(quality) <= {0, 1}
    assert (from_pv > 0).mean() > 0.7


def test_merged_vertices_cannot_be_told_apart() -> None:
    _, from_pv, n_pv, _ = run(np.full(100, 0.01), np.ones(100), [1.01])
    assert n_pv[0] == 1
    assert (from_pv >= 2).mean() > 0.8


def test_displaced_tracks_are_not_used_in_the_fit() -> None:
    quality, from_pv, _, _ = run(np.zeros(300), np.zeros(300), [5.0], d0=0.2)
    assert not np.isin(quality, (5, 6, 7)).any()
    assert (from_pv >= 1).all()
