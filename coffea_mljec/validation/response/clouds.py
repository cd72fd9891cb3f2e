"""Typical jets to show: their particles, and the pT that each provider gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import MissingBranchError
from coffea_mljec.nano import FlatJets, flatten
from coffea_mljec.nano.algorithm import radius
from coffea_mljec.nano.jagged import flat_column, offsets_of
from coffea_mljec.numerics.geometry import delta_phi
from coffea_mljec.numerics.matching import match_flat
from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, FLAVOURS, flavour_index

__all__ = ["KINDS", "SHOWN", "Cloud", "find_clouds"]

SHOWN = ("uds", "g", "b")
"""Flavour groups of which one jet each is shown, where there is truth."""

_TYPICAL_PT = 100.0
_CENTRAL = 2.0
_MATCHING = 0.2
KINDS = {
    "charged hadron": (211, 321, 2212),
    "photon": (22,),
    "neutral hadron": (130, 111, 310, 2112),
    "electron": (11,),
    "muon": (13,),
    "forward calorimeter": (1, 2),
}


@dataclass(frozen=True)
class Cloud:
    """One jet and its particles; `to_dict` is JSON-serialisable.

    Attributes
    ----------
    run, luminosity_block, event, jet : int
        Which jet: `jet` counts in the collection of the event.
    flavour : str or None
        Group of `coffea_mljec.validation.common.binning.FLAVOUR_GROUPS`; None without truth.
    radius : float or None
        Of the jet algorithm.
    eta, phi, pt_raw : float
        Of the jet before corrections (GeV).
    pt_gen : float or None
        Of the matched generator jet (GeV).
    pt : dict of str to float
        What each provider makes of the jet (GeV).
    kinds, particle_pt, delta_eta, delta_phi : lists
        Of the particles, highest pT first, relative to the jet's axis.
    vertices : list of (delta eta, delta phi, mass)
        Secondary vertices (GeV), if the file links any.
    """

    run: int
    luminosity_block: int
    event: int
    jet: int
    flavour: str | None
    radius: float | None
    eta: float
    phi: float
    pt_raw: float
    pt_gen: float | None
    pt: dict[str, float]
    kinds: list[str]
    particle_pt: list[float]
    delta_eta: list[float]
    delta_phi: list[float]
    vertices: list[list[float]]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, ints, floats and None."""
        return asdict(self)


def find_clouds(
    events: Any, providers: Mapping[str, Any], collection: str = "Jet", gen_collection: str = "GenJet"
) -> list[Cloud]:
    """Choose typical jets by rule, not by taste, and collect what a display of them needs.

    With generator jets one jet of each group of `SHOWN` is taken: the central one (|eta| < 2) with all its constituents
    whose generator pT is nearest to 100 GeV. On data it is the jet whose raw pT is nearest.

    Parameters
    ----------
    events : NanoEvents
        Eager or virtual; a few hundred are enough.
    providers : mapping of str to provider
        Name -> object with ``apply(events, collection)``.
    collection, gen_collection : str

    Returns
    -------
    list of Cloud
        Empty where the file links no constituents to these jets.
    """
    flat = _with_particles(events, collection)
    if flat is None:
        return []
    chosen = _chosen(events, collection, gen_collection, flat)
    if not chosen:
        return []
    event_of = np.repeat(np.arange(len(flat.jet_offsets) - 1), np.diff(flat.jet_offsets))
    kept = np.unique(event_of[[row for row, _, _ in chosen]])
    mask = np.zeros(len(flat.jet_offsets) - 1, bool)
    mask[kept] = True
    # Whole events, so that the links still count the file's jets; the rows of their jets, in the same order.
    rows = np.flatnonzero(mask[event_of])
    few = events[mask]
    pt = {name: flat_column(each.apply(few, collection)["pt"], f"{name}'s pt") for name, each in providers.items()}
    return [
        _cloud(events, flat, radius(collection), event_of, row, flavour, pt_gen, {
            name: float(values[np.searchsorted(rows, row)]) for name, values in pt.items()
        })
        for row, flavour, pt_gen in chosen
    ]  # fmt: skip


def _with_particles(events: Any, collection: str) -> FlatJets | None:
    """The jets with their particles, and with vertices where the file has them; None where it has no particles."""
    particles: dict[str, tuple[str, ...]] = {"charged": (), "neutral": ()}
    for wanted in (particles | {"sv": ("eta", "phi", "mass")}, particles):
        try:
            return flatten(events, collection, constituents=wanted, asker="the event display")
        except MissingBranchError:
            continue
    return None


