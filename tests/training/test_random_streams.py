"""Named random streams: their integers are part of every training's result."""

from __future__ import annotations

import numpy as np

from training.random_streams import (
    PassStream,
    RunStream,
    acceptance_generator,
    pass_seed,
    run_generator,
    search_seed,
)


def test_the_integers_stay() -> None:
    assert {stream.name: int(stream) for stream in RunStream} == {"STANDARDISATION": 2, "VALIDATION": 3, "TRAINING": 4}
    assert {stream.name: int(stream) for stream in PassStream} == {"ORDER": 1, "SYMMETRY": 2}


def test_a_stream_is_that_of_its_integers() -> None:
    for stream in RunStream:
        assert run_generator(7, stream).random() == np.random.default_rng((7, int(stream))).random()
    for stream in PassStream:
        seed = pass_seed(7, 5, stream)
        assert np.random.default_rng(seed).random() == np.random.default_rng((7, 5, int(stream))).random()
    assert acceptance_generator(7, 5).random() == np.random.default_rng((7, 5)).random()
    assert search_seed(7, 3) == 10
