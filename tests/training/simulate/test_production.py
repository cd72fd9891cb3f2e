"""A production: any number of workers, interrupted and resumed, damaged and repaired."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.support.digest import file_digest
from tests.training.simulate.fakes import random_batch
from training.simulate import production
from training.simulate.batch import RecoBatch
from training.simulate.manifest import read_manifest
from training.simulate.nanoaod import read
from training.simulate.pileup import PileupPool
from training.simulate.plan import MIX, Plan, Shard
from training.simulate.production import calibrate, correction_files, produce, simulate_shard

QUIET = Console(quiet=True)


class FakeSimulator:
    """Random batches that depend on seed and number only, as the real one's do."""

    made: list[int] = []  # noqa: RUF012

    def __init__(self, settings: Any, pool: Any) -> None:
        self.settings = settings

    def batch(self, n_events: int, index: int) -> RecoBatch:
        self.made.append(index)
        return random_batch(1000 * self.settings.seed + index, n_events)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    def no_pool(path: Path, seed: int, **options: Any) -> None:
        path.touch()

    monkeypatch.setattr(production, "Simulator", FakeSimulator)
    monkeypatch.setattr(PileupPool, "load_or_build", no_pool)
    monkeypatch.setattr(production, "_pool", lambda path, seed: None)
    FakeSimulator.made = []
    return FakeSimulator.made


def plan(**changes: Any) -> Plan:
    return Plan.create(**({"seed": 4, "events": 25, "shard_events": 5, "selection": {"ak8": False}} | changes))


def content(folder: Path) -> dict[str, Any]:
    return {path.name: read(path) for path in sorted(folder.glob("*.root"))}


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return list(first) == list(second) and all(
        all(np.array_equal(a.scalars[n], b.scalars[n]) for n in a.scalars)
        and all(np.array_equal(a.tables[t][c], b.tables[t][c]) for t in a.tables for c in a.tables[t].columns)
        for a, b in zip(first.values(), second.values(), strict=True)
    )


def test_shards_alternate_so_that_any_prefix_has_the_mix() -> None:
    shards = plan(events=5000).shards()
    for n in range(5, 200):
        for process, share in MIX.items():
            assert abs(sum(s.process == process for s in shards[:n]) - share * n) <= 1.0
    assert len({shard.name for shard in shards}) == 1000
    assert [s.first_event for s in shards[:3]] == [0, 5, 10]
    assert [s.events for s in plan(events=12).shards()] == [5, 5, 2]


def test_events_are_unique_over_the_production(fake: list[int], tmp_path: Path) -> None:
    manifest = produce(tmp_path, plan(), console=QUIET)
    numbers = np.concatenate([events.scalars["event"] for events in content(tmp_path).values()])
    assert len(set(numbers.tolist())) == 25
    assert sum(line["events"] for line in manifest["shards"].values()) == 25
    assert set(manifest) == {"format", "identity", "versions", "shards", "events"}
    assert manifest["versions"]["pythia8mc"]
    assert manifest["identity"]["detector"]["radius"] == 129.0
    assert manifest["identity"]["settings"]["qcd-b"]["seed"] == 4
    assert "hadron_resolution_scale" not in manifest["identity"]["settings"]["qcd-b"]
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".part") == []


