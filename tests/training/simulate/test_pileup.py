"""The pileup pool, without Pythia: draws, turns, vetoes, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from training.simulate.batch import Jagged, offsets_of
from training.simulate.pileup import PileupPool, draw_interactions, draw_means, merge


def pool(n: int = 50) -> PileupPool:
    rng = np.random.default_rng(6)
    counts = rng.integers(0, 6, n)
    total = int(counts.sum())
    columns = {name: rng.uniform(-1, 1, total).astype(np.float32) for name in ("eta", "phi", "mass", "vx", "vy", "vz")}
    # pT tells the interaction, to recognise it when drawn.
    columns["pt"] = np.repeat(np.arange(n), counts).astype(np.float32)
    columns |= {name: np.ones(total, np.int8) for name in ("kind", "charge")}
    columns["group"] = np.full(total, 3, np.int32)
    return PileupPool(Jagged(offsets_of(counts), columns), np.arange(n, dtype=np.float64), 6)


def test_means_cover_the_range() -> None:
    rng = np.random.default_rng(0)
    means = draw_means(rng, (10.0, 70.0), 20_000)
    assert means.min() >= 10.0
    assert means.max() > 55.0
    assert 25.0 < means.mean() < 30.0
    assert set(draw_means(rng, 25.0, 3)) == {25.0}


def test_nothing_harder_than_the_hard_scatter() -> None:
    counts = np.array([400, 0, 400])
    hardness = np.array([7.5, 100.0, 30.0])
    drawn, z = draw_interactions(np.random.default_rng(1), pool(), hardness, counts, 3.5)
    assert len(drawn) == len(z) == 800
    assert z.std() == pytest.approx(3.5, rel=0.1)
    first, last = drawn.slice(0, 400)["pt"], drawn.slice(400, 800)["pt"]
    assert first.max() <= 7.0
    assert 20.0 < last.max() <= 30.0
    # Softer than everything in the pool: the softest is taken, never none.
    soft, _ = draw_interactions(np.random.default_rng(1), pool(), np.array([-1.0]), np.array([5]), 3.5)
    assert (soft["pt"] == 0.0).all()


def test_turns_keep_shapes_and_leave_the_pool_alone() -> None:
    whole = pool()
    before = {name: column.copy() for name, column in whole.particles.columns.items()}
    drawn, z = draw_interactions(np.random.default_rng(2), whole, np.array([100.0]), np.array([300]), 4.0)
    for name, column in whole.particles.columns.items():
        assert np.array_equal(column, before[name]), name
    assert np.abs(drawn["phi"]).max() <= np.float32(np.pi) + 1e-6
    interactions = np.repeat(z, drawn.counts)
    origin = drawn["pt"].astype(int)
    for i in range(0, len(drawn["pt"]), 37):
        start = whole.particles.offsets[origin[i]]
        stop = whole.particles.offsets[origin[i] + 1]
        assert np.isclose(np.abs(before["eta"][start:stop]), abs(drawn["eta"][i])).any()
        radii = np.hypot(before["vx"][start:stop], before["vy"][start:stop])
        assert np.isclose(radii, np.hypot(drawn["vx"][i], drawn["vy"][i]), atol=1e-5).any()
        assert np.isclose(np.abs(before["vz"][start:stop]), abs(drawn["vz"][i] - interactions[i]), atol=1e-5).any()
    assert (drawn["group"] == -1).all()


def test_merge_puts_the_hard_scatter_first() -> None:
    hard = pool(3).particles
    counts = np.array([2, 0, 1])
    drawn, _ = draw_interactions(np.random.default_rng(3), pool(), np.full(3, 50.0), counts, 4.0)
    whole, interaction = merge(hard, drawn, counts)
    per_event = [drawn.counts[:2].sum(), 0, drawn.counts[2]]
    assert whole.counts.tolist() == (hard.counts + per_event).tolist()
    for event in range(3):
        rows = slice(whole.offsets[event], whole.offsets[event + 1])
        n_hard = int(hard.counts[event])
        assert (interaction[rows][:n_hard] == 0).all()
        assert whole["eta"][rows][:n_hard].tolist() == hard.slice(event, event + 1)["eta"].tolist()
    first = interaction[: whole.offsets[1]][int(hard.counts[0]) :]
    assert first.tolist() == np.repeat([1, 2], drawn.counts[:2]).tolist()
    assert whole["eta"][: whole.offsets[1]][int(hard.counts[0]) :].tolist() == drawn.slice(0, 2)["eta"].tolist()


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "pool.npz"
    pool().save(path)
    again = PileupPool.load_or_build(path, 6)
    assert again.particles["eta"].tolist() == pool().particles["eta"].tolist()
    assert [file.name for file in tmp_path.iterdir()] == ["pool.npz"]
    with pytest.raises(InputError, match="holds the pileup pool of seed 6, not 7: name another file"):
        PileupPool.load_or_build(path, 7)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"is no pileup pool .*: delete it, and it is built again"):
        PileupPool.load(path)
    with pytest.raises(InputError, match="cannot write"):
        pool().save(tmp_path / "absent" / "pool.npz")
    with pytest.raises(InputError, match="at least one interaction, got 0"):
        PileupPool.build(1, 0)
