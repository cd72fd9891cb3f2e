"""Causes that wait to be mended. Each has a reproduction that `test_quick` expects to fail: who mends one removes it.

The patterns are searched for in ``signature :: detail`` of a failure. They name what was broken and what was said, not
functions, because those move.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.fuzz.case import Case


@dataclass(frozen=True)
class Known:
    """A cause.

    Attributes
    ----------
    reason : str
    case : Case
        The smallest reproduction.
    pattern : str
        A regular expression of the failures that it explains.
    """

    reason: str
    case: Case
    pattern: str


def explained(signature: str, detail: str = "") -> str | None:
    """The name of the known cause of a failure, or None."""
    text = f"{signature} :: {detail}"
    return next((name for name, known in KNOWN.items() if re.search(known.pattern, text)), None)


KNOWN: dict[str, Known] = {}
"""Name -> cause. None waits."""
