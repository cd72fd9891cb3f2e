"""What pydantic found wrong with a file, in one line."""

from __future__ import annotations

import pydantic

__all__ = ["problems"]


def problems(error: pydantic.ValidationError) -> str:
    """Name every key that is missing, unknown or has an impossible value, for a message."""
    return "; ".join(_problem(item) for item in error.errors())


def _problem(item: object) -> str:
    assert isinstance(item, dict)
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"unknown key {place!r}, which nothing reads"
    if item["type"] == "missing":
        return f"missing key {place!r}"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
