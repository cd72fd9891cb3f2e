"""Cases in child processes, each within its time: one that hangs, or kills its process, has an outcome like others."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tests.fuzz.case import Case, Outcome
from tests.fuzz.targets import targets

MEMORY = 2_500_000_000
"""Bytes that a case may ask for beyond what its process has: what wants more gets a MemoryError."""
WARM = 300.0
"""Seconds that the first case of a process may take beyond its limit: kernels compile."""


def quiet() -> None:
    """What every process of the fuzzer does first."""
    import signal
    import warnings

    import pyarrow

    from coffea_mljec.nano import quiet_coffea

    # Each thread of its pools takes address space, which `MEMORY` bounds, and none of them can raise a MemoryError.
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    warnings.simplefilter("ignore")
    quiet_coffea()
    # A limit on the size of files is an error of writing, not the end of the process.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@contextmanager
def _bounded_memory() -> Iterator[None]:
    import resource

    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def judged(case: Case) -> Outcome:
    """Run a case here."""
    import warnings

    with warnings.catch_warnings(), _bounded_memory():
        warnings.simplefilter("ignore")
        return targets()[case.target].judge(case)


def _serve(connection: Connection) -> None:
    targets()
    quiet()
    while True:
        text = connection.recv()
        if text is None:
            return
        try:
            connection.send(("done", judged(Case.parse(text))))
        except BaseException as error:
            import traceback

            connection.send(("mistake", f"{text}\n{''.join(traceback.format_exception(error))}"))


@dataclass
class _Child:
    process: Any
    connection: Connection
    case: tuple[Any, Case] | None = None
    until: float = 0.0
    warm: bool = False


class Runner:
    """A few child processes; use it as a context.

    Parameters
    ----------
    jobs : int
    bounds : path, optional
        Have numba check that no kernel leaves its arrays, and keep what it compiles for that in this folder.
    """

    def __init__(self, jobs: int, bounds: Path | None = None) -> None:
        self.jobs = jobs
        self.warm = WARM if bounds is None else 10 * WARM
        self._environment = {}
        if bounds is not None:
            self._environment = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(bounds.absolute())}
        self._children: list[_Child] = []
        self._context = multiprocessing.get_context("spawn")

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: Any) -> None:
        for child in self._children:
            child.process.kill()
            child.process.join()

    def _child(self) -> _Child:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=False)
        before = dict(os.environ)
        os.environ.update(self._environment)
        try:
            process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()
        return _Child(process, ours)

    def run(self, cases: Iterable[tuple[Any, Case]]) -> Iterator[tuple[Any, Case, Outcome]]:
        """Yield name, case and outcome, as they end."""
        waiting = iter(cases)
        while len(self._children) < self.jobs:
            self._children.append(self._child())
        more = True
        while True:
            for child in self._children:
                if child.case is None and more:
                    try:
                        child.case = next(waiting)
                    except StopIteration:
                        more = False
                        break
                    self._send(child)
            busy = [child for child in self._children if child.case is not None]
            if not busy:
                return
            wait([child.connection for child in busy], timeout=max(0.0, min(c.until for c in busy) - time.monotonic()))
            for child in busy:
                if (outcome := self._outcome(child)) is not None:
                    assert child.case is not None
                    name, case = child.case
                    child.case = None
                    yield name, case, outcome

    def _send(self, child: _Child) -> None:
        assert child.case is not None
        case = child.case[1]
        child.until = time.monotonic() + targets()[case.target].limit + (0 if child.warm else self.warm)
        child.connection.send(case.text())

    def _outcome(self, child: _Child) -> Outcome | None:
        """What came of a child's case; None while it runs. A child that is lost is replaced."""
        try:
            if child.connection.poll():
                kind, content = child.connection.recv()
                if kind == "mistake":
                    raise RuntimeError(f"the fuzzer itself failed on {content}")
                child.warm = True
                return content
        except (EOFError, ConnectionResetError):
            child.process.join()
            self._replace(child)
            return Outcome("foreign", "the process died", "process died")
        if time.monotonic() < child.until:
            return None
        child.process.kill()
        child.process.join()
        self._replace(child)
        return Outcome("hang", "no end within its time", "hang")

    def _replace(self, child: _Child) -> None:
        child.connection.close()
        new = self._child()
        child.process, child.connection, child.warm = new.process, new.connection, False


def signature(case: Case, outcome: Outcome) -> str:
    """What tells causes apart: what was broken for wrong numbers and hangs, where it arose for exceptions."""
    target = targets()[case.target]
    signs = " + ".join(sorted({target.sign(mutation) for mutation in case.mutations}))
    return f"{outcome.kind} | {case.target} | {outcome.where or signs}"


def shrink(case: Case, outcome: Outcome, runner: Runner, tries: int = 24) -> tuple[Case, Outcome]:
    """Leave out what the failure does not need: mutation by mutation, as long as the same kind of failure stays.

    A case has few mutations, so that leaving out one after another is what delta debugging comes to.
    """
    best, known = case, outcome
    number = 0
    while number < len(best.mutations) and tries > 0:
        fewer = best.with_mutations(m for place, m in enumerate(best.mutations) if place != number)
        tries -= 1
        (_, _, now) = next(iter(runner.run([(None, fewer)])))
        if now.kind == known.kind and now.where == known.where:
            best, known = fewer, now
        else:
            number += 1
    return best, known
