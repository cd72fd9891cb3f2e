"""From the histograms of `MassProcessor` to numbers: scale and resolution of energy and mass, peaks, spectra.

- scale and resolution: median, mode and (Q75 - Q25) / Q50 of corrected over generator energy or mass. The mode is the
  mean of the Gaussian core within one width, for corrections whose target it is. Masses are those above
  40 GeV of the generator jet: below, the mass of a jet of one parton is a matter of its softest particles.
- peak: mean and relative width of the Gaussian core (`coffea_mljec.validation.common.widths.gaussian_core`) of a mass
  over that of the particle that decayed, so that neither a natural width nor a sample of several masses counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import hist
import numpy as np

from coffea_mljec.numerics.quantiles import quantiles
from coffea_mljec.validation.common.accumulated import Accumulated
from coffea_mljec.validation.common.binning import open_limits
from coffea_mljec.validation.common.measured import Measured, measured
from coffea_mljec.validation.common.measurement import MeasurementSummary
from coffea_mljec.validation.common.statistics import resolution
from coffea_mljec.validation.common.widths import gaussian_core
from coffea_mljec.validation.mass.cells import ALL_ORIGINS, KINDS, QUANTITIES
from coffea_mljec.validation.mass.decays import ORIGINS

__all__ = ["AGAINST", "MIN_JETS", "MassSummary", "Peak", "Scale", "Spectrum", "summarise_masses"]

AGAINST = {"pt": "pt_gen", "mass": "mass_gen", "eta": "abs_eta_gen"}
"""What scale and resolution are shown against -> axis."""

MIN_JETS = 50


@dataclass(frozen=True)
class Scale:
    """Scale and resolution of one provider's energy or mass in a bin of `against`; an upper end of None is open."""

    provider: str
    quantity: str
    against: str
    limits: list[float | None]
    jets: int
    median: Measured
    mode: Measured
    resolution: Measured


@dataclass(frozen=True)
class Peak:
    """Location and relative width of a mass over that of the particle; `pt` in GeV, its upper end None: open."""

    provider: str
    kind: str
    origin: str
    pt: list[float | None]
    jets: int
    location: Measured
    width: Measured


@dataclass(frozen=True)
class Spectrum:
    """Share of the jets (or pairs) of one origin in each bin of mass; what is beyond the last edge is left out."""

    provider: str
    kind: str
    origin: str
    jets: int
    shares: list[float]


@dataclass(frozen=True)
class MassSummary(MeasurementSummary):
    """Everything that the tables and figures show.

    Attributes
    ----------
    edges : dict of str to list of float
        ``pt``, ``mass``, ``eta``: of the bins of `scales`; the last bins of pT and mass are open. ``spectrum``.
    scales : list of Scale
    peaks : list of Peak
        The first of each provider, kind and origin is that of all pT.
    spectra : list of Spectrum
    """

    edges: dict[str, list[float]]
    scales: list[Scale]
    peaks: list[Peak]
    spectra: list[Spectrum]


def summarise_masses(
    accumulated: Mapping[str, Mapping[str, Any]], datasets: Iterable[str] | None = None
) -> MassSummary:
    """Turn what `MassProcessor` accumulated into numbers.

    Parameters
    ----------
    accumulated : mapping
        Dataset -> output of the processor, accumulated over chunks.
    datasets : iterable of str, optional
        Which datasets to add up; all of them by default.

    Raises
    ------
    InputError
        If a dataset is not there.
    """
    found = Accumulated(accumulated, datasets)
    ratio, peak, spectrum = (found.histogram(name) for name in ("ratio", "peak", "spectrum"))
    edges = {against: ratio.axes[axis].edges.tolist() for against, axis in AGAINST.items()}
    shared = found.shared(ratio)
    names = shared["providers"]
    return MassSummary(
        **shared,
        edges=edges | {"spectrum": spectrum.axes["mass"].edges.tolist()},
        scales=[one for name in names for one in _scales(ratio, name)],
        peaks=[one for name in names for one in _peaks(peak, name)],
        spectra=[one for name in names for one in _spectra(spectrum, name)],
    )


def _scales(ratio: hist.Hist[Any], provider: str) -> Iterator[Scale]:
    """[replica, ratio (with flow), pt, eta, mass, quantity] -> a number a bin of each axis, summed over the others."""
    content = ratio.view(flow=True)[..., ratio.axes["provider"].index(provider)]
    edges = ratio.axes["ratio"].edges
    names = [axis.name for axis in ratio.axes]
    for q, quantity in enumerate(QUANTITIES):
        for against, axis in AGAINST.items():
            # The first bin of mass counts where it is shown, and for the energy.
            part = content[..., q] if quantity == "energy" or against == "mass" else content[..., 1:, q]
            others = tuple(names.index(one) for one in AGAINST.values() if one != axis)
            summed = part.sum(axis=others)
            for number in range(summed.shape[-1]):
                quartile = quantiles(summed[:, :, number], edges, [0.25, 0.5, 0.75])
                mode, _ = gaussian_core(summed[:, :, number], edges, window=1.0)
                jets = round(float(summed[0, :, number].sum()))
                enough = jets >= MIN_JETS
                yield Scale(
                    provider, quantity, against, open_limits(ratio.axes[axis].edges, number), jets,
                    measured(quartile[:, 1], enough), measured(mode, enough), measured(resolution(quartile), enough),
                )  # fmt: skip


def _peaks(peak: hist.Hist[Any], provider: str) -> Iterator[Peak]:
    """[replica, ratio (with flow), pt, kind, origin] -> a number for all pT, then one a bin."""
    content = peak.view(flow=True)[..., peak.axes["provider"].index(provider)]
    edges, pt = peak.axes["ratio"].edges, peak.axes["pt_gen"].edges
    for k, kind in enumerate(KINDS):
        for o, origin in enumerate(ORIGINS):
            part = content[:, :, :, k, o]
            if not part[0].any():
                continue
            bins = [([float(pt[0]), None], part.sum(axis=2))]
            bins += [(open_limits(pt, number), part[:, :, number]) for number in range(part.shape[2])]
            for limits, counts in bins:
                mean, sigma = gaussian_core(counts, edges)
                jets = round(float(counts[0].sum()))
                with np.errstate(divide="ignore", invalid="ignore"):
                    width = sigma / mean
                enough = jets >= MIN_JETS
                yield Peak(provider, kind, origin, limits, jets, measured(mean, enough), measured(width, enough))


def _spectra(spectrum: hist.Hist[Any], provider: str) -> Iterator[Spectrum]:
    content = spectrum.view(flow=True)[0, ..., spectrum.axes["provider"].index(provider)]
    for k, kind in enumerate(KINDS):
        for o, origin in enumerate(ALL_ORIGINS):
            counts = content[:, k, o].astype(np.float64)
            total = float(counts.sum())
            if total > 0.0:
                yield Spectrum(provider, kind, origin, round(total), (counts[1:-1] / total).tolist())