def _chosen(
    events: Any, collection: str, gen_collection: str, flat: FlatJets
) -> list[tuple[int, str | None, float | None]]:
    """Rows of the jets to show, with flavour and generator pT where there is truth."""
    good = (flat.flags == 0) & (np.abs(flat.jet["eta"]) < _CENTRAL)
    if gen_collection not in events.fields:
        rows = np.flatnonzero(good)
        if not len(rows):
            return []
        return [(int(rows[_nearest(flat.jet["pt_raw"][rows])]), None, None)]
    rows, pt_gen, flavour = _truth(events, collection, gen_collection, flat)
    kept = good[rows]
    rows, pt_gen, flavour = rows[kept], pt_gen[kept], flavour[kept]
    found: list[tuple[int, str | None, float | None]] = []
    for group in SHOWN:
        members = [FLAVOURS.index(name) for name in FLAVOUR_GROUPS[group]]
        candidates = np.flatnonzero(np.isin(flavour, members))
        if len(candidates):
            best = candidates[_nearest(pt_gen[candidates])]
            found.append((int(rows[best]), group, float(pt_gen[best])))
    return found


def _truth(
    events: Any, collection: str, gen_collection: str, flat: FlatJets
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Rows of the matched jets, the pT of their generator jets, and their flavours."""
    jets, gen = events[collection], events[gen_collection]
    gen_offsets = offsets_of(gen, gen_collection)
    gen_eta, gen_phi, gen_pt = (flat_column(gen[name], f"{gen_collection}.{name}") for name in ("eta", "phi", "pt"))
    eta, phi = (np.asarray(flat.jet[name], np.float64) for name in ("eta", "phi"))
    partner = match_flat(eta, phi, flat.jet_offsets, gen_eta, gen_phi, gen_offsets, _MATCHING)
    rows = np.flatnonzero(partner >= 0)
    flavours = [
        flat_column(jets[name], f"{collection}.{name}")[rows] if name in jets.fields else np.zeros(len(rows), np.int64)
        for name in ("hadronFlavour", "partonFlavour")
    ]
    return rows, gen_pt[partner[rows]].astype(np.float64), flavour_index(*flavours)


def _nearest(pt: npt.NDArray[Any]) -> int:
    return int(np.argmin(np.abs(np.log(pt / _TYPICAL_PT))))


def _cloud(
    events: Any,
    flat: FlatJets,
    jet_radius: float | None,
    event_of: npt.NDArray[np.int64],
    row: int,
    flavour: str | None,
    pt_gen: float | None,
    pt: dict[str, float],
) -> Cloud:
    event = int(event_of[row])
    axis = (float(flat.jet["eta"][row]), float(flat.jet["phi"][row]))
    columns: dict[str, npt.NDArray[Any]] = {}
    for quantity in ("pt", "eta", "phi", "pdg_id"):
        columns[quantity] = np.concatenate(
            [
                part.columns[quantity][part.index[part.offsets[row] : part.offsets[row + 1]]]
                for part in (flat.collections["charged"], flat.collections["neutral"])
            ]
        )
    order = np.argsort(-columns["pt"], kind="stable")
    vertices: list[list[float]] = []
    if "sv" in flat.collections:
        sv = flat.collections["sv"]
        for k in sv.index[sv.offsets[row] : sv.offsets[row + 1]]:
            offset = delta_phi(float(sv.columns["phi"][k]), axis[1])
            vertices.append([float(sv.columns["eta"][k]) - axis[0], float(offset), float(sv.columns["mass"][k])])
    turned = [float(delta_phi(float(phi), axis[1])) for phi in columns["phi"][order]]
    return Cloud(
        run=int(events["run"][event]),
        luminosity_block=int(events["luminosityBlock"][event]),
        event=int(events["event"][event]),
        jet=row - int(flat.jet_offsets[event]),
        flavour=flavour,
        radius=jet_radius,
        eta=axis[0],
        phi=axis[1],
        pt_raw=float(flat.jet["pt_raw"][row]),
        pt_gen=pt_gen,
        pt=pt,
        kinds=[_kind(int(code)) for code in columns["pdg_id"][order]],
        particle_pt=[float(value) for value in columns["pt"][order]],
        delta_eta=[float(value) - axis[0] for value in columns["eta"][order]],
        delta_phi=turned,
        vertices=vertices,
    )


def _kind(pdg_id: int) -> str:
    return next((name for name, codes in KINDS.items() if abs(pdg_id) in codes), "other")
