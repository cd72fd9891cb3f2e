"""The detector's constants that were adjusted, with their values and the reasons in ``detector.py``'s own comments."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from training.simulate import detector

__all__ = ["Constant", "adjusted_constants", "commented_constants"]

_WORDS = ("adjust", "tuned")


@dataclass(frozen=True)
class Constant:
    """A constant and what its comments say: those on its line, and those above it or above its neighbours."""

    name: str
    value: float
    comment: str


def commented_constants(source: str) -> list[tuple[str, str]]:
    """Return (name, comment) of the annotated assignments in a class's source.

    A block of comment lines belongs to all the assignments below it, up to a blank line or the next block; a comment
    on the line itself stands alone, unless there is a block too.
    """
    found = []
    block: list[str] = []
    in_block = False
    for line in map(str.strip, source.splitlines()):
        if line.startswith("#"):
            block = [*block, line.lstrip("# ")] if in_block else [line.lstrip("# ")]
            in_block = True
            continue
        in_block = False
        if not line:
            block = []
            continue
        name, _, rest = line.partition(":")
        if not name.isidentifier() or "=" not in rest:
            continue
        own = rest.partition("#")[2].strip()
        found.append((name, "; ".join(filter(None, (own, " ".join(block))))))
    return found


def adjusted_constants() -> list[Constant]:
    """Return the constants whose comments say that they were adjusted (a block's word counts for all of its group)."""
    source = inspect.getsource(detector.Detector)
    return [
        Constant(name, float(getattr(detector.DETECTOR, name)), comment)
        for name, comment in commented_constants(source)
        if hasattr(detector.DETECTOR, name) and any(word in comment.lower() for word in _WORDS)
    ]
