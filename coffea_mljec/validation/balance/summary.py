"""From the histograms of `BalanceProcessor` to balances (formulas: `coffea_mljec.validation.balance.processor`).

Medians by default: a balance has tails, and so has the response of photons and leptons, which moves means. The ratio of
the reconstructed to the generator balance is formed of both medians, and extrapolated by a straight line in alpha, the
cut on the second jet's pT over the reference's, through the ratios of all cuts above `in_situ.LOWEST_PT` GeV / pt_ref,
weighted by the number of events. Every step is done in every bootstrap replica: points of one line share events, and
both balances are those of the same events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.quantiles import quantiles
from coffea_mljec.validation.common.accumulated import Accumulated
from coffea_mljec.validation.common.in_situ import LOWEST_PT, Binned, InSituSummary, extrapolated
from coffea_mljec.validation.common.measured import NO_GENERATOR, Measured, generated, measured
from coffea_mljec.validation.common.merging import merged_axis, starts_of_merged
from coffea_mljec.validation.common.widths import GAUSSIAN_IQR, location_and_width

__all__ = ["MIN_EVENTS", "BalanceCell", "BalancePoint", "BalanceSummary", "summarise_balance"]

MIN_EVENTS = 50
"""Events below which a location is not given."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BalancePoint:
    """Locations in events whose second jet has less than `alpha_max` of pt_ref."""

    alpha_max: float
    events: int
    pt_balance: Measured
    mpf: Measured
    gen_balance: Measured


@dataclass(frozen=True)
class BalanceCell:
    """Balance of one provider's leading jet against the Z boson or photon.

    Attributes
    ----------
    provider : str
    eta, pt : list of float
        ``[low, high]`` of the jet's |eta| and of the reference's pT (GeV).
    events : int
    pt_balance : Measured
        Location of pT(jet) / pT(reference).
    mpf : Measured
        Location of the missing-momentum projection fraction, 1 + MET . pT(reference) / pT(reference)^2.
    gen_balance : Measured
        Location of the same balance of the generator jet and the generator's boson or photon.
    response : Measured
        Location of pT(jet) / pT(generator jet) of the same jets.
    ratio, ratio_extrapolated : Measured
        `pt_balance` / `gen_balance`, and with the second jet's pT extrapolated to zero; the response, if all is well.
    width : Measured
        (Q75 - Q25) / (1.349 Q50) of the pT balance.
    alpha : list of BalancePoint
    """

    provider: str
    eta: list[float]
    pt: list[float]
    events: int
    pt_balance: Measured
    mpf: Measured
    gen_balance: Measured
    response: Measured
    ratio: Measured
    ratio_extrapolated: Measured
    width: Measured
    alpha: list[BalancePoint]


@dataclass(frozen=True)
class BalanceSummary(InSituSummary):
    """All numbers of a balance measurement.

    Attributes
    ----------
    reference : str
        What the jets are weighed against.
    met : str or None
        Which MET the MPF was made from; None for no MPF.
    cells : list of BalanceCell
    """

    reference: str
    met: str | None
    cells: list[BalanceCell]


def summarise_balance(
    accumulated: Mapping[str, Mapping[str, Any]],
    datasets: Iterable[str] | None = None,
    *,
    reference: str,
    met: str | None,
    estimator: str = "quantile",
    coarse: bool = False,
) -> BalanceSummary:
    """Turn what `BalanceProcessor` accumulated into balances.

    Parameters
    ----------
    accumulated : mapping
        Dataset -> output of the processor, accumulated over chunks.
    datasets : iterable of str, optional
        Which datasets to add up; all of them by default. Data and simulation are not to be added.
    reference : str
        What the jets were weighed against.
    met : str or None
        Which MET the MPF was made from; None for no MPF.
    estimator : {"quantile", "core", "rms"}
        Location of a distribution: its median, that of its Gaussian core, or its mean.
    coarse : bool
        Join neighbouring bins of pT that hold too few events, as a small sample needs.

    Raises
    ------
    InputError
        If a dataset is missing, histograms do not add up, or the estimator is unknown.
    """
    found = Accumulated(accumulated, datasets)
    histogram = found.histogram("balance")
    if coarse:
        histogram = merged_axis(histogram, "pt", starts_of_merged(_events(histogram), MIN_EVENTS))
    axes = {axis.name: axis for axis in histogram.axes}
    bins, simulated = Binned(histogram), found.counts("counts")["simulated"] > 0
    cells = []
    for p, provider in enumerate(axes["provider"]):
        # [eta, pt, quantity, alpha, replica, balance]
        content = np.transpose(histogram.view(flow=True)[..., p], (3, 2, 5, 4, 0, 1))
        for e, eta, t, pt in bins.cells():
            part = dict(zip(axes["quantity"], content[e, t], strict=True))
            if part["pt_balance"][:, 0].any():
                edges = axes["balance"].edges, axes["alpha"].edges
                cells.append(_Cell(part, *edges, pt[0], met, simulated, estimator).summed_up(provider, eta, pt))
    return BalanceSummary(**bins.shared(found, estimator), reference=reference, met=met, cells=cells)


