"""Several passes of a scatter: the same scatter turned and mirrored, never the same event twice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from training.simulate.batch import GEN_COLUMNS, GENPART_COLUMNS, PARTON_COLUMNS, Jagged, offsets_of
from training.simulate.decay import PARTICLE_COLUMNS
from training.simulate.passes import repeat
from training.simulate.record import HardEvents

N = 3


def scatters() -> HardEvents:
    rng = np.random.default_rng(3)
    counts = np.array([4, 0, 2])

    def table(schema: Iterable[str]) -> Jagged:
        total = int(counts.sum())
        columns = {name: rng.uniform(-3.0, 3.0, total).astype(np.float32) for name in schema}
        return Jagged(offsets_of(counts), columns)

    tables = (table(schema) for schema in (GEN_COLUMNS, GENPART_COLUMNS, PARTON_COLUMNS, PARTICLE_COLUMNS))
    return HardEvents(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0]), *tables)


def test_one_pass_draws_nothing_and_changes_nothing() -> None:
    rng, hard = np.random.default_rng(1), scatters()
    assert repeat(rng, hard, 1, N) is hard
    assert rng.random() == np.random.default_rng(1).random()


def test_passes_are_rotations_and_reflections() -> None:
    hard = scatters()
    made = repeat(np.random.default_rng(1), hard, 4, 11)  # the last scatter has three passes only
    scatter = np.arange(11) // 4
    np.testing.assert_array_equal(made.weight, hard.weight[scatter])
    np.testing.assert_array_equal(made.pthat, hard.pthat[scatter])
    angles, mirrors = set(), set()
    for name in ("gen", "genpart", "partons", "particles"):
        table, source = getattr(made, name), getattr(hard, name).take(scatter)
        assert table["pt"].tolist() == source["pt"].tolist()
        assert np.all(np.abs(table["phi"]) <= np.float32(np.pi))
        for event in range(11):
            rows = slice(*table.offsets[event : event + 2])
            if rows.start == rows.stop:
                continue
            turn = np.mod(table["phi"][rows].astype(float) - source["phi"][rows], 2 * np.pi)
            np.testing.assert_allclose(np.exp(1j * turn), np.exp(1j * turn[0]), atol=2e-6)
            flip = table["eta"][rows] / source["eta"][rows]
            assert np.all(flip == flip[0])
            if event % 4 == 0:
                assert flip[0] == 1.0
                np.testing.assert_allclose(np.cos(turn), 1.0, atol=1e-6)
            angles.add(round(float(turn[0]), 3))
            mirrors.add(float(flip[0]))
            if name == "particles":
                # The vertex turns with the momentum: their angle, and all lengths, stay.
                before = source["vx"][rows] + 1j * source["vy"][rows].astype(float)
                after = table["vx"][rows] + 1j * table["vy"][rows].astype(float)
                np.testing.assert_allclose(after, before * np.exp(1j * turn), rtol=1e-5, atol=1e-6)
                np.testing.assert_array_equal(table["vz"][rows], source["vz"][rows] * flip)
    assert mirrors == {1.0, -1.0}
    assert len(angles) >= 6
