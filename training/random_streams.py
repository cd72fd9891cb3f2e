"""Random numbers by name: what is drawn from which stream of the seed of a training or of a simulated sample.

Every draw has a generator of its own, spawned by `numpy.random.SeedSequence` from the seed, the stream, and the number
of the pass, epoch or batch where there is one. So a resumed training draws what an uninterrupted one draws, and one
setting changes no other draw. The integers are part of every result: a new stream gets a new integer.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

__all__ = [
    "PassStream",
    "RunStream",
    "SimulationStream",
    "acceptance_generator",
    "pass_seed",
    "pythia_seed",
    "run_generator",
    "search_seed",
    "simulation_generator",
    "study_generator",
]


class RunStream(IntEnum):
    """What is drawn once in a training."""

    STANDARDISATION = 2
    """Jets from which shift and scale of the inputs are fitted."""

    VALIDATION = 3
    """Jets of a split that the validation loss is taken from."""

    TRAINING = 4
    """Jets of the training split that are used."""

    SETTLING = 5
    """Jets from which batch norms of a network that was read from a graph get their statistics."""


class PassStream(IntEnum):
    """What is drawn anew in every pass over the jets, or every epoch."""

    ORDER = 1
    """The order of the jets of a pass."""

    SYMMETRY = 2
    """Angles and sides by which the jets of an epoch are turned and mirrored."""

    DIJETS = 3
    """The order of the data's dijets, and how they are turned and mirrored."""


class SimulationStream(IntEnum):
    """What is drawn in a simulated sample: anew in every batch, or once for its pileup."""

    HARD_SCATTERS = 1
    """Pythia's hard scatters of a batch."""

    STRANGE_DECAYS = 2
    """Decays of K_S and Lambda of a batch."""

    MINIMUM_BIAS = 3
    """Pythia's minimum-bias interactions."""

    MINIMUM_BIAS_DECAYS = 4
    """Decays of K_S and Lambda of minimum-bias interactions."""

    DETECTOR = 5
    """Passes, pileup, vertices and the detector's response of a batch."""

    THERMAL = 6
    """Background particles of `training.applications.embedding`, and where its jets are put."""


def run_generator(seed: int, stream: RunStream) -> np.random.Generator:
    """Return the generator of a stream that is drawn once."""
    return np.random.default_rng((seed, stream))


def pass_seed(seed: int, number: int, stream: PassStream) -> tuple[int, int, int]:
    """Return the seed of a stream in the pass or epoch ``number``, for `numpy.random.default_rng`."""
    return seed, number, stream


def acceptance_generator(seed: int, number: int) -> np.random.Generator:
    """Return the generator that accepts jets in the pass ``number``.

    It has no stream of its own. In passes 2 to 5 it begins with the numbers of the `RunStream` of the same integer:
    those choose jets before the training, these thin them out in an epoch, by other means.
    """
    return np.random.default_rng((seed, number))


def search_seed(seed: int, trials: int) -> int:
    """Return the seed of a search that has so many trials: a continued one must not draw what it drew before."""
    return seed + trials


def study_generator(points: int) -> np.random.Generator:
    """Return the generator of the noise that is added to so many points of a fit: a figure is the same every time."""
    return np.random.default_rng(points)


def simulation_generator(seed: int, stream: SimulationStream, *batch: int) -> np.random.Generator:
    """Return the generator of a stream of a simulated sample, of one batch where it is drawn by batch."""
    return np.random.default_rng((seed, stream, *batch))


def pythia_seed(seed: int, stream: SimulationStream, *batch: int) -> int:
    """Return the seed of a stream that Pythia draws from, in 1 to 900,000,000, which it can take."""
    state = int(np.random.SeedSequence((seed, stream, *batch)).generate_state(1, np.uint64)[0])
    return 1 + state % 900_000_000
