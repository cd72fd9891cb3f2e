"""From judged jets to numbers: the validation's histograms and summary, losses and effective entries.

Errors are the spread of bootstrap replicas, the same for every provider (paired). What is resampled is the hard
scatter: events made from one are not independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.binning import (
    FLAVOURS,
    INTERVALS,
    REGION_EDGES,
    REGIONS,
    jet_histogram,
    response_histogram,
)
from coffea_mljec.validation.common.filling import base_cells, fill_jets, fill_responses
from coffea_mljec.validation.common.replicas import poisson_weights
from coffea_mljec.validation.response.summary import Measured, Summary, summarise
from training.derive.mix import mix_weights
from training.evaluate.judged import JudgedJets
from training.learning.sampling import Sampling, effective_size, sample

__all__ = [
    "Losses",
    "closure_weights",
    "effective_entries",
    "fill",
    "losses",
    "replicas_of",
    "spectrum_weights",
    "summary_of",
]

INCLUSIVE = 0
_KNOWN = {1: "d", 2: "u", 3: "s", 4: "c", 5: "b", 21: "g"}
_CELLS = np.geomspace(15.0, 7000.0, 25)


def replicas_of(jets: JudgedJets, replicas: int) -> NDArray[np.uint8]:
    """Return how often each jet enters each bootstrap replica, uint8 array [n, replicas]."""
    return poisson_weights(jets["run"], np.zeros_like(jets["run"]), jets["scatter"], replicas=replicas)


def spectrum_weights(jets: JudgedJets) -> NDArray[np.float64]:
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


def closure_weights(jets: JudgedJets) -> NDArray[np.float64]:
    """Return the weights that closure payloads are derived with: the flavour mix of inclusive QCD at every pt_gen."""
    columns = {name: jets[name].astype(np.float64) for name in ("pt_gen", "process", "weight")}
    return mix_weights(columns | {"eta_gen": jets["abs_eta_gen"], "flavour": _flavour_codes(jets).astype(np.float64)})


def _flavour_codes(jets: JudgedJets) -> NDArray[np.int64]:
    """Return PDG ids without sign, 0 for an unknown flavour."""
    codes = {name: code for code, name in _KNOWN.items()}
    return np.array([codes.get(name, 0) for name in FLAVOURS])[jets["flavour"]]


def fill(
    jets: JudgedJets,
    pt: Mapping[str, NDArray[np.float64]],
    replica_weights: NDArray[np.uint8],
    weight: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """Return what `coffea_mljec.validation.ResponseProcessor` would accumulate.

    Parameters
    ----------
    jets : JudgedJets
    pt : mapping of str to float64 array [n]
        Provider -> pT (GeV).
    replica_weights : uint8 array [n, replicas]
        From `replicas_of`.
    weight : float64 array [n], optional
        Of the jets; without it they are counted.
    """
    histogram = response_histogram(list(pt), replica_weights.shape[1], weight is not None)
    counted = jet_histogram()
    base = base_cells(jets["pt_gen"], jets["abs_eta_gen"], jets["flavour"], counted)
    fill_jets(counted, base)
    rows = np.arange(len(jets), dtype=np.int64)
    weights: NDArray[Any] = np.ones(len(jets), np.int64) if weight is None else weight
    for name, values in jets.responses(pt).items():
        fill_responses(histogram, name, values, base, rows, weights, replica_weights)
    return {
        "response": histogram,
        "jets": counted,
        "counts": dict(jets.counts),
        "non_finite": dict.fromkeys(pt, 0),
        "status": {name: dict(jets.status[name]) for name in pt},
    }


def summary_of(accumulated: dict[str, Any], standard: str) -> Summary:
    """Return the validation's summary of what `fill` gave."""
    return summarise({"test": accumulated}, standard)


@dataclass(frozen=True)
class Losses:
    """Mean |y - y_hat| in the sampling density (DESIGN section 4), targets beyond 1 contributing 0.

    Attributes
    ----------
    of : dict of str to Measured
        Provider -> loss.
    less : dict of (str, str) to Measured
        (provider, the one before it) -> difference of their losses, paired.
    """

    of: dict[str, Measured]
    less: dict[tuple[str, str], Measured]


def losses(
    jets: JudgedJets, pt: Mapping[str, NDArray[np.float64]], replica_weights: NDArray[np.uint8], sampling: Sampling
) -> Losses:
    """Return the losses of providers and the differences between neighbours in their order.

    Parameters
    ----------
    jets, pt, replica_weights
        See `fill`; jets of unknown flavour do not enter.
    sampling : Sampling
        The target density.
    """
    code = _flavour_codes(jets)
    known = np.flatnonzero(code > 0)
    sampled = sample(jets["pt_gen"][known], jets["abs_eta_gen"][known], code[known], sampling)
    share = (sampled.weight * sampled.acceptance).astype(np.float64)
    target = np.log(jets["pt_gen"][known] / jets["pt_raw"][known])
    inside = np.abs(target) < 1.0
    times = np.column_stack([np.ones(len(known)), replica_weights[known]])
    total = share @ times
    found = {}
    for name, values in pt.items():
        miss = np.abs(target - np.log(values[known] / jets["pt_raw"][known])) * inside * share
        found[name] = (miss @ times) / total
    names = list(found)
    pairs = list(zip(names[1:], names[:-1], strict=True))
    return Losses(
        {name: _measured(values) for name, values in found.items()},
        {(one, before): _measured(found[one] - found[before]) for one, before in pairs},
    )


def _measured(values: NDArray[np.float64]) -> Measured:
    return Measured(float(values[0]), float(np.std(values[1:], ddof=1)) if len(values) > 2 else None)


def effective_entries(jets: JudgedJets, weight: NDArray[np.float64]) -> dict[str, dict[str, float]]:
    """Return (sum w)^2 / sum w^2 of the jets: region -> interval -> number."""
    result: dict[str, dict[str, float]] = {}
    for number, region in enumerate(REGIONS):
        there = (jets["abs_eta_gen"] >= REGION_EDGES[number]) & (jets["abs_eta_gen"] < REGION_EDGES[number + 1])
        result[region] = {
            name: effective_size(weight[there & (jets["pt_gen"] >= low) & (jets["pt_gen"] < high)])
            for name, (low, high) in INTERVALS.items()
        }
    return result
