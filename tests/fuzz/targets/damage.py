"""Damage that several targets share: bytes of a file, a place in a JSON tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def change_bytes(path: Path, how: str, where: float, value: int) -> None:
    """One change of a file's bytes; see `damaged`."""
    path.write_bytes(damaged(path.read_bytes(), how, where, value))


def damaged(given: bytes, how: str, where: float, value: int) -> bytes:
    """One change of some bytes; where: the part of them before it."""
    content = bytearray(given)
    at = min(int(where * len(content)), len(content) - 1)
    if at < 0:
        return given
    if how == "flip":
        content[at] ^= 1 << (value % 8)
    elif how == "set":
        content[at] = value
    elif how == "cut":
        del content[at:]
    elif how == "insert":
        content[at:at] = bytes([value]) * (1 + value % 9)
    elif how == "zeros":
        content[at : at + 1 + value] = bytes(len(content[at : at + 1 + value]))
    elif how == "double":
        content += content[at : at + 1000 * (1 + value)]
    return bytes(content)


def place_in(tree: Any, steps: list[float]) -> tuple[Any, Any, Any]:
    """Go down a JSON tree, each step a part of the way through what is there.

    Returns
    -------
    container, key, value
        The container is None where there is no way down.
    """
    above, key, node = None, None, tree
    for step in steps:
        keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        if not keys:
            break
        above, key = node, keys[min(int(step * len(keys)), len(keys) - 1)]
        node = above[key]
    return above, key, node
