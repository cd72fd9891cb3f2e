"""correctionlib, the reference for payloads in JSON."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import correctionlib

__all__ = ["library_file"]


@cache
def library_file(path: Path) -> Any:
    """A file as correctionlib reads it, once: the real ones take seconds."""
    return correctionlib.CorrectionSet.from_file(str(path))