def _events(histogram: Any) -> npt.NDArray[np.int64]:
    """Events of the first provider in bins of |eta| and pT."""
    content = histogram.view(flow=True)[0, ..., histogram.axes["quantity"].index("pt_balance"), 0]
    return np.rint(content.sum(axis=(0, 3)).T).astype(np.int64)


class _Cell:
    """The histograms of one cell: quantity -> [alpha, replica, balance]."""

    def __init__(
        self,
        content: dict[str, npt.NDArray[Any]],
        edges: _Floats,
        alpha_edges: _Floats,
        pt_low: float,
        met: str | None,
        simulated: bool,
        estimator: str,
    ) -> None:
        self.content = content
        self.estimator = estimator
        self.edges = edges
        # Cuts below the softest jets that there are would cut nothing.
        self.cuts = [(k, float(a)) for k, a in enumerate(alpha_edges[1:]) if a * pt_low >= LOWEST_PT]
        self.absent = {} if met is not None else {"mpf": "no MET"}
        if not simulated:
            self.absent |= {"gen_balance": NO_GENERATOR, "response": NO_GENERATOR}

    def location(self, quantity: str, bins: slice) -> _Floats:
        """Location in every replica over bins of alpha."""
        return location_and_width(self.content[quantity][bins].sum(axis=0), self.edges, self.estimator)[0]

    def number(self, quantity: str, bins: slice) -> int:
        """Entries over bins of alpha."""
        return round(float(self.content[quantity][bins, 0].sum()))

    def measured(self, quantity: str, bins: slice) -> Measured:
        """Location with its error."""
        if quantity in self.absent:
            return Measured(None, None, self.absent[quantity])
        return measured(self.location(quantity, bins), self.number(quantity, bins) >= MIN_EVENTS)

    def ratio(self, bins: slice) -> _Floats:
        """Reconstructed over generator balance in every replica."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.location("pt_balance", bins) / self.location("gen_balance", bins)

    def ratio_extrapolated(self) -> Measured:
        """The ratio at alpha = 0."""
        return extrapolated(self.cuts, lambda bins: self.number("gen_balance", bins), self.ratio, MIN_EVENTS)

    def summed_up(self, provider: str, eta: list[float], pt: list[float]) -> BalanceCell:
        """Everything that a summary says of the cell."""
        whole = slice(None)
        quartile = quantiles(self.content["pt_balance"].sum(axis=0), self.edges, [0.25, 0.5, 0.75])
        with np.errstate(divide="ignore", invalid="ignore"):
            width = (quartile[:, 2] - quartile[:, 0]) / (GAUSSIAN_IQR * quartile[:, 1])
        known = "gen_balance" not in self.absent
        enough = self.number("gen_balance", whole) >= MIN_EVENTS
        return BalanceCell(
            provider=provider,
            eta=eta,
            pt=pt,
            events=self.number("pt_balance", whole),
            pt_balance=self.measured("pt_balance", whole),
            mpf=self.measured("mpf", whole),
            gen_balance=self.measured("gen_balance", whole),
            response=self.measured("response", whole),
            ratio=measured(self.ratio(whole), enough) if known else generated(None),
            ratio_extrapolated=self.ratio_extrapolated() if known else generated(None),
            width=measured(width, self.number("pt_balance", whole) >= MIN_EVENTS),
            alpha=[
                BalancePoint(
                    alpha,
                    self.number("pt_balance", slice(k + 1)),
                    *(self.measured(name, slice(k + 1)) for name in ("pt_balance", "mpf", "gen_balance")),
                )
                for k, alpha in self.cuts
            ],
        )
