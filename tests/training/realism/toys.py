"""Samples with known answers for the tests of the realism report."""

from __future__ import annotations

import numpy as np

from training.realism.jets import FRACTIONS, SHAPES, SimulatedJets


def toy_sample(n: int = 1000, seed: int = 1, **columns: np.ndarray) -> SimulatedJets:
    """A sample whose columns are harmless unless given; weights are 1, the response is 1."""
    rng = np.random.default_rng(seed)
    known = {
        "pt_gen": np.exp(rng.uniform(np.log(10.0), np.log(2000.0), n)),
        "eta_gen": rng.uniform(-5.0, 5.0, n),
        "rho": rng.uniform(5.0, 40.0, n),
        "area": np.full(n, 0.5),
        "flavour": rng.choice([1, 2, 3, 4, 5, 21], n),
        "n_constituents": rng.poisson(20, n),
        "process": np.zeros(n),
        "response": np.ones(n),
        "l1_response": np.full(n, 0.9),
    }
    known |= {name: np.ones(n) for name in ("weight", "mix", "target")}
    known |= {name: rng.uniform(0.0, 1.0, n) for name in (*SHAPES, *FRACTIONS)}
    known |= {name: np.asarray(values) for name, values in columns.items()}
    known.setdefault("eta", known["eta_gen"])
    known.setdefault("pt_raw", known["pt_gen"] * known["l1_response"])
    n_pu = rng.poisson(30, 500).astype(float)
    return SimulatedJets(
        {name: values.astype(np.float32) for name, values in known.items()}, 1.0 + 0.66 * n_pu, n_pu,
        {
            "jets": n, "effective_size": 0.5 * n, "left_when_thinned": 0.8 * n,
            "groups": {"g": {"jets": n, "effective_size": 0.5 * n}},
        },
    )  # fmt: skip
