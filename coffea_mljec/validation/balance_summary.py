"""From the histograms of `BalanceProcessor` to balances (formulas: `coffea_mljec.validation.balance`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from coffea_mljec.validation.measured import Measured

__all__ = ["BalanceCell", "BalancePoint", "BalanceSummary"]


@dataclass(frozen=True)
class BalancePoint:
    """Medians of events whose second jet has less than `alpha_max` of pt_ref."""

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
        Median of pT(jet) / pT(reference).
    mpf : Measured
        Median of the missing-momentum projection fraction, 1 + MET . pT(reference) / pT(reference)^2.
    gen_balance : Measured
        Median of the same balance of the generator jet and the generator's boson or photon.
    response : Measured
        Median of pT(jet) / pT(generator jet) of the same jets.
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
class BalanceSummary:
    """All numbers of a balance measurement; `to_dict` is JSON-serialisable."""

    reference: str
    met: str | None
    providers: list[str]
    datasets: list[str]
    replicas: int
    counts: dict[str, int]
    selected: dict[str, int]
    eta_edges: list[float]
    pt_edges: list[float]
    cells: list[BalanceCell]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, ints, floats and None."""
        return asdict(self)
