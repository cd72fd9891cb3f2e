"""Tracks go to the right vertex, mostly; CHS removes what another vertex holds."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.association import associate
from training.simulate.detector import DETECTOR
from training.simulate.tracker import TRACK_COLUMNS


def run(
    dz: np.ndarray, interaction: np.ndarray, pileup_z: list[float], d0: float = 0.0, pt: float = 1.0, **changes: float
):
    tracks = np.zeros((len(dz), len(TRACK_COLUMNS)))
    tracks[:, 0] = pt
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
    assert (from_pv[:500] == 3).mean() == pytest.approx(1.0 - DETECTOR.vertex_unused, abs=0.04)
    removed = from_pv[500:] == 0
    # What is not in the other vertex' fit stays, however close it is to it (CMS: PVLoose).
    assert removed.mean() == pytest.approx(1.0 - DETECTOR.vertex_unused_pileup, abs=0.04)
    assert set(quality[500:][~removed]) == {5}


def test_soft_tracks_of_the_primary_vertex_are_seldom_used_in_it() -> None:
    none = np.zeros(2000)
    quality, from_pv, _, _ = run(none, none, [9.0], pt=0.49)
    assert set(quality) == {5, 7}
    assert (quality == 5).mean() == pytest.approx(DETECTOR.vertex_unused_soft, abs=0.03)
    assert (from_pv >= 2).all()
    # CHS removes pileup's all the same.
    _, from_pv, _, _ = run(none + 3.0, none + 1.0, [4.0], pt=0.49, vertex_efficiency=1.0, vertex_unused_pileup=0.0)
    assert not from_pv.any()


def test_association_quality_follows_the_cuts_of_cmssw() -> None:
    none = np.zeros(200)
    # Two pulls beyond the fit's cut: a small weight; beyond four: unused, but close in z.
    assert set(run(none, none, [9.0], d0=3.0 * 0.005, vertex_unused=0.0)[0]) == {6}
    assert set(run(none, none, [9.0], d0=5.0 * 0.005)[0]) == {5}
    # More than five errors away in z: of a jet's axis if hard and near, of the nearest vertex, or of none if prompt.
    assert set(run(none + 0.06, none, [9.0], d0=0.05, pt=3.0)[0]) == {4}
    assert set(run(none + 0.06, none, [9.0], d0=0.05)[0]) == {1}
    assert set(run(none + 0.06, none, [9.0])[0]) == {0}


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
    assert set(quality) == {5}
    assert (from_pv == 2).all()
