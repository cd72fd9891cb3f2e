"""Distributions of the response in intervals of pt_gen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hist
import numpy as np

from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, INTERVALS, REGIONS, RESPONSE_EDGES, pt_slice
from coffea_mljec.validation.common.statistics import grouped_jets

__all__ = ["SHOWN_EDGES", "Distribution", "distributions"]

SHOWN_EDGES = np.round(np.arange(0.2, 1.81, 0.02), 6)
"""Bins of the response that figures show: a figure of fewer jets joins them further."""


@dataclass(frozen=True)
class Distribution:
    """The response of one provider's jets of all flavours, in one region and interval of pt_gen.

    Attributes
    ----------
    provider, region, interval : str
    jets : int
    edges, density : list of float
        Of the response; the density's integral over all responses, also those beyond the edges, is 1.
    """

    provider: str
    region: str
    interval: str
    jets: int
    edges: list[float]
    density: list[float]


def distributions(response: hist.Hist[Any], jets: hist.Hist[Any]) -> Iterator[Distribution]:
    """The distributions of all intervals that hold jets, ``">30"`` apart, which is their sum.

    Parameters
    ----------
    response, jets : hist.Hist
        From `binning.response_histogram` and `binning.jet_histogram`, filled.
    """
    intervals = {name: limits for name, limits in INTERVALS.items() if name != ">30"}
    counted = grouped_jets(jets, list(intervals.values()))[..., list(FLAVOUR_GROUPS).index("all")]
    content = response.view(flow=True)[0]
    columns = [RESPONSE_EDGES.searchsorted(edge - 1e-9) for edge in SHOWN_EDGES]
    for index, provider in enumerate(response.axes["provider"]):
        for r, region in enumerate(REGIONS):
            for k, (interval, limits) in enumerate(intervals.items()):
                # [response], under- and overflow included
                whole = content[:, pt_slice(*limits), r, :, index].sum(axis=(1, 2))
                if not whole.any():
                    continue
                inner = np.add.reduceat(whole[1:-1][: columns[-1]], columns[:-1])
                density = inner / (np.diff(SHOWN_EDGES) * whole.sum())
                yield Distribution(
                    provider, region, interval, int(counted[k, r]), SHOWN_EDGES.tolist(), density.tolist()
                )
