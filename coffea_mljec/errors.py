"""Errors of this package. None is, or chains, an ``OSError``: coffea's ``skipbadfiles`` swallows those."""

from __future__ import annotations

__all__ = [
    "DamagedFileError",
    "InputError",
    "JetsChangedError",
    "MLJECError",
    "MissingBranchError",
    "ModelError",
    "PayloadError",
    "WorkerError",
]


class MLJECError(Exception):
    """Base class: the message says what, got, expected and the remedy."""


class InputError(MLJECError, ValueError):
    """An argument or an input array that cannot be used."""


class DamagedFileError(InputError):
    """A file that cannot be read to its end."""


class MissingBranchError(MLJECError, LookupError):
    """A branch that a provider needs and the file lacks."""


class JetsChangedError(MLJECError, ValueError):
    """Jets, or their constituents, cut, sorted or masked upstream, so that they no longer line up with the links."""


class ModelError(MLJECError, ValueError):
    """A model folder that cannot be trusted or used."""


class PayloadError(MLJECError, ValueError):
    """A JEC payload (text or JSON) that cannot be used."""


class WorkerError(MLJECError, RuntimeError):
    """A worker or a cluster that cannot do the work: gone, or without the packages that it takes."""
