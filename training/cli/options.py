"""The options that several commands share: where their work runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from coffea_mljec.errors import InputError

if TYPE_CHECKING:
    from coffea_mljec.workers import ClusterExecutor

__all__ = ["Scheduler", "Workers", "named", "workplace"]

Workers = Annotated[int, typer.Option("--workers", "-j", help="Processes of this machine.")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A dask cluster that is running, in place of processes of this machine; its workers see the same folders.",
    ),
]


def named(texts: list[str] | None, what: str, remedy: str) -> dict[str, str]:
    """Return name -> value of ``name=value`` texts, for an option or argument that is called `what`."""
    found = {}
    for text in texts or []:
        name, _, value = text.partition("=")
        if not name or not value:
            raise InputError(f"{what} {text!r}: give {remedy}")
        found[name] = value
    return found


@contextmanager
def workplace(workers: int, scheduler: str | None) -> Iterator[int | ClusterExecutor]:
    """Where the work runs, as `coffea_mljec.workers.pool.in_order` takes it.

    Raises
    ------
    InputError
        If both are given, or distributed is not installed.
    WorkerError
        If no scheduler answers.
    """
    if scheduler is None:
        yield workers
        return
    if workers != 1:
        raise InputError(
            f"--workers {workers} are processes of this machine, and --scheduler names a cluster that has its own: "
            "leave one of them out."
        )
    from coffea_mljec.workers import ExecutorKind, executor

    with executor(ExecutorKind.dask, scheduler=scheduler) as cluster:
        yield cluster
