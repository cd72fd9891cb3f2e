"""Vertices that a file's table dropped, but that its links still describe.

NanoAOD lists secondary vertices of some significance. CMSSW's networks saw all of them, and PFNano's links hold the
quantities of each, with an index of -1 where the table has no such vertex. Of its direction they hold the distance to
the jet's axis, less 0.5 and 0 at most, and the difference in phi; the share of the jet's energy tells on which side in
eta it lies (PFNano, plugins/JetConstituentTableProducer.cc).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.layout import Layout, Linkage
from coffea_mljec.nano.quantities import OWN_FIELD

if TYPE_CHECKING:
    from coffea_mljec.nano.chunk import JetChunk
    from coffea_mljec.nano.links import Groups

__all__ = ["directions", "read_from_links"]

_DIRECTION = ("deltaR", "phirel", "ptrel", "enration")
_OFFSET = 0.5
"""What PFNano takes from the distance before it bounds it at 0."""


def read_from_links(layout: Layout, quantities: Iterable[str]) -> Layout:
    """Return the layout in which a jet's vertices are the rows of its links; the same where these lack a quantity.

    Parameters
    ----------
    layout : Layout
    quantities : iterable of str
        What is to be read of vertices.
    """
    sv = layout.sv
    if sv.links is None or sv.index is None or any(layout.find("jet", name) is None for name in ("mass", "raw_factor")):
        return layout
    sources = tuple(OWN_FIELD + name for name in (*_DIRECTION, str(sv.index), f"{sv.table}.eta", f"{sv.table}.phi"))
    found = replace(layout, sv=Linkage(sv.links, sv.links), listed=sv, direction=sources)
    needed = [source for quantity in ("pt", "mass", "eta", *quantities) for source in found.sources("sv", quantity)]
    return layout if any(found.find("sv", source) is None for source in needed) else found


def directions(chunk: JetChunk, group: Groups) -> dict[str, npt.NDArray[np.float32]]:
    """Return eta and phi of each row of the links: of the vertex where it is listed, else from the jet's.

    Parameters
    ----------
    chunk : JetChunk
        With a layout of `read_from_links`.
    group : Groups
        Rows of the links by jet.
    """
    layout, rows = chunk.layout, group.index
    assert layout.listed is not None
    jet = np.repeat(np.arange(len(chunk)), np.diff(group.offsets))
    links, listed = chunk.table(str(layout.sv.links)), chunk.table(str(layout.listed.table))

    def of_link(name: str) -> npt.NDArray[np.float64]:
        return links.column(name)[rows].astype(np.float64)

    def of_jet(quantity: str) -> npt.NDArray[np.float64]:
        return chunk.jet(quantity).astype(np.float64)[jet]

    eta = _eta(*map(of_link, ("pt", "mass", *_DIRECTION)), *map(of_jet, ("pt_raw", "eta", "mass_raw")))
    phi = of_jet("phi") + of_link("phirel")
    target = links.column(str(layout.listed.index))[rows]
    event = np.repeat(np.arange(len(chunk.offsets) - 1), np.diff(chunk.offsets))[jet]
    there = (target >= 0) & (target < listed.counts[event])
    own = (listed.spans.starts[event] + target)[there]
    found = {}
    for name, values in (("eta", eta), ("phi", phi - 2.0 * np.pi * np.floor((phi + np.pi) / (2.0 * np.pi)))):
        values[there] = listed.column(name)[own]
        found[name] = np.full(len(links.column("jetIdx")), np.nan, np.float32)
        found[name][rows] = values
    return found


def _eta(
    pt: npt.NDArray[Any],
    mass: npt.NDArray[Any],
    distance: npt.NDArray[Any],
    delta_phi: npt.NDArray[Any],
    pt_share: npt.NDArray[Any],
    energy_share: npt.NDArray[Any],
    jet_pt: npt.NDArray[Any],
    jet_eta: npt.NDArray[Any],
    jet_mass: npt.NDArray[Any],
) -> npt.NDArray[np.float64]:
    """eta of vertices, from what links say of them; momenta in GeV."""
    with np.errstate(all="ignore"):
        across = np.sqrt(np.maximum((distance + _OFFSET) ** 2 - delta_phi**2, 0.0))
        energy = pt * energy_share / pt_share * np.hypot(np.cosh(jet_eta), jet_mass / jet_pt)
        above, below = (
            np.abs(np.hypot(pt * np.cosh(eta), mass) - energy) for eta in (jet_eta + across, jet_eta - across)
        )
        near = np.where(above < below, jet_eta + across, jet_eta - across)
        # Beyond the bound only the energy is known.
        far = np.copysign(np.arccosh(np.maximum(np.sqrt(np.maximum(energy**2 - mass**2, 0.0)) / pt, 1.0)), jet_eta)
    return np.where(distance < 0.0, near, far)
