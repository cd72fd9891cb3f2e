"""The whole simulation: from settings and a batch's number to reconstructed events.

`Simulator.batch` runs generator, pileup, transport, tracks, calorimeters, particle flow, association, PUPPI and
secondary vertices. What each of them lacks is said in its own module. In short, compared with CMS: no material
effects (conversions, bremsstrahlung, nuclear interactions), no lateral shower spread, no fake tracks, no out-of-time
pileup, the primary vertex always the right one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.random_streams import SimulationStream, simulation_generator
from training.simulate.association import associate
from training.simulate.batch import CANDIDATE_COLUMNS, EVENT_COLUMNS, SV_COLUMNS, Jagged, RecoBatch, offsets_of, typed
from training.simulate.calorimeter import deposit
from training.simulate.detector import DETECTOR, HADRON_RESOLUTION, Detector
from training.simulate.generator import generate_hard
from training.simulate.particleflow import reconstruct_candidates
from training.simulate.passes import repeat
from training.simulate.pileup import PileupPool, draw_interactions, draw_means, merge
from training.simulate.puppi import TUNES, puppi_weights
from training.simulate.record import HardEvents
from training.simulate.settings import PROCESSES, Settings
from training.simulate.tracker import TRACK_COLUMNS, reconstruct_tracks
from training.simulate.transport import propagate
from training.simulate.vertices import VERTEX_COLUMNS, find_secondary_vertices

__all__ = ["Simulator"]

#: Events reconstructed at once: keeps the particle tables at a few ten megabytes. Part of what a seed means.
_CHUNK = 50
_BEAM = (-0.025, 0.069, 0.0)  # cm, as PFNano's PV_x and PV_y
_BEAM_WIDTH = 0.001
#: Below this pT CMS stores no track details with a candidate (PFNano).
_DETAILS_PT = 0.5


class Simulator:
    """Simulates batches of events; what comes out depends on settings, pool and the batch's number only.

    Parameters
    ----------
    settings : Settings
    pool : PileupPool
        Not of the seed of another sample that must be independent.
    detector : Detector
        Constants; ``settings.hadron_response_scale`` multiplies the response to hadrons, and
        ``settings.hadron_resolution_scale`` every term of the resolution for them.
    """

    def __init__(self, settings: Settings, pool: PileupPool, detector: Detector = DETECTOR) -> None:
        self.settings = settings
        self.pool = pool
        worse = {name: getattr(detector, name) * settings.hadron_resolution_scale for name in HADRON_RESOLUTION}
        self.detector = detector._replace(
            response_scale=detector.response_scale * settings.hadron_response_scale, **worse
        )

    def batch(self, n_events: int, index: int) -> RecoBatch:
        """Return batch ``index`` with ``n_events`` events; the number of events is part of what the seed means.

        Raises
        ------
        InputError
            For a batch without events or a negative number.
        """
        if n_events < 1 or index < 0:
            raise InputError(f"a batch needs n_events >= 1 and index >= 0, got {n_events} and {index}")
        passes = self.settings.passes
        rng = simulation_generator(self.settings.seed, SimulationStream.DETECTOR, index)
        hard = repeat(rng, generate_hard(self.settings, math.ceil(n_events / passes), index), passes, n_events)
        events: list[dict[str, NDArray[np.generic]]] = []
        candidates, vertices = [], []
        for start in range(0, n_events, _CHUNK):
            event, candidate, vertex = self._reconstruct(hard, start, min(start + _CHUNK, n_events), rng)
            events.append(event)
            candidates.append(candidate)
            vertices.append(vertex)
        event = {name: np.concatenate([part[name] for part in events]) for name in events[0]}
        # The number of the first event of the same scatter, within the batch.
        event["scatter"] = (np.arange(n_events) // passes * passes).astype(EVENT_COLUMNS["scatter"])
        return RecoBatch(
            event, hard.gen, hard.genpart, hard.partons, Jagged.concatenate(candidates), Jagged.concatenate(vertices)
        )

    def _reconstruct(
        self, hard: HardEvents, start: int, stop: int, rng: np.random.Generator
    ) -> tuple[dict[str, NDArray[np.generic]], Jagged, Jagged]:
        """Reconstruct events ``start`` to ``stop`` of a batch."""
        settings, detector = self.settings, self.detector
        n = stop - start
        means = draw_means(rng, settings.pileup_mean, n)
        n_pu = rng.poisson(means).astype(np.int64)
        pileup, pileup_z = draw_interactions(rng, self.pool, hard.pthat[start:stop], n_pu, settings.vertex_spread)
        particles, interaction = merge(hard.particles.slice(start, stop), pileup, n_pu)
        pv = np.column_stack(
            [
                rng.normal(_BEAM[0], _BEAM_WIDTH, n),
                rng.normal(_BEAM[1], _BEAM_WIDTH, n),
                rng.normal(_BEAM[2], settings.vertex_spread, n),
            ]
        )
        own = particles.event
        vx = (particles["vx"] + pv[own, 0]).astype(np.float32)
        vy = (particles["vy"] + pv[own, 1]).astype(np.float32)
        vz = (particles["vz"] + np.where(interaction == 0, pv[own, 2], 0.0)).astype(np.float32)
        pt, eta, phi, kind, charge = (particles[name] for name in ("pt", "eta", "phi", "kind", "charge"))
        energy = np.sqrt((pt * np.cosh(eta.astype(np.float64))) ** 2 + particles["mass"] ** 2)
        offsets = particles.offsets

        surface_eta, surface_phi, reached = propagate(pt, eta, phi, charge, vx, vy, vz, detector)
        tracks, hits = reconstruct_tracks(
            rng, offsets, kind, charge, pt, eta, phi, vx, vy, vz, pv, surface_eta, surface_phi, reached, detector
        )
        em, had = deposit(rng, kind, energy, surface_eta, reached, detector)
        pv_z = np.ascontiguousarray(pv[:, 2])
        quality, from_pv, n_pv, n_good = associate(
            rng, offsets, tracks, interaction, pv_z, offsets_of(n_pu), pileup_z, detector
        )
        candidate_offsets, values, pdg, source = reconstruct_candidates(
            rng, offsets, kind, charge, energy, tracks, surface_eta, surface_phi, reached, em, had, pv_z, detector
        )
        sv_offsets, sv = find_secondary_vertices(
            rng, offsets, tracks, particles["group"], interaction, vx, vy, vz, pv, detector
        )
        event = {
            "genWeight": hard.weight[start:stop], "pthat": hard.pthat[start:stop], "n_pu": n_pu, "n_true_pu": means,
            "pv_x": pv[:, 0], "pv_y": pv[:, 1], "pv_z": pv_z, "n_pv": n_pv, "n_pv_good": n_good,
            "process": np.full(n, PROCESSES[settings.process].code),
        }  # fmt: skip
        columns = _candidate_columns(values, pdg, source, charge, tracks, hits, quality, from_pv)
        columns["puppiWeight"] = puppi_weights(
            candidate_offsets, values[:, 0].copy(), values[:, 1].copy(), values[:, 2].copy(),
            columns["pdgId"], columns["charge"], columns["fromPV"], n_pv, TUNES[settings.puppi],
        )  # fmt: skip
        return (
            typed(event, {name: kind for name, kind in EVENT_COLUMNS.items() if name != "scatter"}),
            Jagged(candidate_offsets, typed(columns, CANDIDATE_COLUMNS)),
            Jagged(sv_offsets, typed({name: sv[:, at] for at, name in enumerate(VERTEX_COLUMNS)}, SV_COLUMNS)),
        )


def _candidate_columns(
    values: NDArray[np.float64],
    pdg: NDArray[np.int32],
    source: NDArray[np.int64],
    charge: NDArray[np.int8],
    tracks: NDArray[np.float64],
    hits: NDArray[np.int16],
    quality: NDArray[np.int8],
    from_pv: NDArray[np.int8],
) -> dict[str, NDArray[np.generic]]:
    """Return the candidates' columns; track details as PFNano keeps them: -1 below 0.5 GeV and for neutrals."""
    charged = source >= 0
    detailed = charged & (values[:, 0] > _DETAILS_PT)
    at = {
        name: tracks[source, column]
        for column, name in enumerate(TRACK_COLUMNS)
        if name in ("d0", "d0Err", "dz", "dzErr")
    }
    columns: dict[str, NDArray[np.generic]] = {
        name: values[:, column] for column, name in enumerate(("pt", "eta", "phi", "mass", "hcalFraction"))
    }
    columns |= {name: np.where(detailed, column, -1.0) for name, column in at.items()}
    columns["pdgId"] = pdg
    columns["charge"] = np.where(charged, charge[source], 0).astype(np.int32)
    columns["trkChi2"] = np.where(detailed, np.floor(tracks[source, TRACK_COLUMNS.index("chi2")]), -1.0)
    columns["vtxChi2"] = np.where(detailed, 0.0, -1.0)
    columns["trkQuality"] = np.where(detailed, 5, 0)
    columns["numberOfHits"] = np.where(detailed, hits[source, 0], 0)
    columns["numberOfPixelHits"] = np.where(detailed, hits[source, 1], 0)
    columns["lostInnerHits"] = np.where(charged, hits[source, 2], -1)
    columns["pvAssocQuality"] = np.where(charged, quality[source], 7)
    columns["fromPV"] = np.where(charged, from_pv[source], 1).astype(np.int32)
    return columns
