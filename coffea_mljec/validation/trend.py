"""How median and resolution depend on pileup and |eta|, and how well the medians close."""

from __future__ import annotations

from dataclasses import dataclass

from coffea_mljec.validation.measured import Measured

__all__ = ["Closure", "Trend"]


@dataclass(frozen=True)
class Trend:
    """Median and resolution of the response in bins of rho, npv or |eta|.

    Attributes
    ----------
    provider, variable, region, interval : str
        `variable` is ``"rho"`` (GeV), ``"npv"`` (good primary vertices) or ``"abs_eta"`` (of the generator jet; its
        region is ``"all"``).
    edges : list of float
        Of the bins; entries beyond the last edge are not shown.
    jets : list of int
    median, resolution, ratio : list of Measured
        `ratio` is the resolution over the standard's, with its paired error.
    """

    provider: str
    variable: str
    region: str
    interval: str
    edges: list[float]
    jets: list[int]
    median: list[Measured]
    resolution: list[Measured]
    ratio: list[Measured]


@dataclass(frozen=True)
class Closure:
    """How far the medians in the fine bins of pt_gen are from 1, over those above 30 GeV that hold enough jets.

    Attributes
    ----------
    provider, region, flavour : str
    chi_square : float or None
        Sum of ((median - 1) / error)^2; the bins are nearly independent (they share events, not jets).
    bins : int
        Number of bins in it: the degrees of freedom, as nothing was fitted.
    p_value : float or None
        Chance of a chi-square at least this large if every median were 1.
    worst : float or None
        Largest |median - 1| of these bins.
    """

    provider: str
    region: str
    flavour: str
    chi_square: float | None
    bins: int
    p_value: float | None
    worst: float | None
