"""Settings that pydantic refuses, in one line that names each of them."""

from __future__ import annotations

from pydantic import ValidationError

__all__ = ["refused"]


def refused(error: ValidationError, whole: str) -> str:
    """Return every setting that is refused and why; ``whole`` names what no single setting is to blame for."""
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or whole}: {item['msg']}" for item in error.errors())
