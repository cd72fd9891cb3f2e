"""What goes wrong with a chunk comes back as a result that names file, entries and worker, and stops no other chunk."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from dataclasses import astuple, dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Any

from coffea_mljec.errors import DamagedFileError, MLJECError, WorkerError
from coffea_mljec.nano.identity import unchanged
from coffea_mljec.workers.place import here
from coffea_mljec.workers.planned import replaced

__all__ = ["Failure", "Kind", "as_failure", "check_same_package", "guarded", "part_of"]

PACKAGE = "coffea-mljec"
_NO_FILE = frozenset({errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EROFS})
"""What is no file's fault: room, open files or memory that the worker lacks."""
_READERS = frozenset({"cramjam", "fsspec", "fsspec_xrootd", "pyarrow", "uproot", "XRootD"})


class Kind(StrEnum):
    """Why a chunk failed, and so what may be done about it."""

    refused = "refused"
    """The package says no: trying again gives the same."""
    file = "file"
    """The file is gone, cut or damaged: tried again, skipped if that was asked for."""
    worker = "worker"
    """The worker lacks something: another may do it."""
    fault = "fault"
    """Anything else: a mistake in a program."""


@dataclass(frozen=True, order=True)
class Failure:
    """One chunk, or file, that failed.

    Attributes
    ----------
    file : str
    start, stop : int
        Entries; -1 where the file could not even be opened.
    worker : str
        Where it happened.
    kind : str
        A `Kind`.
    message : str
    trace : str
        The traceback where it is a program's mistake, else empty.
    """

    file: str
    start: int
    stop: int
    worker: str
    kind: str
    message: str
    trace: str = ""

    def as_tuple(self) -> tuple[Any, ...]:
        """The attributes, in order."""
        return astuple(self)

    @property
    def part(self) -> str:
        """The file, and its entries if only those failed."""
        return _part(self.file, self.start, self.stop)

    def __str__(self) -> str:
        return f"{self.part}: {self.message} (on {self.worker})" + (f"\n{self.trace}" if self.trace else "")


def part_of(item: Any) -> str:
    """What an item of work is about: coffea's WorkItem, one with the processor beside it, or a file's name."""
    item = item[0] if isinstance(item, tuple) else item
    if hasattr(item, "entrystart"):
        return _part(item.filename, item.entrystart, item.entrystop)
    return str(item)


def _part(file: str, start: int, stop: int) -> str:
    return file if start < 0 else f"{file}, entries {start} to {stop}"


def as_failure(error: BaseException, file: str, start: int = -1, stop: int = -1) -> Failure:
    """Put an error into words, on the worker where it happened."""
    if type(error) is Exception and error.__cause__ is not None:
        error = error.__cause__  # coffea wraps what it catches
    chain = _chain(error)
    ours = next((one for one in chain if isinstance(one, MLJECError)), None)
    if ours is not None:
        kinds = {WorkerError: Kind.worker, DamagedFileError: Kind.file}
        kind = next((kind for error_type, kind in kinds.items() if isinstance(ours, error_type)), Kind.refused)
        return Failure(file, start, stop, here(), kind, str(ours))
    words = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
    message = f"{type(error).__name__}: {words}"
    if any(isinstance(one, ImportError | MemoryError) or getattr(one, "errno", None) in _NO_FILE for one in chain):
        return Failure(file, start, stop, here(), Kind.worker, message)
    if any(isinstance(one, OSError) or _READERS & _modules(one) for one in chain):
        return Failure(file, start, stop, here(), Kind.file, message)
    trace = "".join(traceback.format_exception(error))
    return Failure(file, start, stop, here(), Kind.fault, message, trace)


def check_same_package(expected: str) -> None:
    """Compare this process's coffea-mljec with the sender's: other versions may give other numbers.

    Raises
    ------
    WorkerError
        If they differ.
    """
    found = version(PACKAGE)
    if found != expected:
        raise WorkerError(
            f"{PACKAGE} is {found} on this worker and {expected} where the run was started: install the same version "
            "on all workers."
        )


class _Guard:
    """The function that coffea's Runner gives to its executor, with every error turned into a result."""

    def __init__(self, function: Callable[[Any], Any], package: str, attempt: int) -> None:
        self.function = function
        self.package = package
        # Part of what dask makes a task's key of, so that a second attempt is not answered with the first one's result.
        self.attempt = attempt

    def __call__(self, item: Any) -> dict[str, Any]:
        chunk = item[0] if isinstance(item, tuple) else item
        try:
            check_same_package(self.package)
            with unchanged(chunk.filename):
                result = self.function(item)["out"]
        except Exception as error:
            why = replaced(chunk) or error
            return {"out": {"failures": {as_failure(why, chunk.filename, chunk.entrystart, chunk.entrystop)}}}
        done = (chunk.filename, chunk.entrystart, chunk.entrystop)
        return {"out": {"result": result, "done": {done}}}


def guarded(executor: Any, attempt: int = 0) -> Any:
    """A copy of one of coffea's executors that runs `_Guard` around each item; itself an executor of that kind."""
    kind: Any = type(executor)

    class Guarded(kind):
        def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
            return super().__call__(items, _Guard(function, version(PACKAGE), attempt), accumulator)

    twin = executor.copy()  # not copy.copy, which leaves the client behind
    twin.__class__ = Guarded
    return twin


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain


def _modules(error: BaseException) -> set[str]:
    """The packages whose code the error passed through."""
    frames = traceback.walk_tb(error.__traceback__)
    return {str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in frames}
