"""From evaluated jets to the validation's histograms and summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.binning import jet_histogram, response_histogram
from coffea_mljec.validation.common.filling import base_cells, fill_jets, fill_responses
from coffea_mljec.validation.response.summary import Summary, summarise
from training.evaluate.jets import EvaluatedJets

__all__ = ["fill", "summary_of"]


def fill(
    jets: EvaluatedJets,
    pt: Mapping[str, NDArray[np.float64]],
    replica_weights: NDArray[np.uint8],
    weight: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """Return what `coffea_mljec.validation.ResponseProcessor` would accumulate.

    Parameters
    ----------
    jets : EvaluatedJets
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
