"""A digest of what an object is made of, the same in every process and on every machine.

Bytes of a pickle will not do: they depend on which strings happen to be one object and on the order of sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

__all__ = ["fingerprint"]


def fingerprint(thing: Any) -> str:
    """Return the sha256, in hexadecimal, of everything that would be pickled.

    Parameters
    ----------
    thing : picklable
        Numbers, text, containers, arrays, functions (by name) and objects (by class and state), nested.

    Raises
    ------
    TypeError
        If a part of it cannot be pickled.
    """
    digest = hashlib.sha256()
    _feed(digest, thing, ())
    return digest.hexdigest()


def _feed(digest: Any, thing: Any, above: tuple[int, ...]) -> None:
    """Add one object: its type, then its content; an object inside itself counts by how far up it stands."""
    if id(thing) in above:
        digest.update(f"<{above[::-1].index(id(thing))} above>".encode())
        return
    above = (*above, id(thing))
    kind = type(thing)
    digest.update(f"<{kind.__module__}.{kind.__qualname__}>".encode())
    if thing is None or kind in (bool, int, float, complex, str):
        digest.update(repr(thing).encode())
    elif kind in (bytes, bytearray):
        digest.update(thing)
    elif isinstance(thing, np.ndarray) and thing.dtype != object:
        digest.update(f"{thing.dtype.str}{thing.shape}".encode())
        digest.update(np.ascontiguousarray(thing).tobytes())
    elif kind in (list, tuple):
        for part in thing:
            _feed(digest, part, above)
    elif isinstance(thing, Set) and kind in (set, frozenset):
        for part in sorted(fingerprint(part) for part in thing):
            digest.update(part.encode())
    elif isinstance(thing, Mapping) and kind is dict:
        for part in sorted(fingerprint(item) for item in thing.items()):
            digest.update(part.encode())
    elif isinstance(thing, type) or _is_function(thing):
        digest.update(f"{getattr(thing, '__module__', None)}.{thing.__qualname__}".encode())
    else:
        reduced = thing.__reduce_ex__(4)
        if isinstance(reduced, str):
            digest.update(reduced.encode())
            return
        for part in reduced:
            # The fourth and fifth part are iterators over what a list or a dict holds.
            _feed(digest, list(part) if hasattr(part, "__next__") else part, above)
    digest.update(b"</>")


def _is_function(thing: Any) -> bool:
    return callable(thing) and hasattr(thing, "__qualname__") and not hasattr(thing, "__self__")
