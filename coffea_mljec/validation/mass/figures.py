"""Figures of scale and resolution of energy and mass, of peaks, and of spectra."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.points import filled_range, from_zero, points, y_range
from coffea_mljec.validation.common.section import Drawing
from coffea_mljec.validation.common.style import (
    colour,
    heads,
    inside,
    legend,
    line,
    new_figure,
    pt_axis,
    unity,
)
from coffea_mljec.validation.mass.cells import ALL_ORIGINS, KINDS, QUANTITIES
from coffea_mljec.validation.mass.summary import MassSummary, Scale, Spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_masses"]

_WORDS = {"energy": "Energy", "mass": "Mass", "soft drop": "Soft-drop mass"}
_SYMBOL = {"energy": "E", "mass": "m", "soft drop": r"m_{\mathrm{SD}}"}
_KIND_AXIS = {"mass": "m", "soft drop": r"m_{\mathrm{SD}}", "pair": r"m_{\mathrm{jj}}"}
_AXIS = {"mass": r"$m^{\mathrm{gen}}$ (GeV)", "eta": r"$|\eta^{\mathrm{gen}}|$"}
_PT = r"$p_{\mathrm{T}}^{\mathrm{gen}}$ (GeV)"


def draw_masses(summary: MassSummary, caption: Caption) -> Iterator[Drawing]:
    """Draw ``mass_energy``, ``mass_mass``, ``mass_soft_drop`` and ``mass_spectrum_<kind>``.

    Parameters
    ----------
    summary : MassSummary
    caption : Caption
        Above each figure.

    Yields
    ------
    Drawing
        Those that have something to show.
    """
    for quantity in QUANTITIES:
        cells = [s for s in summary.scales if s.quantity == quantity and s.median.value is not None]
        if cells:
            words = f"{_WORDS[quantity]} over the generator jet's: median, and (Q75 - Q25) / Q50."
            words += "" if quantity == "energy" else " Against pT and |eta|: of jets above 40 GeV."
            figure = _scales(summary, quantity, caption)
            yield Drawing(f"mass_{quantity.replace(' ', '_')}", "mass", words, figure, wide=True)
    for kind in KINDS:
        spectra = [s for s in summary.spectra if s.kind == kind]
        if spectra:
            words = "Masses of two jets" if kind == "pair" else f"{_WORDS[kind]} of jets"
            figure = _spectra(summary, spectra, kind, caption)
            name = f"mass_spectrum_{kind.replace(' ', '_')}"
            yield Drawing(name, "mass", f"{words}, by what decayed. Each has an area of 1.", figure, wide=True)


def _edges(summary: MassSummary, against: str) -> list[float]:
    # An open bin ends where a reader expects the next edge.
    edges = summary.edges[against]
    return edges if against == "eta" else [*edges, 1.5 * edges[-1]]


def _scales(summary: MassSummary, quantity: str, caption: Caption) -> Figure:
    shown = ("pt", "mass", "eta")
    figure, grid = new_figure(
        2, 3, (13.0, 8.4), (1.1, 0.25, 0.85, 0.45), sharey="row", squeeze=False, wspace=0.1, hspace=0.12
    )
    medians, widths = [], []
    for column, against in enumerate(shown):
        edges = _edges(summary, against)
        if against == "pt":
            for axes in grid[:, column]:
                axes.set_xscale("log")
        curves = []
        for index, provider in enumerate(summary.providers):
            cells = _cells(summary, provider, quantity, against)
            beside = len(summary.providers)
            medians.append(points(grid[0, column], edges, [c.median for c in cells], index, provider, beside=beside))
            widths.append(points(grid[1, column], edges, [c.resolution for c in cells], index, provider, beside=beside))
            curves.append([c.median for c in cells])
        unity(grid[0, column])
        limits = filled_range(edges, *curves)
        for axes in grid[:, column]:
            if against == "pt":
                pt_axis(axes, limits, _PT)
            else:
                axes.set_xlim(*limits)
                axes.set_xlabel(_AXIS[against])
        grid[0, column].set_xlabel("")
        grid[0, column].tick_params(labelbottom=False)
    grid[0, 0].set_ylabel(rf"Median of ${_SYMBOL[quantity]} / {_SYMBOL[quantity]}^{{\mathrm{{gen}}}}$")
    grid[1, 0].set_ylabel("Resolution")
    y_range(grid[0, 0], medians, floor=0.02, include=1.0, headroom=0.5)
    from_zero(grid[1, 0], widths)
    heads(grid[0], caption)
    legend(grid[0, -1])
    return figure


def _cells(summary: MassSummary, provider: str, quantity: str, against: str) -> list[Scale]:
    return [s for s in summary.scales if (s.provider, s.quantity, s.against) == (provider, quantity, against)]


def _spectra(summary: MassSummary, spectra: list[Spectrum], kind: str, caption: Caption) -> Figure:
    origins = [origin for origin in ALL_ORIGINS if any(s.origin == origin for s in spectra)]
    figure, grid = new_figure(
        1,
        len(origins),
        (3.6 * len(origins) + 1.2, 4.8),
        (1.1, 0.25, 0.85, 0.45),
        squeeze=False,
        sharey=True,
        wspace=0.08,
    )
    edges = np.array(summary.edges["spectrum"])
    highest = 0.0
    for axes, origin in zip(grid[0], origins, strict=True):
        for index, provider in enumerate(summary.providers):
            for one in spectra:
                if (one.provider, one.origin) == (provider, origin):
                    highest = max(highest, _steps(axes, edges, one, index))
        inside(axes, origin)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xticks([0, 100, 200])
        axes.set_xlabel(rf"${_KIND_AXIS[kind]}$ (GeV)")
    grid[0, 0].set_ylim(0.0, 1.45 * highest)
    grid[0, 0].set_ylabel("Share / GeV")
    heads(grid[0], caption)
    legend(grid[0, -1])
    return figure


def _steps(axes: Axes, edges: np.ndarray, spectrum: Spectrum, index: int) -> float:
    """Draw one spectrum and return its height."""
    density = np.array(spectrum.shares) / np.diff(edges)
    axes.stairs(density, edges, color=colour(index), linestyle=line(index), linewidth=1.6, label=spectrum.provider)
    return float(density.max())
