"""What the reference thesis found, to stand beside our own numbers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["alpha", "beta", "source", "test_loss"]


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(__file__).parent / "thesis.json").read_text())
    return content


def source() -> str:
    """Return where the numbers come from."""
    return str(_content()["source"])


def beta(model: str, region: str, flavour: str, interval: str) -> float | None:
    """Return the improvement of the resolution in per cent; None where the thesis has none."""
    found: float | None = _content()["beta"][region].get(flavour, {}).get(interval, {}).get(model)
    return found


def alpha(model: str, region: str, interval: str) -> float | None:
    """Return the reduction of the flavour dependence in per cent; None where the thesis has none."""
    found: float | None = _content()["alpha"][region].get(interval, {}).get(model)
    return found


def test_loss(model: str) -> float | None:
    """Return the loss on the thesis's own test jets; None where the thesis has none."""
    found: float | None = _content()["test_loss"].get(model)
    return found
