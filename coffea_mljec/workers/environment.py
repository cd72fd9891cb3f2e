"""What workers have installed, against what this process has."""

from __future__ import annotations

import os
import sys
import warnings
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from coffea_mljec import defaults
from coffea_mljec.errors import WorkerError
from coffea_mljec.workers.guard import PACKAGE
from coffea_mljec.workers.watch import states_of, within, words_of

__all__ = ["WorkerVersionWarning", "address_of", "check_workers", "packages"]

_PACKAGES = ("coffea", "awkward", "uproot", "numpy", "numba", "onnxruntime", "correctionlib")


class WorkerVersionWarning(UserWarning):
    """A worker has another version of a package than the process that sends the work."""


def packages() -> dict[str, str]:
    """Name -> version of what a correction's numbers depend on, in this process; "" for what cannot be imported."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in (PACKAGE, *_PACKAGES):
        try:
            found[name] = "" if sys.modules.get(name, name) is None else version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def check_workers(client: Any, wait: float | None = None) -> None:
    """Compare the packages of all workers with those of this process.

    Parameters
    ----------
    client : distributed.Client
    wait : float, optional
        Seconds to wait for a first worker, and for the answers of all; `coffea_mljec.defaults.WORKER_PATIENCE` by
        default.

    Raises
    ------
    WorkerError
        If there are no workers, one does not answer, lacks a package or has another coffea-mljec; the message names it.

    Warns
    -----
    WorkerVersionWarning
        For other versions of other packages: numbers may differ in their last digits.
    """
    wait = defaults.WORKER_PATIENCE if wait is None else wait
    try:
        client.wait_for_workers(1, timeout=wait)
    except (TimeoutError, OSError):
        raise WorkerError(
            f"the cluster at {address_of(client)} has no workers that work after {wait:g} s: "
            f"{words_of(client, wait) or 'none has come'}. Scale it (cluster.scale(2)), or look at the queue of the "
            "batch system."
        ) from None
    here = packages()
    others: set[str] = set()
    wrong: list[str] = []
    for worker, found in sorted(_answers(client, wait).items()):
        if isinstance(found, OSError):
            continue  # it went away meanwhile
        if isinstance(found, BaseException):
            wrong.append(f"worker {worker} cannot load {PACKAGE} ({type(found).__name__}: {found})")
            continue
        lacking = [name for name, number in here.items() if number and not found.get(name)]
        if lacking:
            wrong.append(f"worker {worker} has no {', '.join(lacking)}")
        elif found[PACKAGE] != here[PACKAGE]:
            wrong.append(f"worker {worker} has {PACKAGE} {found[PACKAGE]}, this process {here[PACKAGE]}")
        for name, number in here.items():
            if found.get(name, "") not in ("", number):
                others.add(f"{name} {found[name]} on {worker} ({number} here)")
    if wrong:
        raise WorkerError(
            "; ".join(wrong) + ". Give workers the environment of this process: the same container or conda "
            "environment, or client.register_plugin(distributed.PipInstall([...]))."
        )
    if others:
        warnings.warn(
            f"workers have other versions: {', '.join(sorted(others))}. Numbers may differ in their last digits.",
            WorkerVersionWarning,
            stacklevel=2,
        )


def _answers(client: Any, wait: float) -> dict[str, Any]:
    """What each worker says of its packages."""
    before = states_of(client, wait)
    try:
        found: dict[str, Any] = within(wait, partial(client.run, packages, on_error="return"))
    except TimeoutError:
        raise WorkerError(
            f"not all workers at {address_of(client)} answer after {wait:g} s: {words_of(client, wait, before)}. Take "
            "such a worker away (client.retire_workers, or end its job) and run again."
        ) from None
    return found


def address_of(client: Any) -> str:
    """The address of the client's scheduler, as long as it has one."""
    scheduler = getattr(client, "scheduler", None)
    return os.fspath(scheduler.address) if scheduler is not None else "unknown address"
