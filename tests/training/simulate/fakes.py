"""A random batch with the columns of the real one: jets of candidates with pileup around them, and their truth."""

from __future__ import annotations

import numpy as np

from training.simulate.batch import (
    CANDIDATE_COLUMNS,
    EVENT_COLUMNS,
    GEN_COLUMNS,
    GENPART_COLUMNS,
    PARTON_COLUMNS,
    SV_COLUMNS,
    Jagged,
    RecoBatch,
    offsets_of,
    typed,
)

__all__ = ["random_batch"]


def _jagged(rng: np.random.Generator, counts: np.ndarray, schema: dict[str, str], **given: np.ndarray) -> Jagged:
    n = int(counts.sum())
    columns = {name: rng.random(n) if kind[0] == "f" else np.zeros(n, int) for name, kind in schema.items()}
    return Jagged(offsets_of(counts), typed(columns | given, schema))


def random_batch(seed: int, n_events: int = 4, n_soft: int = 300, n_jets: int = 3) -> RecoBatch:
    """Return a batch; its last event is empty. Jets are well apart, of 30 particles each, half of them charged."""
    rng = np.random.default_rng(seed)
    alive = np.arange(n_events) < n_events - 1
    axes_eta = np.linspace(-2.2, 2.2, n_jets)[None, :] + rng.uniform(-0.2, 0.2, (n_events, n_jets))
    axes_phi = rng.uniform(-np.pi, np.pi, (n_events, n_jets))
    hard = 30 * n_jets
    shape = (n_events, n_jets, 30)
    pt = rng.exponential(rng.uniform(1, 6, (n_events, n_jets, 1)), shape) + 0.3
    eta = axes_eta[:, :, None] + rng.normal(0, 0.07, shape)
    phi = np.angle(np.exp(1j * (axes_phi[:, :, None] + rng.normal(0, 0.07, shape))))
    mass = np.full(shape, 0.1396)
    kept = np.repeat(alive, hard)
    gen_flat = {name: column.reshape(-1)[kept] for name, column in dict(pt=pt, eta=eta, phi=phi, mass=mass).items()}
    gen = _jagged(rng, alive * hard, GEN_COLUMNS, pdgId=np.full(int(alive.sum()) * hard, 211), **gen_flat)
    soft = {
        "pt": rng.exponential(0.5, (n_events, n_soft)) + 0.1, "eta": rng.uniform(-5, 5, (n_events, n_soft)),
        "phi": rng.uniform(-np.pi, np.pi, (n_events, n_soft)), "mass": np.zeros((n_events, n_soft)),
    }  # fmt: skip
    counts = alive * (hard + n_soft)
    both = {
        name: np.concatenate([column.reshape(n_events, -1), soft[name]], axis=1)[alive].reshape(-1)
        for name, column in {"pt": pt * rng.normal(1, 0.1, shape), "eta": eta, "phi": phi, "mass": mass}.items()
    }
    kinds = np.concatenate([rng.choice([211, -211, 22, 130], hard), rng.choice([211, 22], n_soft)])
    number = np.tile(kinds, alive.sum())
    is_soft = np.tile(np.arange(hard + n_soft) >= hard, alive.sum())
    charge = np.where(np.abs(number) == 211, np.sign(number), 0)
    candidates = _jagged(
        rng, counts, CANDIDATE_COLUMNS, **both, pdgId=number, charge=charge,
        fromPV=np.where(is_soft & (charge != 0), 0, 3), puppiWeight=np.where(is_soft, 0.0, 1.0),
    )  # fmt: skip
    axes = {"eta": axes_eta[alive].reshape(-1), "phi": axes_phi[alive].reshape(-1)}
    flags = np.full(int(alive.sum()) * n_jets, 1 << 13)
    identity = np.tile(np.resize([511, 421, 2], n_jets), alive.sum())
    mother = np.full(len(flags), -1)
    momentum = np.full(len(flags), 20.0)
    genpart = _jagged(
        rng, alive * n_jets, GENPART_COLUMNS, **axes, pt=momentum, pdgId=identity, statusFlags=flags,
        genPartIdxMother=mother,
    )  # fmt: skip
    quarks = np.tile(np.resize([5, 4, 2], n_jets), alive.sum())
    partons = _jagged(rng, alive * n_jets, PARTON_COLUMNS, **axes, pt=momentum, pdgId=quarks)
    sv = _jagged(rng, alive * n_jets, SV_COLUMNS, **axes, ntracks=np.full(len(flags), 3))
    event = {
        name: rng.random(n_events) if kind[0] == "f" else np.arange(n_events) for name, kind in EVENT_COLUMNS.items()
    }
    return RecoBatch(typed(event, EVENT_COLUMNS), gen, genpart, partons, candidates, sv)
