"""Jets of a batch: anti-kT with FastJet, four-momenta, areas and composition in numba.

The area is the part of (rapidity, phi) whose ghosts a jet would take: each point within the radius belongs to the jet
with the smallest DeltaR^2 / pT^2 (see `training.simulate.flavour`), measured on a grid. It costs a fraction of the
clustering itself, where FastJet's ghosts cost 10 to 25 ms an event and Voronoi cells 7 (1,500 particles). Compared
with the active area of the same jets it is equal on average for hard jets and 4 % smaller for soft ones, with a
correlation of 0.75 to 0.9 (the active area is itself random); the test compares them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import MLJECError
from coffea_mljec.numerics.geometry import delta_phi, delta_r2
from coffea_mljec.numerics.jit import njit
from training.simulate.batch import Jagged, offsets_of
from training.simulate.flavour import rapidity

__all__ = ["NEUTRINOS", "Jets", "chs_jets", "cluster", "fastjet_module", "four_momenta", "generator_jets", "puppi_jets"]

NEUTRINOS = (12, 14, 16)
_GHOST_SPACING = 0.05
#: A jet this much softer takes less than 0.3 % of a jet's area.
_NEGLIGIBLE = 0.05


@dataclass(frozen=True)
class Jets:
    """Jets and what they are made of.

    Attributes
    ----------
    table : Jagged
        ``pt eta phi mass area``, by falling pT within an event; GeV, before any correction.
    members : Jagged
        One "event" a jet, the column ``row``: rows of the clustered particles' flat table, ascending.
    """

    table: Jagged
    members: Jagged


@njit()
def four_momenta(
    pt: NDArray[np.float64], eta: NDArray[np.float64], phi: NDArray[np.float64], mass: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``px py pz E`` [4, n]."""
    out = np.empty((4, len(pt)))
    for i in range(len(pt)):
        out[0, i] = pt[i] * math.cos(phi[i])
        out[1, i] = pt[i] * math.sin(phi[i])
        out[2, i] = pt[i] * math.sinh(eta[i])
        out[3, i] = math.sqrt(pt[i] ** 2 + out[2, i] ** 2 + mass[i] ** 2)
    return out


