"""Charged jets of Pythia 8 in a thermal background as large as that of a head-on collision of lead nuclei.

A toy after R. Haake, C. Loizides, arXiv:1810.06324: background particles are independent, with dN/dpT ~ pT exp(-pT / T)
and flat in eta and phi; there is no flow and there are no resonances. Four hard scatters share a background, since
clustering it costs most of the time: of each, what lies within pi/4 of its leading jet is kept, moved along the beam
into the acceptance, and put a quarter turn from the next.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.geometry import delta_phis
from training.random_streams import SimulationStream, simulation_generator
from training.refusals import refused
from training.simulate.batch import Jagged, offsets_of
from training.simulate.flavour import parton_flavour
from training.simulate.generator import generate_hard
from training.simulate.jets import cluster
from training.simulate.settings import Settings

__all__ = ["ACCEPTANCE", "SIGNALS_AN_EVENT", "Embedding", "embedded_events", "signals", "softened"]

ACCEPTANCE = 0.9
"""Largest |eta| of a track."""
SIGNALS_AN_EVENT = 4

_THRESHOLD = 0.15  # GeV, of a track
_NEAR = math.pi / SIGNALS_AN_EVENT
_LARGEST_AXIS = 0.25  # |eta| of the leading jet once it is moved: a jet of R = 0.6 stays inside
_PION = 0.13957


class Embedding(BaseModel):
    """What is embedded in what.

    Attributes
    ----------
    density : float
        Mean number of background particles above 0.15 GeV a unit of pseudorapidity.
    spread : float
        Relative standard deviation of an event's own density.
    temperature : float
        T in GeV; the mean pT is about 2 T.
    radii : tuple of float
        Radii of the jets.
    seed : int
    energy : float
        Of the proton-proton collisions of the signal, in GeV.
    pt_hat : (float, float)
        Range of the hard scatters' pT in GeV.
    softened : bool
        Whether the fragmentation is changed (`softened`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    density: float = 1800.0
    spread: Annotated[float, Field(ge=0.0, le=0.3)] = 0.1
    temperature: Annotated[float, Field(gt=0.0)] = 0.35
    radii: Annotated[tuple[Annotated[float, Field(gt=0.0, le=0.6)], ...], Field(min_length=1)] = (0.2, 0.4, 0.6)
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    energy: float = 5020.0
    pt_hat: tuple[float, float] = (12.0, 350.0)
    softened: bool = False

    @field_validator("density")
    @classmethod
    def _some_background(cls, value: float) -> float:
        if not value > 0.0:
            raise ValueError(
                f"without background particles ({value:g} a unit of eta) there is nothing to subtract, and no "
                "density to measure: give a number above 0, 1800 for head-on lead collisions"
            )
        return value

    @classmethod
    def create(cls, **values: object) -> Embedding:
        """Return the settings, or raise `InputError` with one line for every value that is refused."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"impossible embedding: {refused(error, 'settings')}") from None


def signals(settings: Embedding, n_events: int, index: int) -> tuple[Jagged, NDArray[np.int32]]:
    """Generate hard scatters and keep the charged particles about the leading charged jet of each.

    Parameters
    ----------
    settings : Embedding
    n_events : int
        Hard scatters that are generated; those without a charged jet of 8 GeV are dropped.
    index : int
        Number of the batch: with the seed it fixes everything.

    Returns
    -------
    particles : Jagged
        ``pt eta phi mass``, one "event" a jet whose axis (anti-kT, R = 0.4) is at phi = 0.
    flavour : int32 array
        PDG id, without sign, of the hardest parton in each jet; 0 for none.
    """
    low, high = settings.pt_hat
    hard = Settings.create(
        seed=settings.seed, energy=settings.energy, pt_hat_min=low, pt_hat_max=high, bias_power=4.5
    )  # fmt: skip
    events = generate_hard(hard, n_events, index)
    seen = (events.particles["charge"] != 0) & (events.particles["pt"] > _THRESHOLD)
    particles = events.particles.select(np.asarray(seen))
    jets = cluster(particles, 0.4, 8.0, with_area=False).table
    flavours = np.abs(parton_flavour(jets, events.partons))
    chosen = np.flatnonzero(jets.counts > 0)
    leading = jets.offsets[chosen]
    particles = particles.take(chosen)
    d_eta = particles["eta"] - jets["eta"][leading][particles.event]
    d_phi = delta_phis(particles["phi"], jets["phi"][leading][particles.event])
    rng = simulation_generator(settings.seed, SimulationStream.THERMAL, index, 0)
    axis = rng.uniform(-_LARGEST_AXIS, _LARGEST_AXIS, len(chosen))
    eta = d_eta + axis[particles.event]
    columns = {"pt": particles["pt"], "eta": eta, "phi": d_phi, "mass": particles["mass"]}
    near = (np.hypot(d_eta, d_phi) < _NEAR) & (np.abs(eta) < ACCEPTANCE)
    return Jagged(particles.offsets, columns).select(near), flavours[leading]


def softened(particles: Jagged, above: float = 2.0) -> Jagged:
    """Split every particle above a pT (GeV) into two of half its momentum: a jet of the same pT, changed inside."""
    twice = np.repeat(np.arange(int(particles.offsets[-1])), np.where(particles["pt"] > above, 2, 1))
    share = np.where(particles["pt"] > above, 0.5, 1.0)[twice]
    counts = np.bincount(particles.event[twice], minlength=len(particles))
    columns = {name: values[twice] for name, values in particles.columns.items()}
    return Jagged(offsets_of(counts), columns | {"pt": columns["pt"] * share})


def thermal(settings: Embedding, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Return the background particles of one event, ``pt eta phi mass`` within the acceptance."""
    mean = settings.density * 2.0 * ACCEPTANCE * max(1.0 + settings.spread * rng.normal(), 0.0)
    soft = _THRESHOLD / settings.temperature
    n = rng.poisson(mean / ((1.0 + soft) * math.exp(-soft)))
    pt = rng.gamma(2.0, settings.temperature, n)
    pt = pt[pt > _THRESHOLD]
    return {
        "pt": pt,
        "eta": rng.uniform(-ACCEPTANCE, ACCEPTANCE, len(pt)),
        "phi": rng.uniform(-np.pi, np.pi, len(pt)),
        "mass": np.full(len(pt), _PION),
    }


def embedded_events(settings: Embedding, particles: Jagged, index: int) -> Jagged:
    """Put the signals, four a time, into backgrounds.

    Parameters
    ----------
    settings : Embedding
    particles : Jagged
        Of `signals`; those that are left over when four are taken at a time are dropped.
    index : int
        Number of the batch.

    Returns
    -------
    Jagged
        ``pt eta phi mass signal``; ``signal`` is the number of the particle's signal, -1 for background. The axis of
        signal ``i`` is at phi = pi / 2 times i, modulo 2 pi.
    """
    rng = simulation_generator(settings.seed, SimulationStream.THERMAL, index, 1 + settings.softened)
    number = particles.event
    turned = {
        "pt": particles["pt"], "eta": particles["eta"], "mass": particles["mass"],
        "phi": delta_phis(particles["phi"], -0.5 * np.pi * (number % SIGNALS_AN_EVENT)), "signal": number,
    }  # fmt: skip
    counts, parts = [], []
    for event in range(len(particles) // SIGNALS_AN_EVENT):
        first, last = particles.offsets[[event * SIGNALS_AN_EVENT, (event + 1) * SIGNALS_AN_EVENT]]
        own = {name: values[first:last] for name, values in turned.items()}
        background = thermal(settings, rng)
        background["signal"] = np.full(len(background["pt"]), -1)
        parts.append({name: np.concatenate([own[name], background[name]]) for name in turned})
        counts.append(len(parts[-1]["pt"]))
    columns = {name: np.concatenate([np.zeros(0), *(part[name] for part in parts)]) for name in turned}
    return Jagged(offsets_of(np.array(counts, np.int64)), columns | {"signal": columns["signal"].astype(np.int64)})
