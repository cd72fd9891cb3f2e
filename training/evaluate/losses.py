"""The test loss of every provider: the networks' loss, on the jets that are evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.response.summary import Measured
from training.evaluate.jets import EvaluatedJets
from training.evaluate.weights import flavour_codes
from training.learning.sampling import SamplingSettings, weigh_jets

__all__ = ["Losses", "losses", "replica_losses"]


@dataclass(frozen=True)
class Losses:
    """Mean |y - y_hat| in the sampling density with y = ln(pt_gen / pt_raw); targets beyond 1 contribute 0.

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
    jets: EvaluatedJets,
    pt: Mapping[str, NDArray[np.float64]],
    replica_weights: NDArray[np.uint8],
    sampling: SamplingSettings,
) -> Losses:
    """Return the losses of providers and the differences between neighbours in their order.

    Parameters
    ----------
    jets, pt, replica_weights
        See `training.evaluate.histograms.fill`; jets of unknown flavour do not enter.
    sampling : SamplingSettings
        The target density.
    """
    found = replica_losses(jets, pt, replica_weights, sampling)
    names = list(found)
    pairs = list(zip(names[1:], names[:-1], strict=True))
    return Losses(
        {name: _measured(values) for name, values in found.items()},
        {(one, before): _measured(found[one] - found[before]) for one, before in pairs},
    )


def replica_losses(
    jets: EvaluatedJets,
    pt: Mapping[str, NDArray[np.float64]],
    replica_weights: NDArray[np.uint8],
    sampling: SamplingSettings,
) -> dict[str, NDArray[np.float64]]:
    """Return provider -> its loss and that of every bootstrap replica, float64 array [1 + replicas].

    Parameters are those of `losses`.
    """
    code = flavour_codes(jets)
    known = np.flatnonzero(code > 0)
    weights = weigh_jets(jets["pt_gen"][known], jets["abs_eta_gen"][known], code[known], sampling)
    share = weights.expected.astype(np.float64)
    target = np.log(jets["pt_gen"][known] / jets["pt_raw"][known])
    inside = np.abs(target) < 1.0
    times = np.column_stack([np.ones(len(known)), replica_weights[known]])
    total = share @ times
    found = {}
    for name, values in pt.items():
        miss = np.abs(target - np.log(values[known] / jets["pt_raw"][known])) * inside * share
        found[name] = (miss @ times) / total
    return found


def _measured(values: NDArray[np.float64]) -> Measured:
    return Measured(float(values[0]), float(np.std(values[1:], ddof=1)) if len(values) > 2 else None)
