"""Toy AK8 jets, in each event a W in one and one of one parton; toy pairs of jets of H. Responses are known."""

from __future__ import annotations

import awkward as ak
import numpy as np

from tests.factories import Tables

#: What the toy's detector does to mass and soft-drop mass.
SCALES = {"mass": 0.9, "msoftdrop": 0.85}


def large_jets(n: int = 1500, seed: int = 3) -> Tables:
    """Each event: a W in one jet and a jet of one parton, back to back."""
    rng = np.random.default_rng(seed)
    pt = np.exp(rng.uniform(np.log(250), np.log(2500), n))
    eta = rng.uniform(-1.8, 1.8, n)
    phi = rng.uniform(-3.0, 0.0, n)
    mass_w = rng.normal(80.4, 2.0, n)
    angle = 2 * mass_w / pt
    gen = {
        "pt": np.stack([pt, pt], 1), "eta": np.stack([eta, -eta], 1), "phi": np.stack([phi, phi + 3.1], 1),
        "mass": np.stack([mass_w * 1.02, rng.uniform(5, 150, n)], 1),
    }  # fmt: skip
    # A groomed generator jet of exactly the W's mass: one subjet.
    subjets = gen | {"mass": np.stack([mass_w, 0.5 * gen["mass"][:, 1]], 1)}
    smear = {
        name: np.exp(rng.normal(0, width, (n, 2))) for name, width in (("pt", 0.05), ("mass", 0.1), ("msoftdrop", 0.08))
    }
    jets = gen | {
        "pt": gen["pt"] * smear["pt"], "mass": gen["mass"] * smear["mass"] * SCALES["mass"],
        "msoftdrop": subjets["mass"] * smear["msoftdrop"] * SCALES["msoftdrop"], "rawFactor": np.zeros((n, 2)),
        "hadronFlavour": np.zeros((n, 2)), "partonFlavour": np.full((n, 2), 21),
    }  # fmt: skip
    zero = np.zeros(n)
    part = {
        "pdgId": np.stack([zero + 24, zero + 1, zero - 2], 1), "genPartIdxMother": np.stack([zero - 1, zero, zero], 1),
        "pt": np.stack([pt, pt / 2, pt / 2], 1), "eta": np.stack([eta, eta + angle / 2, eta - angle / 2], 1),
        "phi": np.stack([phi, phi, phi], 1), "mass": np.stack([mass_w, zero, zero], 1),
    }  # fmt: skip
    tables = {
        "FatJet": jets, "GenJetAK8": gen, "SubGenJetAK8": subjets, "GenPart": part,
    }  # fmt: skip
    kinds = {"pdgId": np.int32, "genPartIdxMother": np.int16, "hadronFlavour": np.int32, "partonFlavour": np.int16}
    flat = {
        table: {name: values.ravel().astype(kinds.get(name, np.float32)) for name, values in columns.items()}
        for table, columns in tables.items()
    }
    events = {
        "run": np.ones(n, np.uint32), "luminosityBlock": np.ones(n, np.uint32), "event": np.arange(n, dtype=np.uint64),
        "genWeight": np.ones(n, np.float32),
    }  # fmt: skip
    counts = {table: np.full(n, 3 if table == "GenPart" else 2) for table in tables}
    return Tables(events, counts, flat)


def pairs_of_higgs(n: int) -> ak.Array:
    """Events with two jets of H each, all measured 10 % too low, and by 3 % at random, alike in an event."""
    rng = np.random.default_rng(2)
    eta, phi = rng.uniform(-1, 1, (n, 2)), np.stack([rng.uniform(-3, -2, n), rng.uniform(0, 1, n)], 1)
    pt = rng.uniform(60, 120, (n, 2))
    mass = np.sqrt(2 * pt.prod(axis=1) * (np.cosh(eta[:, 0] - eta[:, 1]) - np.cos(phi[:, 0] - phi[:, 1])))
    gen = {"pt": pt, "eta": eta, "phi": phi, "mass": np.zeros((n, 2))}
    jets = gen | {"pt": 0.9 * pt * np.exp(rng.normal(0, 0.03, (n, 1)))}
    part = {
        "pdgId": np.tile([25, 5, -5], (n, 1)), "genPartIdxMother": np.tile([-1, 0, 0], (n, 1)),
        "pt": np.column_stack([np.full(n, 70.0), pt]), "eta": np.column_stack([np.zeros(n), eta]),
        "phi": np.column_stack([np.zeros(n), phi]), "mass": np.column_stack([mass, np.zeros((n, 2))]),
    }  # fmt: skip
    tables = {name: ak.zip({k: ak.Array(list(v)) for k, v in columns.items()}) for name, columns in
              (("Jet", jets), ("GenJet", gen), ("GenPart", part))}  # fmt: skip
    ids = {"run": np.ones(n, int), "luminosityBlock": np.ones(n, int), "event": np.arange(n)}
    return ak.zip(tables | ids, depth_limit=1)
