"""Jets of four-momenta drawn at random: tops have three lumps, the others one."""

from __future__ import annotations

import numpy as np

from training.applications.four_vectors import FourVectorJets
from training.simulate.batch import offsets_of


def toy_tops(n: int, seed: int = 1) -> FourVectorJets:
    rng = np.random.default_rng(seed)
    top = rng.random(n) < 0.5
    counts = rng.integers(20, 40, n)
    jet = np.repeat(np.arange(n), counts)
    place = np.arange(len(jet)) - np.repeat(offsets_of(counts)[:-1], counts)
    share = 0.9**place
    pt = 600.0 * share / np.bincount(jet, share)[jet]
    lump = np.where(top[jet], place % 3, 0)
    eta = 0.5 + 0.4 * np.cos(2.1 * lump) * top[jet] + rng.normal(0, 0.03, len(jet))
    phi = 3.0 + 0.4 * np.sin(2.1 * lump) * top[jet] + rng.normal(0, 0.03, len(jet))
    momenta = np.column_stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    return FourVectorJets(momenta.astype(np.float32), offsets_of(counts), top)
