"""Something on its way to workers that is sent once to each of them, instead of with every item of work."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
from coffea import processor

from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.support.digest import digest
from coffea_mljec.workers.processes import ProcessesExecutor

__all__ = ["Parcel", "packed", "parcelled", "spread"]

_OPENED: dict[str, Any] = {}
_LOCK = threading.Lock()


def packed(thing: Any, name: str) -> bytes:
    """The bytes of a processor or provider, or an error before anything is sent.

    Raises
    ------
    InputError
        If it cannot be pickled.
    """
    try:
        content: bytes = cloudpickle.dumps(thing)
    except Exception as error:  # whatever a __reduce__ raises
        raise InputError(
            f"{name} cannot be sent to workers, because it cannot be pickled ({type(error).__name__}: {error}): keep "
            "locks, open files and the like out of processors and providers, or make them on first use."
        ) from None
    return content


class Parcel:
    """Something whose pickle lies in a file of this machine.

    Parameters
    ----------
    path : str
    digest : str
        sha256 of the file.
    """

    def __init__(self, path: str, digest: str) -> None:
        self.path = path
        self.digest = digest

    def opened(self) -> Any:
        """What was packed, unpacked once a process.

        Raises
        ------
        WorkerError
            If the file is not the one that was written, or gone.
        """
        with _LOCK:
            if self.digest not in _OPENED:
                try:
                    content = Path(self.path).read_bytes()
                except OSError as error:
                    raise WorkerError(
                        f"{self.path}, which holds what the workers run, is gone ({error.strerror}): run again."
                    ) from None
                if digest(content) != self.digest:
                    raise WorkerError(f"{self.path} was changed while the run went on: run again.")
                _OPENED.clear()  # what an earlier run of this process left
                _OPENED[self.digest] = cloudpickle.loads(content)
            return _OPENED[self.digest]


class _Processor(processor.ProcessorABC):
    """Stands for the processor in a parcel."""

    def __init__(self, parcel: Parcel) -> None:
        self.parcel = parcel

    def process(self, events: Any) -> Any:
        return self.parcel.opened().process(events)

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


@contextmanager
def parcelled(content: bytes) -> Iterator[_Processor]:
    """A processor that stands for the packed one, for as long as the context lasts."""
    with _written(content) as parcel:
        yield _Processor(parcel)


@dataclass(frozen=True)
class _WithParcel:
    function: Callable[[Any, Any], Any]
    parcel: Parcel

    def __call__(self, item: Any) -> Any:
        return self.function(item, self.parcel.opened())


@dataclass(frozen=True)
class _WithHeavy:
    function: Callable[[Any, Any], Any]

    def __call__(self, item: tuple[Any, Any]) -> Any:
        return self.function(*item)


@dataclass(frozen=True)
class _WithShared:
    function: Callable[[Any, Any], Any]
    shared: Any

    def __call__(self, item: Any) -> Any:
        return self.function(item, self.shared)


def spread(executor: Any, items: Iterable[Any], function: Callable[[Any, Any], Any], shared: Any, name: str) -> Any:
    """Call ``function(item, shared)`` for every item and add up what it returns; `shared` travels once a worker.

    Parameters
    ----------
    executor : coffea executor
    items : iterable
    function : callable
    shared : picklable
    name : str
        What an error calls it.

    Raises
    ------
    InputError
        If it cannot be pickled.
    """
    items = list(items)
    if isinstance(executor, processor.IterativeExecutor):
        return executor(items, _WithShared(function, shared), None)[0]
    content = packed(shared, name)
    if isinstance(executor, processor.DaskExecutor):
        return executor.copy(heavy_input=shared)(items, _WithHeavy(function), None)[0]
    if isinstance(executor, ProcessesExecutor):
        with _written(content) as parcel:
            return executor(items, _WithParcel(function, parcel), None)[0]
    return executor(items, _WithShared(function, shared), None)[0]


@contextmanager
def _written(content: bytes) -> Iterator[Parcel]:
    try:
        handle, path = tempfile.mkstemp(prefix="mljec-", suffix=".parcel")  # readable by its owner alone
    except OSError as error:
        raise _no_room(error) from None
    try:
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except OSError as error:
            raise _no_room(error) from None
        yield Parcel(path, digest(content))
    finally:
        Path(path).unlink(missing_ok=True)


def _no_room(error: OSError) -> InputError:
    return InputError(
        f"cannot write what workers are to run to {tempfile.gettempdir()}: {error.strerror}. Free some space, or set "
        "TMPDIR to another folder."
    )