def test_interrupted_and_resumed_equals_uninterrupted(
    fake: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    produce(tmp_path / "whole", plan(), console=QUIET)
    original = FakeSimulator.batch

    def interrupted(self: FakeSimulator, n_events: int, index: int) -> RecoBatch:
        if index == 2:
            raise KeyboardInterrupt
        return original(self, n_events, index)

    monkeypatch.setattr(FakeSimulator, "batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        produce(tmp_path / "part", plan(), console=QUIET)
    assert len(content(tmp_path / "part")) == 2
    monkeypatch.setattr(FakeSimulator, "batch", original)
    fake.clear()
    produce(tmp_path / "part", plan(), resume=True, console=QUIET)
    assert fake == [2, 3, 4]
    assert same(content(tmp_path / "whole"), content(tmp_path / "part"))


def test_damaged_and_missing_shards_are_made_again(fake: list[int], tmp_path: Path) -> None:
    produce(tmp_path, plan(), console=QUIET)
    before = content(tmp_path)
    names = sorted(before)
    (tmp_path / names[1]).unlink()
    damaged = tmp_path / names[3]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    fake.clear()
    produce(tmp_path, plan(), resume=True, console=QUIET)
    assert fake == [1, 3]
    assert same(before, content(tmp_path))


def test_a_full_disk_loses_nothing(fake: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    produce(tmp_path / "whole", plan(), console=QUIET)
    write_text, written = Path.write_text, []

    def fills_up(self: Path, text: str, *args: Any, **options: Any) -> int:
        written.append(self.name)
        if len(written) == 4:
            write_text(self, text[:100])
            raise OSError(28, "No space left on device")
        return write_text(self, text, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", fills_up)
        with pytest.raises(InputError, match=r"cannot write .*manifest\.json: No space left.*Free some space"):
            produce(tmp_path / "full", plan(), console=QUIET)
    manifest = read_manifest(tmp_path / "full")
    assert manifest is not None
    assert len(manifest["shards"]) == 2
    assert not list((tmp_path / "full").glob(".*.part"))
    produce(tmp_path / "full", plan(), resume=True, console=QUIET)
    assert same(content(tmp_path / "full"), content(tmp_path / "whole"))


def _dies_at_the_third(shard: Shard, plan: Plan, folder: Path, jec: tuple[Path, ...]) -> dict[str, Any]:
    if shard.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"sha256": "", "process": shard.process, "events": shard.events, "jets": 0, "seconds": 0.0}


def test_a_killed_process_is_an_error_that_names_the_shard(
    fake: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(production, "simulate_shard", _dies_at_the_third)
        with pytest.raises(WorkerError, match=r"died while 0000.*\.root.* under way .*stays in the .*production"):
            produce(tmp_path, plan(), workers=2, console=QUIET)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert set(manifest["shards"]) <= {shard.name for shard in plan().shards()[:2]}
    produce(tmp_path, plan(), resume=True, console=QUIET)
    assert sorted(fake) == [0, 1, 2, 3, 4]


def test_a_production_can_grow_and_stop(fake: list[int], tmp_path: Path) -> None:
    produce(tmp_path, plan(events=12), console=QUIET, deadline=lambda: True)
    assert fake == [0]
    produce(tmp_path, plan(events=12), resume=True, console=QUIET)
    fake.clear()
    produce(tmp_path, plan(events=20), resume=True, console=QUIET)
    assert fake == [2, 3]  # the third shard had two events only


def test_what_the_folder_holds_is_checked(fake: list[int], tmp_path: Path) -> None:
    produce(tmp_path, plan(), console=QUIET)
    with pytest.raises(InputError, match="add --resume to go on with it"):
        produce(tmp_path, plan(), console=QUIET)
    with pytest.raises(InputError, match=r"holds another production: compression differ \(compression there 'zstd'"):
        produce(tmp_path, plan(compression="lzma"), resume=True, console=QUIET)
    with pytest.raises(InputError, match="seed, settings differ"):
        produce(tmp_path, plan(seed=5), resume=True, console=QUIET)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="is no manifest of a production"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"holds 5 ROOT files .* choose an empty folder"):
        produce(tmp_path, plan(), console=QUIET)
    with pytest.raises(InputError, match="workers must be 1 or more, got 0"):
        produce(tmp_path / "new", plan(), workers=0, console=QUIET)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": {"qcdd": 1.0}}, "unknown process qcdd: choose from qcd"),
        ({"shares": {}}, "unknown process"),
        ({"compression": "zip"}, "unknown compression 'zip'"),
        ({"events": 0}, "events: Input should be greater than or equal to 1"),
        ({"settings": {"pileup_mean": -3.0}}, "pileup_mean -3.0 is impossible"),
        ({"settings": {"pt_hat_min": 100.0, "pt_hat_max": 50.0}}, "exchange them"),
        ({"selection": {"raw_pt": 1}}, "impossible jet selection"),
    ],
)
def test_impossible_plans_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(**changes)


def test_a_correction_is_applied_and_replaced(fake: list[int], tmp_path: Path) -> None:
    text = "{{1 JetEta 1 JetPt [0] Correction L2Relative}}\n-5.191 5.191 3 1 6500 {}\n"
    files = {}
    for name, factor in (("one", 1.25), ("two", 1.5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Toy_V1_MC_L2Relative_AK4PFchs.jec.txt").write_text(text.format(factor))
        files[name] = correction_files(tmp_path / name)
    digests = {path.name: file_digest(path) for path in files["one"]}
    out = tmp_path / "out"
    with pytest.raises(InputError, match="not those of the plan"):
        produce(out, plan(), jec=files["one"], console=QUIET)
    produce(out, plan(correction=digests), jec=files["one"], console=QUIET)
    factors = [1 / (1 - events.tables["Jet"]["rawFactor"]) for events in content(out).values()]
    assert np.concatenate(factors) == pytest.approx(1.25, rel=1e-3)
    assert calibrate(out, tmp_path / "two") == 5
    factors = [1 / (1 - events.tables["Jet"]["rawFactor"]) for events in content(out).values()]
    assert np.concatenate(factors) == pytest.approx(1.5, rel=1e-3)
    manifest = json.loads((out / "manifest.json").read_text())
    name, line = next(iter(manifest["shards"].items()))
    assert line["sha256"] == file_digest(out / name)
    with pytest.raises(InputError, match=r"no \*\.jec\.txt in"):
        correction_files(tmp_path / "out")
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        calibrate(tmp_path / "one", tmp_path / "two")


def test_a_cluster_makes_the_same(
    tmp_path: Path, fake: list[int], cluster_here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, workers in (("one", 1), ("cluster", cluster_here)):
        made = produce(tmp_path / name, plan(), workers, console=QUIET)["shards"]
        assert list(made) == [shard.name for shard in plan().shards()]
        assert [line["sha256"] for line in made.values()] == [file_digest(tmp_path / name / shard) for shard in made]
    assert same(content(tmp_path / "one"), content(tmp_path / "cluster"))
    monkeypatch.undo()
    with pytest.raises(WorkerError, match=r"does not see .*pileup-4\.npz: the workers of a cluster write into"):
        simulate_shard(plan().shards()[0], plan(), tmp_path)


@pytest.mark.slow
def test_two_workers_make_the_same_as_one(tmp_path: Path) -> None:
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    small = Plan.create(
        seed=9, events=6, shard_events=2, pool_events=30, settings={"pileup_mean": 3.0}, selection={"ak8": True}
    )
    produce(tmp_path / "1", small, workers=1, console=QUIET)
    # The pool of pileup is the same, and a minimum-bias Pythia takes seconds to begin.
    (tmp_path / "2").mkdir()
    for pool in (tmp_path / "1").glob("pileup*"):
        shutil.copy(pool, tmp_path / "2")
    produce(tmp_path / "2", small, workers=2, console=QUIET)
    one = content(tmp_path / "1")
    assert same(one, content(tmp_path / "2"))
    assert sum(len(events.tables["Jet"]["pt"]) for events in one.values()) > 10
