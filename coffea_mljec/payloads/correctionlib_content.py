"""The content of a correctionlib file, parsed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads.payload import payload_content

__all__ = ["load", "parsed_once"]

_parsed: ContextVar[dict[Path, dict[str, Any]] | None] = ContextVar("parsed", default=None)


@contextmanager
def parsed_once() -> Iterator[None]:
    """Parse a file once, whatever is read of it: the text of 15 to 30 MB takes seconds. Nothing is kept beyond."""
    outer = _parsed.get()
    token = _parsed.set({} if outer is None else outer)
    try:
        yield
    finally:
        _parsed.reset(token)


def load(path: Path) -> dict[str, Any]:
    """Return the content of a correctionlib file, plain or gzipped."""
    kept = _parsed.get()
    if kept is None:
        return _parse(path)
    if path not in kept:
        kept[path] = _parse(path)
    return kept[path]


def _parse(path: Path) -> dict[str, Any]:
    what = "expected a correctionlib file (jet_jerc.json.gz from the POG's JME folder)"
    data = payload_content(path, f"{what}: copy the whole file again")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"{path.name} is not JSON ({error}): {what}") from None
    try:
        known = content["schema_version"] == 2
        entries = [*content["corrections"], *(content.get("compound_corrections") or ())]
        names = [entry["name"] for entry in entries]
        known = known and all(isinstance(name, str) for name in names)
    except (KeyError, TypeError, AttributeError):
        known = False
    if not known:
        raise PayloadError(f"{path.name} is JSON, but not of correctionlib's schema version 2: {what}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PayloadError(f"{path.name} has more than one {', '.join(twice)}: copy the whole file again")
    return dict(content)
