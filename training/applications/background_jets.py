"""Jets of embedded events: anti-kT with active areas, the background's density by the median of kT jets, the truth.

The pT of a jet is the scalar sum of its particles', here and in the truth: the vector sum of a wide jet full of
background is smaller by some per cent, and its density is measured in narrow jets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.geometry import delta_phis, delta_r2
from coffea_mljec.support.atomic import write_arrays
from training.applications.embedding import (
    ACCEPTANCE,
    SIGNALS_AN_EVENT,
    Embedding,
    embedded_events,
    signals,
    softened,
)
from training.simulate.batch import Jagged, offsets_of
from training.simulate.jets import Jets, cluster, fastjet_module

__all__ = ["COLUMNS", "EmbeddedJets", "embed_batch", "read_batches"]

COLUMNS = ("pt_true", "flavour", "n_signal", "pt_raw", "area", "rho", "rho_n", "scatter")
"""Of a jet: pT of the charged jet without background, its parton, its number of particles; raw pT and active area with
background; pT density an area, and a particle, of the event's background; number of the hard scatter."""

_CONSTITUENTS = ("pt", "rel_eta", "rel_phi")
_KT_RADIUS = 0.2
_GHOST_AREA = 0.01
_LEAST_TRUE = 5.0  # GeV


@dataclass(frozen=True)
class EmbeddedJets:
    """Jets of one radius.

    Attributes
    ----------
    columns : dict of str to array [n]
        `COLUMNS`; momenta in GeV.
    constituents : Jagged
        ``pt rel_eta rel_phi`` of every particle of a jet, background and signal; angles from the jet's axis.
    """

    columns: dict[str, NDArray[Any]]
    constituents: Jagged

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return one column."""
        return self.columns[name]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.constituents)

    def take(self, rows: NDArray[np.int64]) -> EmbeddedJets:
        """Return some jets."""
        return EmbeddedJets({name: values[rows] for name, values in self.columns.items()}, self.constituents.take(rows))


def embed_batch(job: tuple[Embedding, int, int, Path]) -> Path:
    """Generate, embed and cluster one batch, unless its file is there, and return the file.

    Parameters
    ----------
    job : (Embedding, int, int, Path)
        Settings, hard scatters, number of the batch, folder.
    """
    settings, n_events, index, folder = job
    path = folder / f"batch-{index:04d}.npz"
    if path.is_file():
        return path
    particles, flavour = signals(settings, n_events, index)
    if settings.softened:
        particles = softened(particles)
    events = embedded_events(settings, particles, index)
    truth = {radius: cluster(particles, radius, _LEAST_TRUE, with_area=False) for radius in settings.radii}
    found: dict[float, list[dict[str, Any]]] = {radius: [] for radius in settings.radii}
    for event in range(len(events)):
        for radius, jets in _cluster_event(settings, events.slice(event, event + 1)).items():
            for number in range(event * SIGNALS_AN_EVENT, (event + 1) * SIGNALS_AN_EVENT):
                jet = _matched(jets, truth[radius], particles["pt"], number, radius)
                if jet is not None:
                    jet |= {"flavour": flavour[number], "scatter": 1_000_000 * index + number}
                    found[radius].append(jet)
    arrays: dict[str, NDArray[Any]] = {}
    for radius, rows in found.items():
        arrays |= {f"{radius}/{name}": np.array([row[name] for row in rows]) for name in COLUMNS}
        arrays[f"{radius}/counts"] = np.array([len(row["pt"]) for row in rows], np.int64)
        for name in _CONSTITUENTS:
            arrays[f"{radius}/{name}"] = np.concatenate([np.zeros(0), *(row[name] for row in rows)]).astype(np.float32)
    write_arrays(path, arrays)
    return path


def read_batches(paths: Sequence[Path], radius: float) -> EmbeddedJets:
    """Read the jets of one radius.

    Raises
    ------
    InputError
        If there are none.
    """
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            parts.append({name: file[f"{radius}/{name}"] for name in (*COLUMNS, "counts", *_CONSTITUENTS)})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    if not parts or not len(joined["counts"]):
        raise InputError(f"no jet of radius {radius} was found again under the background: embed more hard scatters")
    constituents = Jagged(offsets_of(joined["counts"]), {name: joined[name] for name in _CONSTITUENTS})
    return EmbeddedJets({name: joined[name] for name in COLUMNS}, constituents)


def _cluster_event(settings: Embedding, event: Jagged) -> dict[float, list[dict[str, Any]]]:
    """Return the jets about the signals of one event, radius by radius, each with the event's density."""
    fastjet = fastjet_module()._swig
    pt, eta, phi, mass = (np.asarray(event[name], np.float64) for name in ("pt", "eta", "phi", "mass"))
    p_z = pt * np.sinh(eta)
    momenta = np.column_stack([pt * np.cos(phi), pt * np.sin(phi), p_z, np.sqrt(pt**2 + p_z**2 + mass**2)])
    particles, background = fastjet.vectorPJ(), fastjet.vectorPJ()
    for row, momentum in enumerate(momenta.tolist()):
        particle = fastjet.PseudoJet(*momentum)
        particle.set_user_index(row)
        particles.append(particle)
        if event["signal"][row] < 0:
            background.append(particle)
    area = fastjet.AreaDefinition(fastjet.active_area, fastjet.GhostedAreaSpec(ACCEPTANCE, 1, _GHOST_AREA))
    density = _densities(fastjet, background, area)
    found = {}
    for radius in settings.radii:
        sequence = fastjet.ClusterSequenceArea(
            particles, fastjet.JetDefinition(fastjet.antikt_algorithm, radius, fastjet.pt_scheme), area
        )  # fmt: skip
        jets = []
        for jet in sequence.inclusive_jets(_LEAST_TRUE):
            away = delta_phis(np.array(jet.phi()), 0.5 * np.pi * np.arange(SIGNALS_AN_EVENT))
            if np.abs(away).min() > radius or abs(jet.eta()) > ACCEPTANCE - radius:
                continue
            rows = np.array([each.user_index() for each in jet.constituents()], np.int64)
            jets.append(
                {"pt_raw": jet.pt(), "area": jet.area(), "eta": jet.eta(), "phi": jet.phi(), "pt": pt[rows],
                 "rel_eta": eta[rows] - jet.eta(), "rel_phi": delta_phis(phi[rows], np.array(jet.phi())),
                 "signal": event["signal"][rows]} | density
            )  # fmt: skip
        found[radius] = jets
    return found


