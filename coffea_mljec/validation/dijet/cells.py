"""What a summary of dijets holds of each bin."""

from __future__ import annotations

from dataclasses import dataclass, field

from coffea_mljec.validation.common.measured import NO_GENERATOR, Measured

__all__ = ["AlphaPoint", "DijetCell", "Distribution"]


@dataclass(frozen=True)
class AlphaPoint:
    """Widths of the asymmetry, and the resolution, of events whose third jet has less than `alpha_max` of pt_avg."""

    alpha_max: float
    events: int
    sigma_reco: Measured
    sigma_gen: Measured
    jer: Measured = field(default_factory=lambda: Measured(None, None, NO_GENERATOR))


@dataclass(frozen=True)
class DijetCell:
    """Resolution of one provider in a bin of |eta| and pt_avg.

    Attributes
    ----------
    provider, pair : str
        `pair` is ``"same"`` (both jets in this |eta| range) or ``"reference"`` (one in the reference range, the other,
        the probe, here).
    eta, pt : list of float
        ``[low, high]`` of |eta| and of pt_avg (GeV).
    events : int
        That pass the topology's cuts.
    sigma_reco, sigma_gen : Measured
        Width of the asymmetry of the corrected jets, and of their generator jets.
    jer : Measured
        Relative resolution at the topology's cut on the third jet.
    jer_extrapolated : Measured
        The same with the third jet's pT extrapolated to zero.
    truth : Measured
        Width of pT / pt_gen over its median, of these jets, by the same estimator.
    ratio : Measured
        `jer` / `truth`.
    shift : Measured
        Median of the asymmetry (reference - probe); 0 but for chance with ``"same"``.
    alpha : list of AlphaPoint
        What the extrapolation used.
    """

    provider: str
    pair: str
    eta: list[float]
    pt: list[float]
    events: int
    sigma_reco: Measured
    sigma_gen: Measured
    jer: Measured
    jer_extrapolated: Measured
    truth: Measured
    ratio: Measured
    shift: Measured
    alpha: list[AlphaPoint]


@dataclass(frozen=True)
class Distribution:
    """The asymmetry of one cell at the topology's cut; `gen` is None on data. Sums of weights if there were weights."""

    provider: str
    pair: str
    eta: list[float]
    pt: list[float]
    edges: list[float]
    reco: list[float]
    gen: list[float] | None
