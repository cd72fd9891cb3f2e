"""A production: a folder of shards with a manifest; made by any number of processes, interrupted and resumed at will.

Each shard is simulated from the plan and its own number alone, written under a temporary name and renamed.
``manifest.json`` is rewritten after each; it holds the plan, the detector's constants, the versions, and the digest of
every shard.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Payload, read_text
from training.simulate.nanoaod import correct_jets, read, write
from training.simulate.pileup import PileupPool
from training.simulate.plan import Plan, Shard
from training.simulate.reconstruct import Simulator
from training.simulate.tables import assemble

__all__ = ["calibrate", "correction_files", "file_digest", "produce", "read_manifest", "simulate_shard"]

MANIFEST = "manifest.json"
_FORMAT = 1
_PACKAGES = ("coffea-mljec", "awkward", "fastjet", "numba", "numpy", "pythia8mc", "uproot")


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def correction_files(folder: Path) -> list[Path]:
    """Return the text files of the one correction in a folder.

    Raises
    ------
    InputError
        If there is none.
    """
    files = sorted(folder.glob("*.jec.txt"))
    if not files:
        raise InputError(f"no *.jec.txt in {folder}: give the folder that 'python -m training derive' wrote")
    return files


@cache
def _pool(path: Path, seed: int) -> PileupPool:
    return PileupPool.load_or_build(path, seed)


@cache
def _payload(files: tuple[Path, ...]) -> Payload:
    return read_text(files)


def simulate_shard(plan: Plan, shard: Shard, folder: Path, jec: tuple[Path, ...] = ()) -> dict[str, Any]:
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


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a production, None where there is none.

    Raises
    ------
    InputError
        If it cannot be read or has another format.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}, expected {_FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no manifest of a production ({error}): produce into another folder") from None
    return dict(content)


def _write_manifest(folder: Path, content: dict[str, Any]) -> None:
    temporary = folder / f".{MANIFEST}.part"
    try:
        temporary.write_text(json.dumps(content, indent=1))
        temporary.replace(folder / MANIFEST)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(
            f"{folder / MANIFEST} could not be written: {error}; free some space, then go on with --resume"
        ) from None


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _started(folder: Path, plan: Plan, resume: bool) -> dict[str, Any]:
    """Return the manifest to go on from, after checking that the folder is free or holds this very production."""
    manifest = read_manifest(folder)
    if manifest is None:
        strays = sorted(path.name for path in folder.glob("*.root"))
        if strays:
            raise InputError(
                f"{folder} holds {len(strays)} ROOT files ({strays[0]} ...) and no {MANIFEST}: choose an empty folder"
            )
        return {"format": _FORMAT, "identity": plan.identity(), "versions": _versions(), "shards": {}}
    if not resume:
        raise InputError(f"{folder} holds a production already: add --resume to go on with it, or name another folder")
    wanted = json.loads(json.dumps(plan.identity()))
    different = sorted(name for name in wanted if manifest["identity"].get(name) != wanted[name])
    if different:
        name = different[0]
        raise InputError(
            f"{folder} holds another production: {', '.join(different)} differ ({name} there "
            f"{manifest['identity'].get(name)!r}, here {wanted[name]!r}): use the same arguments or another folder"
        )
    return manifest


def _is_done(folder: Path, shard: Shard, manifest: dict[str, Any]) -> bool:
    line = manifest["shards"].get(shard.name)
    path = folder / shard.name
    return (
        line is not None and line["events"] == shard.events and path.is_file() and file_digest(path) == line["sha256"]
    )


class _RateColumn(ProgressColumn):
    """Events a second."""

    def render(self, task: Task) -> Text:
        """Return the cell."""
        return Text(f"{task.speed or 0.0:.1f} events/s", style="progress.data.speed")


def _ignore_interrupts(variables: dict[str, str]) -> None:
    # Ctrl-C goes to the whole group of processes: only the parent acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(variables)


def _results(
    plan: Plan, shards: Sequence[Shard], folder: Path, jec: tuple[Path, ...], workers: int
) -> Iterator[tuple[Shard, dict[str, Any]]]:
    """Yield shards as they are done."""
    if workers == 1:
        for shard in shards:
            yield shard, simulate_shard(plan, shard, folder, jec)
        return
    executor = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_ignore_interrupts, initargs=({"OMP_NUM_THREADS": "1"},)
    )
    waiting = iter(shards)
    running: dict[Future[dict[str, Any]], Shard] = {}
    try:
        while True:
            # One shard waits beside those under way, so that no worker idles and little is lost when this ends.
            for shard in islice(waiting, workers + 1 - len(running)):
                running[executor.submit(simulate_shard, plan, shard, folder, jec)] = shard
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def produce(
    folder: Path,
    plan: Plan,
    workers: int = 1,
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
    workers : int
        Processes; 1 works in this one. The shards' content does not depend on it.
    resume : bool
        Go on in a folder that holds a part of this production. Shards that are missing or do not match their digest
        are made again.
    jec : sequence of Path
        Text files of the standard correction for the AK4 jets; their digests must be the plan's ``correction``.
    console : rich Console, optional
        Where progress is shown.
    deadline : callable, optional
        Asked after each shard; once it says True, the production stops as if interrupted.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    InputError
        For a folder that holds something else, or impossible arguments. KeyboardInterrupt passes through; the folder
        can then be resumed.
    """
    if workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")
    files = tuple(Path(path).resolve() for path in jec)
    if {path.name: file_digest(path) for path in files} != plan.correction:
        raise InputError("the correction's files are not those of the plan: give the files that the plan was made with")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error}") from None
    manifest = _started(folder, plan, resume)
    manifest["events"] = plan.events
    _write_manifest(folder, manifest)
    console = console or Console(stderr=True)
    settings = plan.settings_of(next(iter(plan.shares)))
    path = _pool_path(folder, plan.seed)
    if not path.exists():
        with console.status(f"building the pileup pool, {plan.pool_events} interactions"):
            PileupPool.load_or_build(
                path, plan.seed, n_events=plan.pool_events, energy=settings.energy, tune=settings.tune
            )
    shards = plan.shards()
    missing = [shard for shard in shards if not _is_done(folder, shard, manifest)]
    if resume:
        console.print(f"{len(shards) - len(missing)} of {len(shards)} shards are there; {len(missing)} to make")
    columns = (
        TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TextColumn("events"), _RateColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, speed_estimate_period=300) as progress:
        task = progress.add_task("simulating", total=sum(shard.events for shard in missing))
        results = _results(plan, missing, folder, files, workers)
        try:
            for shard, line in results:
                manifest["shards"][shard.name] = line
                _write_manifest(folder, manifest)
                progress.advance(task, shard.events)
                if deadline is not None and deadline():
                    break
        finally:
            # Closing the generator waits for the shards under way, which are then whole but not in the manifest.
            results.close()  # type: ignore[attr-defined]
    return manifest


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
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"{folder} has no {MANIFEST}: give the folder of a production")
    files = correction_files(jec)
    payload = read_text(files)
    manifest["identity"]["correction"] = {path.name: file_digest(path) for path in files}
    for name in sorted(manifest["shards"]):
        path = folder / name
        write(path, correct_jets(read(path), payload), manifest["identity"]["compression"])
        manifest["shards"][name]["sha256"] = file_digest(path)
        _write_manifest(folder, manifest)
    return len(manifest["shards"])