def _densities(fastjet: Any, particles: Any, area: Any) -> dict[str, float]:
    """Medians over kT jets, without the two hardest: pT an area, and pT a particle.

    Of the background alone: a single hard scatter hardly changes them, four in one event would.
    """
    algorithm = fastjet.JetDefinition(fastjet.kt_algorithm, _KT_RADIUS, fastjet.pt_scheme)
    sequence = fastjet.ClusterSequenceArea(particles, algorithm, area)
    jets = [jet for jet in sequence.inclusive_jets() if abs(jet.eta()) < ACCEPTANCE - _KT_RADIUS and jet.area() > 0.0]
    jets = sorted(jets, key=lambda jet: -jet.pt())[2:]
    if not jets:
        return {"rho": 0.0, "rho_n": 0.0}
    return {
        "rho": float(np.median([jet.pt() / jet.area() for jet in jets])),
        "rho_n": float(np.median([jet.pt() / max(len(jet.constituents()), 1) for jet in jets])),
    }


def _matched(
    jets: list[dict[str, Any]], truth: Jets, pt: NDArray[Any], number: int, radius: float
) -> dict[str, Any] | None:
    """Return the jet that has more than half of the pT of a signal's leading jet, with the truth; None if none has."""
    table = truth.table
    if table.counts[number] == 0:
        return None
    row = table.offsets[number]
    axis_phi = table["phi"][row] + 0.5 * np.pi * (number % SIGNALS_AN_EVENT)
    true = float(pt[truth.members["row"][truth.members.offsets[row] : truth.members.offsets[row + 1]]].sum())
    for jet in jets:
        shared = float(jet["pt"][jet["signal"] == number].sum())
        if delta_r2(jet["eta"], jet["phi"], table["eta"][row], axis_phi) < radius**2 and shared > 0.5 * true:
            return jet | {"pt_true": true, "n_signal": truth.members.counts[row]}
    return None