@njit()
def _sums(
    momenta: NDArray[np.float64], rows: NDArray[np.int64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    n = len(offsets) - 1
    pt, eta, phi, mass = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for j in range(n):
        px = py = pz = energy = 0.0
        for k in range(offsets[j], offsets[j + 1]):
            i = rows[k]
            px += momenta[0, i]
            py += momenta[1, i]
            pz += momenta[2, i]
            energy += momenta[3, i]
        pt[j] = math.hypot(px, py)
        phi[j] = math.atan2(py, px)
        eta[j] = math.asinh(pz / pt[j]) if pt[j] > 0.0 else 0.0
        mass[j] = math.sqrt(max(0.0, energy**2 - px**2 - py**2 - pz**2))
    return pt, eta, phi, mass


@njit()
def ghost_areas(
    y: NDArray[np.float64],
    phi: NDArray[np.float64],
    pt: NDArray[np.float64],
    offsets: NDArray[np.int64],
    pt_min: float,
    radius: float,
    spacing: float,
) -> NDArray[np.float64]:
    """Return the area of every jet above ``pt_min``, 0 for the others, which only compete for ghosts.

    Jets are flat [n] with ``offsets`` [n_events + 1], sorted by falling pT within an event.
    """
    area = np.zeros(len(y))
    steps = math.ceil(radius / spacing)
    most = 0
    for event in range(len(offsets) - 1):
        most = max(most, offsets[event + 1] - offsets[event])
    near = np.empty(most, np.int64)
    for event in range(len(offsets) - 1):
        for j in range(offsets[event], offsets[event + 1]):
            if pt[j] < pt_min:
                break
            n_near = 0
            for k in range(offsets[event], offsets[event + 1]):
                if pt[k] < _NEGLIGIBLE * pt[j]:
                    break
                if k != j and delta_r2(y[j], phi[j], y[k], phi[k]) < 4.0 * radius * radius:
                    near[n_near] = k
                    n_near += 1
            taken = points = 0
            for a in range(-steps, steps):
                for b in range(-steps, steps):
                    d_y, d_phi = (a + 0.5) * spacing, (b + 0.5) * spacing
                    own = d_y * d_y + d_phi * d_phi
                    if own >= radius * radius:
                        continue
                    points += 1
                    own /= pt[j] * pt[j]
                    mine = True
                    for m in range(n_near):
                        k = near[m]
                        other_phi = delta_phi(phi[j] - phi[k], -d_phi)
                        other = (y[j] + d_y - y[k]) ** 2 + other_phi * other_phi
                        if other < radius * radius and other < own * pt[k] * pt[k]:
                            mine = False
                            break
                    taken += mine
            area[j] = math.pi * radius * radius * taken / points
    return area


def fastjet_module() -> Any:
    """Return FastJet, or say how to install it."""
    # Its banner stays: the authors ask (ClusterSequence.hh) that other people's code does not turn it off by default.
    try:
        import fastjet
    except ImportError:
        raise MLJECError(
            "clustering jets needs FastJet, which is not installed: pip install 'coffea-mljec[simulate]'"
        ) from None
    return fastjet


def _constituents(momenta: NDArray[np.float64], offsets: NDArray[np.int64], radius: float) -> tuple[Jagged, Jagged]:
    """Return (jets of every event, without columns; members of every jet, column ``row``), all jets however soft."""
    import awkward as ak

    fastjet = fastjet_module()
    filled = np.flatnonzero(np.diff(offsets) > 0)
    counts = np.zeros(len(offsets) - 1, np.int64)
    if len(filled) == 0:
        return Jagged(offsets_of(counts)), Jagged(np.zeros(1, np.int64), {"row": np.zeros(0, np.int64)})
    record = ak.zip(dict(zip(("px", "py", "pz", "E"), momenta, strict=True)), with_name="Momentum4D")
    particles = ak.unflatten(record, np.diff(offsets)[filled])
    found = fastjet.ClusterSequence(
        particles, fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    ).constituent_index(0.0)
    n_jets = ak.to_numpy(ak.num(found, axis=1)).astype(np.int64)
    sizes = ak.to_numpy(ak.flatten(ak.num(found, axis=2))).astype(np.int64)
    local = ak.to_numpy(ak.flatten(found, axis=None)).astype(np.int64)
    counts[filled] = n_jets
    begin = np.repeat(np.repeat(offsets[filled], n_jets), sizes)
    return Jagged(offsets_of(counts)), Jagged(offsets_of(sizes), {"row": local + begin})


def cluster(particles: Jagged, radius: float, pt_min: float, *, with_area: bool = True) -> Jets:
    """Cluster the particles of every event with anti-kT (E scheme).

    Parameters
    ----------
    particles : Jagged
        ``pt eta phi mass`` in GeV; all of positive pT.
    radius : float
        Radius parameter.
    pt_min : float
        Jets below this transverse momentum in GeV are dropped.
    with_area : bool
        Whether to measure areas; without, ``area`` is 0.

    Returns
    -------
    Jets
        Events without jets are kept, empty.
    """
    columns = (np.ascontiguousarray(particles[name], np.float64) for name in ("pt", "eta", "phi", "mass"))
    momenta = four_momenta(*columns)
    events, members = _constituents(momenta, particles.offsets, radius)
    pt, eta, phi, mass = _sums(momenta, members["row"], members.offsets)
    order = np.lexsort((-pt, events.event))
    table = Jagged(events.offsets, {"pt": pt[order], "eta": eta[order], "phi": phi[order], "mass": mass[order]})
    area = np.zeros(len(pt))
    if with_area:
        y = rapidity(table["pt"], table["eta"], table["mass"])
        area = ghost_areas(y, table["phi"], table["pt"], table.offsets, pt_min, radius, _GHOST_SPACING * radius / 0.4)
    table.columns["area"] = area
    kept = np.asarray(table["pt"] >= pt_min)
    members = members.take(order[kept])
    rows = members["row"]
    ascending = np.lexsort((rows, members.event))
    return Jets(table.select(kept), Jagged(members.offsets, {"row": rows[ascending]}))


def _cluster_rows(particles: Jagged, kept: NDArray[np.bool_], scale: NDArray[np.floating] | None, *args: Any) -> Jets:
    """Cluster the kept particles, momenta times ``scale``; members' rows are those of the whole table."""
    names = ("pt", "eta", "phi", "mass")
    columns = {name: particles[name] for name in names}
    if scale is not None:
        columns |= {name: columns[name] * scale for name in ("pt", "mass")}
    jets = cluster(Jagged(particles.offsets, columns).select(kept), *args)
    rows = np.flatnonzero(kept)[jets.members["row"]]
    return Jets(jets.table, Jagged(jets.members.offsets, {"row": rows}))


def chs_jets(candidates: Jagged, pt_min: float = 5.0, radius: float = 0.4) -> Jets:
    """Cluster what charged-hadron subtraction leaves: all but charged candidates with ``fromPV`` 0."""
    kept = ((candidates["fromPV"] != 0) | (candidates["charge"] == 0)) & (candidates["pt"] > 0)
    return _cluster_rows(candidates, np.asarray(kept), None, radius, pt_min)


def puppi_jets(candidates: Jagged, pt_min: float = 100.0, radius: float = 0.8) -> Jets:
    """Cluster all candidates, momenta times their PUPPI weight."""
    weight = np.asarray(candidates["puppiWeight"], np.float64)
    return _cluster_rows(candidates, np.asarray((weight > 0) & (candidates["pt"] > 0)), weight, radius, pt_min)


def generator_jets(gen: Jagged, pt_min: float = 8.0, radius: float = 0.4) -> Jets:
    """Cluster the stable particles but for neutrinos; areas are not measured."""
    visible = ~np.isin(np.abs(gen["pdgId"]), NEUTRINOS) & (gen["pt"] > 0)
    kept = np.asarray(visible)
    names = ("pt", "eta", "phi", "mass")
    jets = cluster(
        Jagged(gen.offsets, {name: gen[name] for name in names}).select(kept), radius, pt_min, with_area=False
    )
    rows = np.flatnonzero(kept)[jets.members["row"]]
    return Jets(jets.table, Jagged(jets.members.offsets, {"row": rows}))
