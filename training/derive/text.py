"""The classic text files: a header with the formula, then one row a bin."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from coffea_mljec.support.atomic import write_bytes
from training.derive.level import Level

__all__ = ["SUFFIXES", "write_text"]

SUFFIXES = {"Correction": "jec", "Resolution": "jr", "ScaleFactor": "jersf"}


def write_text(folder: Path, tag: str, algorithm: str, levels: Sequence[Level]) -> list[Path]:
    """Write ``<tag>_<level>_<algorithm>.<jec|jr|jersf>.txt`` for each level and return the paths."""
    paths = []
    for level in levels:
        path = folder / f"{tag}_{level.level}_{algorithm}.{SUFFIXES[level.kind]}.txt"
        write_bytes(path, ("\n".join(_lines(level)) + "\n").encode("ascii"))
        paths.append(path)
    return paths


def _lines(level: Level) -> list[str]:
    binned = f"{len(level.binned)} {' '.join(level.binned)}"
    if level.kind == "ScaleFactor":
        header = f"{{{binned} 0 None ScaleFactor}}"
    else:
        # The name of a level ends the header of a correction only.
        last = f"Correction {level.level}" if level.kind == "Correction" else level.kind
        header = f"{{{binned} {len(level.variables)} {' '.join(level.variables)} {level.formula} {last}}}"
    lines = [header]
    for row in level.rows:
        numbers = [*chain(*row.ranges), *row.parameters]
        words = [f"{number:.9g}" for number in chain(*row.bins)]
        words += [str(len(numbers)), *(f"{number:.9g}" for number in numbers)]
        lines.append(" ".join(words))
    return lines
