"""The weights of evaluated jets: bootstrap replicas, the physical spectrum, the flavour mix of inclusive QCD.

Errors are the spread of bootstrap replicas, the same for every provider (paired). What is resampled is the hard
scatter: events made from one are not independent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.binning import FLAVOURS, INTERVALS, REGION_EDGES, REGIONS
from coffea_mljec.validation.common.replicas import poisson_weights
from training.derive.mix import mix_weights
from training.evaluate.jets import EvaluatedJets
from training.learning.sampling import effective_size

__all__ = ["closure_weights", "effective_entries", "flavour_codes", "replicas_of", "spectrum_weights"]

INCLUSIVE = 0
_KNOWN = {1: "d", 2: "u", 3: "s", 4: "c", 5: "b", 21: "g"}
_CELLS = np.geomspace(15.0, 7000.0, 25)


def replicas_of(jets: EvaluatedJets, replicas: int) -> NDArray[np.uint8]:
    """Return how often each jet enters each bootstrap replica, uint8 array [n, replicas]."""
    return poisson_weights(jets["run"], np.zeros_like(jets["run"]), jets["scatter"], replicas=replicas)


def spectrum_weights(jets: EvaluatedJets) -> NDArray[np.float64]:
    """Return weights that give the physical spectrum and flavour mix of inclusive QCD.

    In cells of region, pt_gen and flavour, generator weights of all processes are scaled to the sum of those of
    inclusive QCD: the enriched processes add jets, not flavour. Without an inclusive process: the generator weights.
    """
    weight = jets["weight"].astype(np.float64)
    inclusive = jets["process"] == INCLUSIVE
    if not inclusive.any():
        return weight
    region = np.digitize(jets["abs_eta_gen"], REGION_EDGES)
    cell = (region * (len(_CELLS) + 1) + np.digitize(jets["pt_gen"], _CELLS)) * len(FLAVOURS) + jets["flavour"]
    size = int(cell.max()) + 1
    wanted = np.bincount(cell[inclusive], weight[inclusive], size)[cell]
    have = np.bincount(cell, weight, size)[cell]
    return weight * np.divide(wanted, have, out=np.zeros_like(weight), where=have > 0)


def closure_weights(jets: EvaluatedJets) -> NDArray[np.float64]:
    """Return the weights that closure payloads are derived with: the flavour mix of inclusive QCD at every pt_gen."""
    columns = {name: jets[name].astype(np.float64) for name in ("pt_gen", "process", "weight")}
    return mix_weights(columns | {"eta_gen": jets["abs_eta_gen"], "flavour": flavour_codes(jets).astype(np.float64)})


def flavour_codes(jets: EvaluatedJets) -> NDArray[np.int64]:
    """Return PDG ids without sign, 0 for an unknown flavour."""
    codes = {name: code for code, name in _KNOWN.items()}
    return np.array([codes.get(name, 0) for name in FLAVOURS])[jets["flavour"]]


def effective_entries(jets: EvaluatedJets, weight: NDArray[np.float64]) -> dict[str, dict[str, float]]:
    """Return (sum w)^2 / sum w^2 of the jets: region -> interval -> number."""
    result: dict[str, dict[str, float]] = {}
    for number, region in enumerate(REGIONS):
        there = (jets["abs_eta_gen"] >= REGION_EDGES[number]) & (jets["abs_eta_gen"] < REGION_EDGES[number + 1])
        result[region] = {
            name: effective_size(weight[there & (jets["pt_gen"] >= low) & (jets["pt_gen"] < high)])
            for name, (low, high) in INTERVALS.items()
        }
    return result
