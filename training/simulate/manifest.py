"""The manifest of a production: what fixes its content, the versions that made it, and every shard's digest."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import write_text
from coffea_mljec.support.digest import file_digest
from training.simulate.plan import Plan, Shard

__all__ = ["begin_manifest", "is_done", "read_manifest", "require_manifest", "write_manifest"]

MANIFEST = "manifest.json"
_FORMAT = 1
_PACKAGES = ("coffea-mljec", "awkward", "fastjet", "numba", "numpy", "pythia8mc", "uproot")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a production, None where there is none.

    Raises
    ------
    InputError
        If it cannot be read or has another format.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}, expected {_FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no manifest of a production ({error}): produce into another folder") from None
    return dict(content)


def require_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a production; `InputError` if the folder holds none."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(f"{folder} has no {MANIFEST}: give the folder of a production")
    return manifest


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write the manifest, complete or not at all; `InputError` if that fails."""
    write_text(folder / MANIFEST, json.dumps(content, indent=1))


def begin_manifest(folder: Path, plan: Plan, resume: bool) -> dict[str, Any]:
    """Return the manifest to go on from; `InputError` unless the folder is free or holds this very production."""
    manifest = read_manifest(folder)
    if manifest is None:
        strays = sorted(path.name for path in folder.glob("*.root"))
        if strays:
            raise InputError(
                f"{folder} holds {len(strays)} ROOT files ({strays[0]} ...) and no {MANIFEST}: choose an empty folder"
            )
        return {"format": _FORMAT, "identity": plan.identity(), "versions": _versions(), "shards": {}}
    if not resume:
        raise InputError(f"{folder} holds a production already: add --resume to go on with it, or name another folder")
    wanted = json.loads(json.dumps(plan.identity()))
    different = sorted(name for name in wanted if manifest["identity"].get(name) != wanted[name])
    if different:
        name = different[0]
        raise InputError(
            f"{folder} holds another production: {', '.join(different)} differ ({name} there "
            f"{manifest['identity'].get(name)!r}, here {wanted[name]!r}): use the same arguments or another folder"
        )
    return manifest


def is_done(folder: Path, shard: Shard, manifest: dict[str, Any]) -> bool:
    """Whether a shard is there as the manifest has it."""
    line = manifest["shards"].get(shard.name)
    path = folder / shard.name
    return (
        line is not None and line["events"] == shard.events and path.is_file() and file_digest(path) == line["sha256"]
    )


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
