"""From the histograms of `DijetProcessor` to resolutions (formulas: `coffea_mljec.validation.dijet.processor`).

The extrapolation
-----------------
The resolution is measured with alpha below each edge of the alpha axis that lies above `in_situ.LOWEST_PT` / pt_avg
(below it there are no jets to veto) and within the topology's cut. A straight line in alpha through these, weighted by
the number of events, gives it at alpha = 0. At least `in_situ.MIN_POINTS` such edges are needed: low pT has the
resolution at the cut only. On simulation both agree, as the generator's asymmetry takes the imbalance away at any
alpha; on data, whose events may be more or less out of balance than the simulation's, the extrapolation is the safer
one, at two to three times the error.

Every step is done in every bootstrap replica, so that errors know that points of one line share their events, and that
reconstructed and generator asymmetry, and resolution and truth, are those of the same events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from coffea_mljec.errors import InputError
from coffea_mljec.validation.common.accumulated import Accumulated
from coffea_mljec.validation.common.in_situ import Binned, InSituSummary
from coffea_mljec.validation.common.merging import merged_axis, starts_of_merged
from coffea_mljec.validation.dijet.cells import DijetCell, Distribution
from coffea_mljec.validation.dijet.resolution import MIN_EVENTS, DijetResolution

__all__ = ["DijetSummary", "summarise_dijets"]


@dataclass(frozen=True)
class DijetSummary(InSituSummary):
    """All numbers of a dijet measurement.

    Attributes
    ----------
    reference_eta : list of float
        ``[low, high]`` of |eta| of the reference.
    cells : list of DijetCell
    distributions : list of Distribution
        The asymmetries of the cells with enough events.
    """

    reference_eta: list[float]
    cells: list[DijetCell]
    distributions: list[Distribution]


def summarise_dijets(
    accumulated: Mapping[str, Mapping[str, Any]],
    datasets: Iterable[str] | None = None,
    *,
    generator: Mapping[str, Mapping[str, Any]] | None = None,
    estimator: str = "quantile",
    coarse: bool = False,
) -> DijetSummary:
    """Turn what `DijetProcessor` accumulated into resolutions.

    Parameters
    ----------
    accumulated : mapping
        Dataset -> output of the processor, accumulated over chunks.
    datasets : iterable of str, optional
        Which datasets to add up; all of them by default. Data and simulation are not to be added.
    generator : mapping, optional
        The same processor's output on simulation: its generator asymmetry is subtracted from `accumulated`'s. Needed on
        data; by default that of `accumulated` itself.
    estimator : {"quantile", "core", "rms"}
        Width of a distribution: (Q75 - Q25) / 1.349, that of its Gaussian core, or its standard deviation. The
        generator's is subtracted as `common.folding` says: in quadrature for standard deviations.
    coarse : bool
        Join neighbouring bins of pt_avg that hold too few events, as a small sample needs.

    Raises
    ------
    InputError
        If a dataset is missing, histograms do not add up, or the estimator is unknown.
    """
    found = Accumulated(accumulated, datasets)
    source = found if generator is None else Accumulated(generator)
    reco = found.histogram("reco")
    truth = found.histogram("truth") if found.has("gen") else None
    gen = source.histogram("gen") if found.has("gen") or generator is not None else None
    if gen is not None and gen.axes != reco.axes:
        raise InputError(
            "the generator's histograms have other axes than the measurement: run both with the same providers, "
            "bins and replicas."
        )
    if coarse:
        starts = starts_of_merged(_events(reco), MIN_EVENTS)
        reco = merged_axis(reco, "pt", starts)
        gen, truth = (None if part is None else merged_axis(part, "pt", starts) for part in (gen, truth))
    cells, distributions = [], []
    for provider in reco.axes["provider"]:
        numbers = DijetResolution(provider, reco, gen, truth, estimator)
        cells += numbers.cells()
        distributions += numbers.distributions()
    bins = Binned(reco)
    return DijetSummary(
        **bins.shared(found, estimator), reference_eta=bins.eta_edges[:2], cells=cells, distributions=distributions
    )


def _events(reco: Any) -> Any:
    """Events of the first provider with both jets in the reference's range, in bins of pt_avg: shape (1, n_bins)."""
    content = reco.view(flow=True)[0, ..., reco.axes["pair"].index("same"), 0]
    return np.rint(content.sum(axis=(0, 3))[:, 0][None]).astype(np.int64)
