"""A production: a folder of shards with a manifest; made by any number of processes, interrupted and resumed at will.

Each shard is simulated from the plan and its own number alone, and is there whole or not at all. The manifest is
rewritten after each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import Any

from rich.console import Console

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.payloads import Payload, level_files, read_text
from coffea_mljec.support.atomic import make_folder
from coffea_mljec.support.digest import file_digest
from coffea_mljec.support.progress import progress
from coffea_mljec.workers.place import here
from coffea_mljec.workers.pool import Workers, check_number, in_order
from training import defaults
from training.simulate.manifest import begin_manifest, is_done, require_manifest, write_manifest
from training.simulate.nanoaod import correct_jets, read, write
from training.simulate.pileup import PileupPool
from training.simulate.plan import Plan, Shard
from training.simulate.reconstruct import Simulator
from training.simulate.tables import assemble

__all__ = ["calibrate", "correction_files", "produce", "simulate_shard"]


def correction_files(folder: Path, algorithm: str | None = defaults.ALGORITHM) -> list[Path]:
    """Return the text files of the correction in a folder that is for the jets of an algorithm; None: the only one.

    Raises
    ------
    InputError
        If there is none.
    """
    files = level_files(folder, algorithm)
    if not files:
        raise InputError(f"no *.jec.txt in {folder}: give the folder that 'python -m training derive' wrote")
    return files


@cache
def _pool(path: Path, seed: int) -> PileupPool:
    if not path.is_file():  # whoever makes a production builds it first
        raise WorkerError(
            f"{here()} does not see {path}: the workers of a cluster write into the production's folder. Put it where "
            "all machines have it under the same name."
        )
    return PileupPool.load_or_build(path, seed)


@cache
def _payload(files: tuple[Path, ...]) -> Payload:
    return read_text(files)


def simulate_shard(shard: Shard, plan: Plan, folder: Path, jec: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Simulate and write one shard; return its line of the manifest."""
    start = time.monotonic()
    simulator = Simulator(plan.settings_of(shard.process), _pool(_pool_path(folder, plan.seed), plan.seed))
    batch = simulator.batch(shard.events, shard.number)
    events = assemble(batch, plan.jet_selection(), plan.seed, shard.first_event, shard.number + 1)
    if jec:
        events = correct_jets(events, _payload(jec))
    path = folder / shard.name
    write(path, events, plan.compression)
    return {
        "sha256": file_digest(path),
        "process": shard.process,
        "events": shard.events,
        "jets": int(events.tables["Jet"].offsets[-1]),
        "seconds": round(time.monotonic() - start, 1),
    }


def _pool_path(folder: Path, seed: int) -> Path:
    return folder / f"pileup-{seed}.npz"


def produce(
    folder: Path,
    plan: Plan,
    workers: Workers = 1,
    resume: bool = False,
    jec: Sequence[Path] = (),
    console: Console | None = None,
    deadline: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Make a production, or the part of it that is missing.

    Parameters
    ----------
    folder : Path
        Made if absent. The pileup pool is built there first, unless it is there.
    plan : Plan
    workers : int or ClusterExecutor
        Processes; 1 works in this one. The content of the shards does not depend on it.
    resume : bool
        Go on in a folder that holds a part of this production. Shards that are missing or do not match their digest
        are made again.
    jec : sequence of Path
        Text files of the standard correction for the AK4 jets; their digests must be the plan's ``correction``.
    console : rich Console, optional
        Where progress is shown.
    deadline : callable, optional
        Asked after each shard; once it says True, the production stops.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    InputError
        For a folder that holds something else, or impossible arguments.
    WorkerError
        If a process is killed. After it, as after a KeyboardInterrupt, the folder can be resumed.
    """
    check_number(workers)
    files = tuple(Path(path).resolve() for path in jec)
    if {path.name: file_digest(path) for path in files} != plan.correction:
        raise InputError("the correction's files are not those of the plan: give the files that the plan was made with")
    make_folder(folder)
    manifest = begin_manifest(folder, plan, resume)
    manifest["events"] = plan.events
    write_manifest(folder, manifest)
    console = console or Console(stderr=True)
    _build_pool(folder, plan, console)
    shards = plan.shards()
    missing = [shard for shard in shards if not is_done(folder, shard, manifest)]
    if resume:
        console.print(f"{len(shards) - len(missing)} of {len(shards)} shards are there; {len(missing)} to make")
    function = partial(simulate_shard, plan=plan, folder=folder.resolve(), jec=files)
    _simulate(function, missing, folder, manifest, workers, console, deadline)
    return manifest


def _build_pool(folder: Path, plan: Plan, console: Console) -> None:
    path = _pool_path(folder, plan.seed)
    if path.exists():
        return
    settings = plan.settings_of(next(iter(plan.shares)))
    with console.status(f"building the pileup pool, {plan.pool_events} interactions"):
        PileupPool.load_or_build(path, plan.seed, n_events=plan.pool_events, energy=settings.energy, tune=settings.tune)


def _simulate(
    function: Callable[[Shard], dict[str, Any]],
    shards: Sequence[Shard],
    folder: Path,
    manifest: dict[str, Any],
    workers: Workers,
    console: Console,
    deadline: Callable[[], bool] | None,
) -> None:
    """Make shards by ``function`` and enter each into the manifest; once the deadline says True, stop."""
    start = time.monotonic()
    done = 0
    total = sum(shard.events for shard in shards)
    # Shards under way when this ends become whole files that the manifest lacks: they are made again.
    with (
        progress("simulating", total, "events", "{rate:.1f} events/s", console=console, rate=0.0) as bar,
        closing(in_order(function, shards, workers)) as lines,
    ):
        for shard, line in zip(shards, lines, strict=True):
            manifest["shards"][shard.name] = line
            write_manifest(folder, manifest)
            done += shard.events
            bar.advance(shard.events, rate=done / (time.monotonic() - start))
            if deadline is not None and deadline():
                break


def calibrate(folder: Path, jec: Path) -> int:
    """Correct the AK4 jets of every shard of a production, and set the manifest's digests anew.

    The raw values stay as they are (``pt (1 - rawFactor)``), so calibrating again replaces the correction. Interrupted,
    it leaves shards of both kinds, each of them whole: run it again.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    InputError
        If the folder is no production.
    """
    manifest = require_manifest(folder)
    kind = manifest["identity"]["selection"].get("jets", "chs")
    files = correction_files(jec, defaults.ALGORITHMS[kind])
    payload = read_text(files)
    manifest["identity"]["correction"] = {path.name: file_digest(path) for path in files}
    for name in sorted(manifest["shards"]):
        path = folder / name
        write(path, correct_jets(read(path), payload), manifest["identity"]["compression"])
        manifest["shards"][name]["sha256"] = file_digest(path)
        write_manifest(folder, manifest)
    return len(manifest["shards"])
