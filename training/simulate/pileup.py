"""Pileup: a pool of minimum-bias interactions that are drawn again and again, turned and mirrored.

An interaction harder than the event's own hard scatter is never drawn (CMS vetoes such events: with biased weights
one of them would carry a weight that belongs to another spectrum). The pool knows its hardness, so the draw is from
the softer ones only and no event is lost. Training and test samples take pools of different seeds.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.jit import njit
from coffea_mljec.support.atomic import write_arrays
from training.simulate.batch import Jagged, offsets_of
from training.simulate.decay import PARTICLE_COLUMNS
from training.simulate.generator import generate_minimum_bias

__all__ = ["PileupPool", "draw_means"]

#: Interactions of one Pythia, whose initialisation takes as long as a thousand of them. Part of what a seed means.
_CHUNK = 5_000


@dataclass(frozen=True)
class PileupPool:
    """Minimum-bias interactions, sorted by the hardness of their hardest scatter.

    Attributes
    ----------
    particles : Jagged
        ``PARTICLE_COLUMNS``, vertices in cm relative to the interaction.
    pthat : float64 array [n]
        Ascending.
    seed : int
    """

    particles: Jagged
    pthat: NDArray[np.float64]
    seed: int

    def __len__(self) -> int:
        """Return the number of interactions."""
        return len(self.pthat)

    @classmethod
    def build(cls, seed: int, n_events: int = 10_000, energy: float = 13_000.0, tune: int = 14) -> PileupPool:
        """Generate a pool (about 5 ms an interaction)."""
        if n_events < 1:
            raise InputError(f"a pileup pool needs at least one interaction, got {n_events}")
        parts, hardness = [], []
        for chunk, start in enumerate(range(0, n_events, _CHUNK)):
            made = generate_minimum_bias(seed + 1_000_003 * chunk, min(_CHUNK, n_events - start), energy, tune)
            parts.append(made.particles)
            hardness.append(made.pthat)
        pthat = np.concatenate(hardness)
        order = np.argsort(pthat, kind="stable")
        return cls(Jagged.concatenate(parts).take(order), pthat[order], seed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the pool as npz, complete or not at all."""
        columns: dict[str, NDArray[np.generic]] = {
            "column_" + name: column for name, column in self.particles.columns.items()
        }
        columns |= {"offsets": self.particles.offsets, "pthat": self.pthat, "seed": np.array(self.seed)}
        write_arrays(path, columns)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PileupPool:
        """Read a pool that `save` wrote."""
        try:
            # Opened here, so that it is closed too where numpy finds no archive in it.
            with Path(path).open("rb") as handle, np.load(handle, allow_pickle=False) as file:
                columns = {name: file["column_" + name] for name in PARTICLE_COLUMNS}
                return cls(Jagged(file["offsets"], columns), file["pthat"], int(file["seed"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is no pileup pool ({error}): delete it, and it is built again") from None

    @classmethod
    def load_or_build(cls, path: str | os.PathLike[str], seed: int, **options: float) -> PileupPool:
        """Read the pool at ``path`` if it is there and has this seed, else build and save it."""
        if Path(path).exists():
            pool = cls.load(path)
            if pool.seed == seed:
                return pool
            raise InputError(f"{path} holds the pileup pool of seed {pool.seed}, not {seed}: name another file")
        pool = cls.build(seed, **options)  # type: ignore[arg-type]
        pool.save(path)
        return pool


def draw_means(rng: np.random.Generator, mean: float | tuple[float, float], n_events: int) -> NDArray[np.float64]:
    """Return every event's mean number of interactions.

    A range (low, high) is covered by a Beta(2, 4.5) shape, whose average lies 0.31 of the way up: 28.5 for 10 to 70.
    """
    if isinstance(mean, tuple):
        low, high = mean
        return low + (high - low) * rng.beta(2.0, 4.5, n_events)
    return np.full(n_events, float(mean))


@njit()
def _overlay(
    offsets: NDArray[np.int64],
    angle: NDArray[np.float64],
    mirror: NDArray[np.float64],
    eta: NDArray[np.float32],
    phi: NDArray[np.float32],
    vx: NDArray[np.float32],
    vy: NDArray[np.float32],
    vz: NDArray[np.float32],
    z: NDArray[np.float64],
) -> None:
    """Turn interaction by interaction in place: phi by ``angle``, eta and z by ``mirror``, then move along z."""
    for i in range(len(offsets) - 1):
        cosine, sine = np.cos(angle[i]), np.sin(angle[i])
        for j in range(offsets[i], offsets[i + 1]):
            eta[j] *= mirror[i]
            turned = phi[j] + angle[i]
            phi[j] = turned - 2.0 * np.pi if turned > np.pi else turned
            x, y = vx[j], vy[j]
            vx[j], vy[j] = x * cosine - y * sine, x * sine + y * cosine
            vz[j] = vz[j] * mirror[i] + z[i]


def draw_interactions(
    rng: np.random.Generator, pool: PileupPool, hardness: NDArray[np.float64], counts: NDArray[np.int64], spread: float
) -> tuple[Jagged, NDArray[np.float64]]:
    """Draw ``counts[i]`` interactions for event i, none harder than ``hardness[i]`` GeV.

    Returns
    -------
    Jagged
        One "event" an interaction, with ``PARTICLE_COLUMNS``, turned and moved to its vertex.
    float64 array [counts.sum()]
        z of the interactions in cm.
    """
    allowed = np.maximum(np.searchsorted(pool.pthat, np.repeat(hardness, counts), side="right"), 1)
    total = int(counts.sum())
    chosen = np.minimum((rng.random(total) * allowed).astype(np.int64), allowed - 1)
    angle = rng.uniform(0.0, 2.0 * np.pi, total)
    mirror = np.where(rng.random(total) < 0.5, -1.0, 1.0)
    z = rng.normal(0.0, spread, total)
    drawn = pool.particles.take(chosen)
    columns = drawn.columns
    _overlay(
        drawn.offsets, angle, mirror, columns["eta"], columns["phi"], columns["vx"], columns["vy"], columns["vz"], z
    )
    columns["group"][:] = -1
    return drawn, z


def merge(hard: Jagged, pileup: Jagged, counts: NDArray[np.int64]) -> tuple[Jagged, NDArray[np.int32]]:
    """Return the particles of each event, hard scatter first, and each particle's interaction (0 hard, 1.. pileup)."""
    first = offsets_of(counts)
    pile_rows = np.diff(pileup.offsets[first])
    offsets = offsets_of(hard.counts + pile_rows)
    hard_at = np.repeat(offsets[:-1] - hard.offsets[:-1], hard.counts) + np.arange(hard.offsets[-1])
    begin = offsets[:-1] + hard.counts
    pile_at = np.repeat(begin - pileup.offsets[first[:-1]], pile_rows) + np.arange(pileup.offsets[-1])
    columns = {}
    for name in PARTICLE_COLUMNS:
        column = np.empty(offsets[-1], hard[name].dtype)
        column[hard_at], column[pile_at] = hard[name], pileup[name]
        columns[name] = column
    interaction = np.zeros(offsets[-1], np.int32)
    number = np.arange(len(pileup)) - np.repeat(first[:-1], counts) + 1
    interaction[pile_at] = np.repeat(number, pileup.counts)
    return Jagged(offsets, columns), interaction
