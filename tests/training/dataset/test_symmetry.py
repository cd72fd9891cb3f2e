"""The kernels of turned and mirrored jets beside numpy, at the edges: empty jets, one constituent, eta 0, phi at pi."""

from __future__ import annotations

import numpy as np
import pytest

from coffea_mljec.features import FeatureSet
from training.dataset.symmetry import NO_TRACK, draw, turn

FEATURES = FeatureSet(
    jet=("eta", "phi"), charged=("eta", "phi", "dz", "dxy", "id_-211", "id_211", "rel_phi"), neutral=("pt", "phi")
)
PHI = np.float32(np.pi)


@pytest.mark.parametrize("counts", [(0,), (1,), (0, 2, 0, 1), (1, 3, 2, 4)])
def test_kernels_equal_numpy_at_the_edges(counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(11)
    n, offsets = len(counts), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    phi = np.array([-PHI, np.nextafter(PHI, np.float32(0)), 0.0, PHI] * 3, np.float32)[: offsets[-1]]
    eta = np.array([0.0, -1.0, 2.5, 0.0] * 3, np.float32)[: offsets[-1]]
    impact = np.array([NO_TRACK, 0.02, -0.5, 0.0] * 3, np.float32)[: offsets[-1]]
    charge = rng.integers(0, 2, offsets[-1]).astype(np.float32)
    arrays = {
        "jet_features": np.column_stack([np.zeros(n), np.full(n, -PHI)]).astype(np.float32),
        "charged_features": np.column_stack([eta, phi, impact, impact, charge, 1 - charge, phi]).astype(np.float32),
        "charged_offsets": offsets,
        "neutral_features": np.column_stack([eta, phi]).astype(np.float32),
        "neutral_offsets": offsets,
    }
    before = {name: values.copy() for name, values in arrays.items()}
    for seed in range(4):
        now = {name: values.copy() for name, values in before.items()}
        turn(now, FEATURES, np.random.default_rng(seed))
        drawn = draw(n, np.random.default_rng(seed))
        angle, side, azimuth = (np.repeat(each, counts) for each in drawn)
        charged = now["charged_features"]
        np.testing.assert_array_equal(now["jet_features"][:, 0], 0.0)
        for table, column in (("charged", 1), ("neutral", 1)):
            turned = now[f"{table}_features"][:, column]
            step = turned - (azimuth * phi + angle)
            np.testing.assert_allclose(np.cos(step), 1.0, atol=1e-6)
            assert np.abs(turned).max(initial=0.0) <= PHI
        np.testing.assert_array_equal(charged[:, 0], side * eta)
        for column, sign in ((2, side), (3, azimuth)):
            np.testing.assert_array_equal(charged[:, column], np.where(impact == NO_TRACK, impact, sign * impact))
        flipped = azimuth < 0
        np.testing.assert_array_equal(charged[:, 4], np.where(flipped, 1 - charge, charge))
        np.testing.assert_array_equal(charged[:, 5], np.where(flipped, charge, 1 - charge))
        np.testing.assert_array_equal(charged[:, 6], azimuth * phi)
        np.testing.assert_array_equal(now["neutral_features"][:, 0], eta)
