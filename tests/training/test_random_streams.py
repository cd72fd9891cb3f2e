"""Named random streams: their integers are part of every training's result."""

from __future__ import annotations

import numpy as np

from training.random_streams import (
    PassStream,
    RunStream,
    SimulationStream,
    acceptance_generator,
    pass_seed,
    pythia_seed,
    run_generator,
    search_seed,
    simulation_generator,
)


def test_the_integers_stay() -> None:
    assert {stream.name: int(stream) for stream in RunStream} == {
        "STANDARDISATION": 2, "VALIDATION": 3, "TRAINING": 4, "SETTLING": 5,
    }  # fmt: skip
    assert {stream.name: int(stream) for stream in PassStream} == {"ORDER": 1, "SYMMETRY": 2, "DIJETS": 3}
    assert {stream.name: int(stream) for stream in SimulationStream} == {
        "HARD_SCATTERS": 1, "STRANGE_DECAYS": 2, "MINIMUM_BIAS": 3, "MINIMUM_BIAS_DECAYS": 4, "DETECTOR": 5,
        "THERMAL": 6,
    }  # fmt: skip


def test_a_stream_is_that_of_its_integers() -> None:
    for stream in RunStream:
        assert run_generator(7, stream).random() == np.random.default_rng((7, int(stream))).random()
    for stream in PassStream:
        seed = pass_seed(7, 5, stream)
        assert np.random.default_rng(seed).random() == np.random.default_rng((7, 5, int(stream))).random()
    assert acceptance_generator(7, 5).random() == np.random.default_rng((7, 5)).random()
    assert search_seed(7, 3) == 10
    for simulated in SimulationStream:
        drawn = simulation_generator(7, simulated, 5).random()
        assert drawn == np.random.default_rng([7, int(simulated), 5]).random()
    drawn = simulation_generator(7, SimulationStream.MINIMUM_BIAS_DECAYS).random()
    assert drawn == np.random.default_rng([7, 4]).random()


def test_seeds_of_pythia_differ_and_are_possible() -> None:
    seeds = {pythia_seed(a, stream, c) for a in range(16) for stream in SimulationStream for c in range(20)}
    assert len(seeds) == 1920
    assert 1 <= min(seeds) <= max(seeds) <= 900_000_000
    # The integers that every sample so far was made with.
    assert pythia_seed(3, SimulationStream.HARD_SCATTERS, 0) == 267342473
    assert pythia_seed(7, SimulationStream.MINIMUM_BIAS) == 424077662
