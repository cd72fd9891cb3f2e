"""Accumulated results as files of data alone: histograms, numbers and containers of them; nothing is unpickled.

A file is one line, with the size and the sha256 of what follows, and a zip archive: JSON and arrays. Nothing of it is
unpacked before both are right.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import hist
import numpy as np

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import write_bytes
from coffea_mljec.support.digest import digest

__all__ = ["load", "save"]

_TREE = "tree.json"
_HEAD = 128
"""Bytes of the first line, filled with blanks."""
_LARGEST = 8 << 30
"""Bytes that an archive may hold, unpacked."""
_PLAIN = (bool, int, float, str, type(None))
_CONTAINERS: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_MAPPINGS: dict[str, Any] = {"dict": dict, "Counter": Counter}


def save(path: str | os.PathLike[str], thing: Any) -> None:
    """Write a result to a file, which is there whole or not at all.

    Parameters
    ----------
    path : path
    thing : histogram, number, text, ndarray, or dict, Counter, list, tuple, set of such

    Raises
    ------
    InputError
        If it holds something else (the message says where), or cannot be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr(_TREE, json.dumps(_written(file, thing, "result")))
    content = packed.getvalue()
    write_bytes(path, _head(content) + content)


def _head(content: bytes) -> bytes:
    return f"mljec result, {len(content)} bytes, sha256 {digest(content)}".encode().ljust(_HEAD - 1) + b"\n"


def load(path: str | os.PathLike[str]) -> Any:
    """Read what `save` wrote: equal to it, bin for bin.

    Raises
    ------
    InputError
        If the file is damaged, or not what `save` wrote.
    """
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(_HEAD)
            words = head.split()
            # The size first: of a file without end nothing more is read.
            size = int(words[2]) if words[:2] == [b"mljec", b"result,"] else -1
            content = stream.read(size + 1) if _HEAD + size == os.fstat(stream.fileno()).st_size else b""
        if _head(content) != head:
            raise InputError("it is cut short or was changed: its digest is another")
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            if sum(part.file_size for part in file.infolist()) > _LARGEST:
                raise InputError(f"unpacked it has more than {_LARGEST:,} bytes")
            return _read(file, json.loads(file.read(_TREE)))
    except InputError as error:
        raise InputError(f"{path} is damaged ({error}).") from None
    except Exception as error:  # zlib, numpy and hist each have errors of their own; MemoryError and RecursionError too
        raise InputError(f"{path} is damaged ({type(error).__name__}: {error}).") from None


def _written(file: zipfile.ZipFile, thing: Any, where: str) -> list[Any]:
    """The JSON of one thing; its arrays go into files of their own."""
    kind = type(thing)
    if kind in _PLAIN:
        # JSON has no NaN; its text of a float is exact.
        return ["float", thing.hex()] if kind is float else ["plain", thing]
    if kind.__name__ in _MAPPINGS and kind is _MAPPINGS[kind.__name__]:
        keys = [_written(file, key, where) for key in thing]
        values = [_written(file, value, f"{where}[{key!r}]") for key, value in thing.items()]
        return [kind.__name__, [list(item) for item in zip(keys, values, strict=True)]]
    if kind.__name__ in _CONTAINERS and kind is _CONTAINERS[kind.__name__]:
        return [kind.__name__, [_written(file, part, f"{where}[{n}]") for n, part in enumerate(thing)]]
    if isinstance(thing, np.ndarray | np.generic) and thing.dtype != object:
        return ["scalar" if isinstance(thing, np.generic) else "array", _array(file, np.asarray(thing))]
    if isinstance(thing, hist.Hist):
        from hist.serialization import to_uhi

        described = to_uhi(thing)
        if hist.Hist(_from_uhi(described)) == thing:
            return ["hist", _with_files(file, described)]
        raise InputError(f"{where} is a histogram whose axes or storage cannot be written to a checkpoint: {thing!r}.")
    raise InputError(
        f"{where} is a {kind.__module__}.{kind.__qualname__}, which cannot be written to a checkpoint: give "
        "histograms, numbers, text, arrays and containers of them."
    )


def _from_uhi(described: dict[str, Any]) -> Any:
    from hist.serialization import from_uhi

    return from_uhi(described)


def _array(file: zipfile.ZipFile, values: np.ndarray[Any, Any]) -> str:
    name = f"{len(file.namelist())}.npy"
    with file.open(name, "w", force_zip64=True) as out:
        np.lib.format.write_array(out, values, allow_pickle=False)
    return name


def _with_files(file: zipfile.ZipFile, node: Any) -> Any:
    """A described histogram with its arrays moved into files."""
    if isinstance(node, np.ndarray):
        return {"array in": _array(file, node)}
    if isinstance(node, dict):
        return {key: _with_files(file, value) for key, value in node.items()}
    return [_with_files(file, value) for value in node] if isinstance(node, list) else node


def _without_files(file: zipfile.ZipFile, node: Any) -> Any:
    if isinstance(node, dict):
        if set(node) == {"array in"}:
            return _read_array(file, node["array in"])
        return {key: _without_files(file, value) for key, value in node.items()}
    return [_without_files(file, value) for value in node] if isinstance(node, list) else node


def _read_array(file: zipfile.ZipFile, name: str) -> Any:
    with file.open(name) as content:
        return np.lib.format.read_array(content, allow_pickle=False)


def _read(file: zipfile.ZipFile, node: list[Any]) -> Any:
    kind, content = node
    if kind == "plain":
        return content
    if kind == "float":
        return float.fromhex(content)
    if kind in _MAPPINGS:
        return _MAPPINGS[kind]({_read(file, key): _read(file, value) for key, value in content})
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](_read(file, part) for part in content)
    if kind == "hist":
        return _from_uhi(_without_files(file, content))
    values = _read_array(file, content)
    return values[()] if kind == "scalar" else values
