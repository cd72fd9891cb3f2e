"""What the productions drawn are: the lines of their manifests that a reader of the report needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.derive.jets import files_of
from training.simulate.detector import DETECTOR
from training.simulate.plan import LATER

__all__ = ["differences", "finished", "summary", "table"]

#: Settings that samples drawn together must share.
_COMMON = ("pileup_mean", "energy", "tune", "shower", "hadron_response_scale", "hadron_resolution_scale")
#: Shown with them.
_SHOWN = (*_COMMON, "passes")


def finished(inputs: Sequence[Path]) -> list[Path]:
    """Return the ROOT files of folders and paths; of a production that still grows, those that its manifest lists.

    Raises
    ------
    InputError
        If one does not exist, or holds no ROOT file.
    """
    files: list[Path] = []
    for path in inputs:
        manifest = path / "manifest.json"
        if manifest.is_file():
            files += [path / name for name in sorted(json.loads(manifest.read_text())["shards"])]
        else:
            files += files_of([path])
    return files


def summary(path: Path) -> dict[str, Any]:
    """Return what a folder's manifest says, or only the path where there is none (a bare file)."""
    manifest = path / "manifest.json" if path.is_dir() else None
    if manifest is None or not manifest.is_file():
        return {"path": str(path)}
    content = json.loads(manifest.read_text())
    identity = content["identity"]
    done = content["shards"].values()
    processes: dict[str, int] = {}
    for shard in done:
        processes[shard["process"]] = processes.get(shard["process"], 0) + shard["events"]
    every = [LATER | settings for settings in identity["settings"].values()]
    common = {name: sorted({json.dumps(settings.get(name)) for settings in every}) for name in _SHOWN}
    return {
        "path": str(path), "seed": identity["seed"], "shards": len(done), "processes": processes,
        "core_hours": round(sum(shard["seconds"] for shard in done) / 3600.0, 2), "settings": common,
        "detector": identity.get("detector", {}),
    }  # fmt: skip


def table(found: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return a line of text a production."""
    lines = []
    for one in found:
        if "seed" not in one:
            lines.append([one["path"], "-", "-", "no manifest", "-"])
            continue
        events = ", ".join(f"{name} {count:,}" for name, count in sorted(one["processes"].items()))
        settings = "; ".join(f"{name} {', '.join(values)}" for name, values in one["settings"].items())
        lines.append([one["path"], str(one["seed"]), events, settings, f"{one['core_hours']:g}"])
    return lines


def differences(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return warnings: productions with other settings than the first, or another detector than the code's of today."""
    warnings = []
    known = [one for one in found if "seed" in one]
    for one in known[1:]:
        for name in _COMMON:
            values, first = one["settings"][name], known[0]["settings"][name]
            if values != first:
                warnings.append(f"{one['path']} has {name} {values}, {known[0]['path']} has {first}.")
    today = {name: float(value) for name, value in DETECTOR._asdict().items() if name != "response_scale"}
    for one in known:
        changed = [
            f"{name} {one['detector'].get(name, 'absent')} (now {value:g})"
            for name, value in today.items()
            if one["detector"].get(name) != value
        ]
        if changed:
            warnings.append(f"{one['path']} was made with other constants than today's: {', '.join(changed)}.")
    return warnings
