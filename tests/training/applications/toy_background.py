"""Jets in a background without Pythia and FastJet: signal and background particles drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.applications.background_jets import COLUMNS, EmbeddedJets
from training.simulate.batch import Jagged, offsets_of

AREA, DENSITY = 0.5, 80.0


def toy_jets(n: int, seed: int = 1) -> EmbeddedJets:
    """Ten signal particles a jet, and 80 of the background that vary by a tenth beyond chance, known to ``rho``."""
    rng = np.random.default_rng(seed)
    true = np.exp(rng.uniform(np.log(15), np.log(120), n))
    flavour = rng.choice([1, 21], n)
    n_signal = np.where(flavour == 21, 14, 8) + rng.integers(-3, 4, n)
    background = rng.poisson(DENSITY, n)
    counts = n_signal + background
    jet = np.repeat(np.arange(n), counts)
    local = np.arange(counts.sum()) - np.repeat(offsets_of(counts)[:-1], counts)
    signal = local < n_signal[jet]
    share = rng.exponential(1.0, len(jet)) * signal
    total = np.bincount(jet, share, n)
    pt = np.where(signal, true[jet] * share / total[jet], rng.gamma(2.0, 0.35, len(jet))).astype(np.float32)
    spread = np.where(signal, 0.08, 0.4)
    constituents = {
        "pt": pt,
        "rel_eta": rng.uniform(-1, 1, len(jet)) * spread,
        "rel_phi": rng.uniform(-1, 1, len(jet)) * spread,
    }
    columns = {
        "pt_true": true, "flavour": flavour, "n_signal": n_signal, "pt_raw": np.bincount(jet, pt, n),
        "area": np.full(n, AREA), "rho": np.full(n, DENSITY * 0.7 / AREA), "rho_n": np.full(n, 0.7),
        "scatter": np.arange(n) + 1_000_000 * seed,
    }  # fmt: skip
    return EmbeddedJets({name: columns[name] for name in COLUMNS}, Jagged(offsets_of(counts), constituents))


def write_batch(jets: EmbeddedJets, path: Path, radius: float) -> None:
    """As `embed_batch` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    named = jets.columns | {"counts": jets.constituents.counts} | jets.constituents.columns
    np.savez(path, **{f"{radius}/{name}": values for name, values in named.items()})
