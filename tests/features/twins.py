"""Slow, plain twins of the features, one jet at a time in double precision: formulas of docs/explanation/physics.md."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import awkward as ak
import numpy as np


def wrapped(angle: Any) -> Any:
    return (np.asarray(angle, np.float64) + np.pi) % (2 * np.pi) - np.pi


def shapes(pt: Any, eta: Any, phi: Any, jet_eta: float, jet_phi: float) -> tuple[float, float, float]:
    """multiplicity, ptD, axis2 of one jet's constituents."""
    pt, eta, phi = (np.asarray(x, np.float64) for x in (pt, eta, phi))
    if len(pt) == 0:
        return 0.0, 0.0, 0.0
    w = pt**2 / np.sum(pt**2)
    x, y = eta - jet_eta, wrapped(phi - jet_phi)
    a = np.sum(w * x * x) - np.sum(w * x) ** 2
    b = np.sum(w * y * y) - np.sum(w * y) ** 2
    c = np.sum(w * x * y) - np.sum(w * x) * np.sum(w * y)
    axis2 = np.sqrt(max(0.0, (a + b - np.sqrt((a - b) ** 2 + 4 * c**2)) / 2))
    return float(np.sum(pt > 1)), float(np.sqrt(np.sum(pt**2)) / np.sum(pt)), float(axis2)


def relative(kind: str, values: Any, jet: float) -> Any:
    values = np.asarray(values, np.float64)
    if kind == "pt":
        return values / jet
    if kind == "eta":
        return np.sign(jet) * (values - jet)
    return wrapped(values - jet)


def table(events: Any, name: str, fields: tuple[str, ...]) -> list[list[SimpleNamespace]]:
    """A collection as plain Python objects, one list per event."""
    columns = {field: ak.to_list(events[name][field]) for field in fields}
    return [
        [SimpleNamespace(**dict(zip(columns, values, strict=True))) for values in zip(*of_event, strict=True)]
        for of_event in zip(*columns.values(), strict=True)
    ]


def jets_of(events: Any, collection: str = "Jet") -> list[dict[str, Any]]:
    """All jets of a PFNano chunk as plain objects, constituents picked link by link in Python, by row."""
    all_jets = table(events, collection, ("pt", "eta", "phi", "mass", "rawFactor", "area"))
    particles = table(
        events,
        "PFCands",
        ("pt", "eta", "phi", "pdgId", "d0", "d0Err", "dz", "trkChi2", "lostInnerHits", "pvAssocQuality"),
    )
    vertices = table(events, "SV", ("mass", "pt", "eta", "phi", "dlen", "dlenSig", "ntracks"))
    links = table(events, f"{collection}PFCands", ("jetIdx", "pFCandsIdx"))
    vertex_links = table(events, f"{collection}SVs", ("jetIdx", "sVIdx"))
    rho, n_pv = ak.to_list(events.fixedGridRhoFastjetAll), ak.to_list(events.PV.npvsGood)
    out = []
    for event, jets in enumerate(all_jets):
        for number, jet in enumerate(jets):
            near = sorted(link.sVIdx for link in vertex_links[event] if link.jetIdx == number and link.sVIdx >= 0)
            own = sorted(link.pFCandsIdx for link in links[event] if link.jetIdx == number)
            candidates = [particles[event][row] for row in own]
            out.append(
                {
                    "jet": jet,
                    "rho": rho[event],
                    "n_pv": n_pv[event],
                    "charged": [c for c in candidates if abs(c.pdgId) in (11, 13, 211)],
                    "neutral": [c for c in candidates if abs(c.pdgId) not in (11, 13, 211)],
                    "sv": [vertices[event][row] for row in near],
                }
            )
    return out


FIELDS = {
    "charged": {
        "pt": "pt",
        "eta": "eta",
        "phi": "phi",
        "dxy": "d0",
        "dz": "dz",
        "lost_hits": "lostInnerHits",
        "norm_chi2": "trkChi2",
    },
    "neutral": {"pt": "pt", "eta": "eta", "phi": "phi"},
    "sv": {
        "mass": "mass",
        "pt": "pt",
        "eta": "eta",
        "phi": "phi",
        "flight_distance": "dlen",
        "flight_significance": "dlenSig",
        "n_tracks": "ntracks",
    },
}


def jet_row(entry: dict[str, Any], names: tuple[str, ...]) -> list[float]:
    jet = entry["jet"]
    raw = 1.0 - float(jet.rawFactor)
    everything = entry["charged"] + entry["neutral"]
    multiplicity, ptd, axis2 = shapes(
        [c.pt for c in everything], [c.eta for c in everything], [c.phi for c in everything], jet.eta, jet.phi
    )
    values = {
        "pt": jet.pt * raw,
        "eta": jet.eta,
        "phi": jet.phi,
        "mass": jet.mass * raw,
        "area": jet.area,
        "rho": entry["rho"],
        "n_pv": entry["n_pv"],
        "log_pt": np.log(jet.pt * raw),
        "multiplicity": multiplicity,
        "ptD": ptd,
        "axis2": axis2,
    }
    return [float(values[name]) for name in names]


def constituent_rows(entry: dict[str, Any], collection: str, names: tuple[str, ...]) -> list[list[float]]:
    jet = entry["jet"]
    jet_values = {"pt": jet.pt * (1.0 - float(jet.rawFactor)), "eta": float(jet.eta), "phi": float(jet.phi)}
    rows = []
    for constituent in entry[collection]:
        row = []
        for name in names:
            if name in FIELDS[collection]:
                row.append(float(getattr(constituent, FIELDS[collection][name])))
            elif name == "dxy_sig":
                row.append(float(constituent.d0) / float(constituent.d0Err) if constituent.d0Err > 0 else -1.0)
            elif name.startswith("rel_"):
                kind = name.removeprefix("rel_")
                row.append(float(relative(kind, getattr(constituent, kind), jet_values[kind])))
            else:
                field, value = (
                    {"id": "pdgId", "pv_assoc": "pvAssocQuality"}[name.rpartition("_")[0]],
                    int(name.rpartition("_")[2]),
                )
                row.append(float(getattr(constituent, field) == value))
        rows.append(row)
    return rows
