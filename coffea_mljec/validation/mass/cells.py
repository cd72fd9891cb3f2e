"""Histograms of the mass measurement: axes and edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hist

from coffea_mljec.nano.algorithm import radius
from coffea_mljec.validation.common.binning import replica_histogram, steps
from coffea_mljec.validation.mass.decays import ORIGINS

__all__ = [
    "ALL_ORIGINS",
    "ETA_EDGES",
    "KINDS",
    "MASS_EDGES",
    "PAIR",
    "QUANTITIES",
    "empty_histograms",
    "pt_edges_of",
]

QUANTITIES = ("energy", "mass", "soft drop")
"""What is compared with the generator jet's."""

PAIR = "pair"
KINDS = ("mass", "soft drop", PAIR)
"""Masses whose peaks are measured: of the jet, of its groomed part, of two jets."""

ALL_ORIGINS = (*ORIGINS, "other")

MASS_EDGES = (0.0, 40.0, 60.0, 100.0, 140.0, 200.0)
"""Of the generator jet's mass (GeV), that after soft drop for ``soft drop``; the last bin is open."""

ETA_EDGES = (0.0, 1.3, 2.5, 5.0)
"""Of |eta| of the generator jet."""

_LARGE = (200.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0, 1500.0, 2000.0)
_SMALL = (30.0, 50.0, 100.0, 300.0, 1000.0)
_RATIO = steps(
    (0.0, 0.4, 0.05), (0.4, 0.8, 0.01), (0.8, 1.2, 0.005), (1.2, 1.6, 0.01), (1.6, 2.0, 0.05), (2.0, 4.0, 0.5)
)
_SPECTRUM = steps((0.0, 300.0, 5.0))


def pt_edges_of(collection: str) -> tuple[float, ...]:
    """Edges of the generator jet's pT (GeV), by the radius of the jets; the last bin is open."""
    return _LARGE if (radius(collection) or 0.4) > 0.6 else _SMALL


def empty_histograms(
    providers: Sequence[str], replicas: int, weighted: bool, pt_edges: Sequence[float]
) -> dict[str, hist.Hist[Any]]:
    """The empty histograms ``ratio``, ``peak`` and ``spectrum``."""
    pt = hist.axis.Variable(pt_edges, name="pt_gen", label="generator pT (GeV)", underflow=False)
    eta = hist.axis.Variable(ETA_EDGES, name="abs_eta_gen", label="|generator eta|", flow=False)
    mass = hist.axis.Variable(MASS_EDGES, name="mass_gen", label="generator mass (GeV)", underflow=False)
    axes = {
        "ratio": (
            hist.axis.Variable(_RATIO, name="ratio", label="corrected / generator"), pt, eta, mass,
            hist.axis.StrCategory(QUANTITIES, name="quantity", overflow=False),
        ),
        "peak": (
            hist.axis.Variable(_RATIO, name="ratio", label="mass / mass of the particle"), pt,
            hist.axis.StrCategory(KINDS, name="kind", overflow=False),
            hist.axis.StrCategory(ORIGINS, name="origin", overflow=False),
        ),
        "spectrum": (
            hist.axis.Variable(_SPECTRUM, name="mass", label="mass (GeV)"),
            hist.axis.StrCategory(KINDS, name="kind", overflow=False),
            hist.axis.StrCategory(ALL_ORIGINS, name="origin", overflow=False),
        ),
    }  # fmt: skip
    return {name: replica_histogram(own, providers, replicas, weighted) for name, own in axes.items()}
