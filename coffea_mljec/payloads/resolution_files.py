"""Reading resolutions and their scale factors, from text files and from correctionlib files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads.bounds import LIMITS, within
from coffea_mljec.payloads.correctionlib_json import load, read_level
from coffea_mljec.payloads.formula import parse
from coffea_mljec.payloads.payload import ROUNDING, Level, payload_path
from coffea_mljec.payloads.resolution import Resolution, ScaleFactor, Uncertainty
from coffea_mljec.payloads.table import Axis, FormulaTable
from coffea_mljec.payloads.textheader import WHOLE_FILE, file_name, read_header, read_lines
from coffea_mljec.payloads.textrows import formula_table, read_rows
from coffea_mljec.support.suggestions import nearest

__all__ = ["read_resolution_json", "read_resolution_text", "read_scale_factor_json", "read_scale_factor_text"]

NUMBER = parse("[0]")
SYSTEMATIC = "systematic"
SHIFTS = {"nominal": "nom", "up": "up", "down": "down"}
"""Ours -> the values of ``systematic`` in correctionlib files."""


def read_resolution_text(path: str | Path) -> Resolution:
    """Read ``<tag>_PtResolution_<algorithm>.jr.txt``, plain or gzipped.

    Raises
    ------
    PayloadError
        The file is missing, unreadable, cut short or damaged (message: file, line, got, expected), or something else.
    """
    path = payload_path(path)
    tag, level, algorithm = file_name(path)
    if level != "PtResolution":
        raise PayloadError(f"{path.name} holds {level}, expected <tag>_PtResolution_<algorithm>.jr.txt")
    return Resolution(_any_rho(formula_table(path, level, "Resolution")), tag, algorithm)


def read_scale_factor_text(path: str | Path) -> ScaleFactor:
    """Read ``<tag>_SF_<algorithm>.jersf.txt``, plain or gzipped: bins of eta, or of eta and pT.

    Rows hold nominal, down, up; what follows (sources of the uncertainty) is not read.

    Raises
    ------
    PayloadError
        As of `read_resolution_text`.
    """
    path = payload_path(path)
    tag, level, algorithm = file_name(path)
    if level != "SF":
        raise PayloadError(f"{path.name} holds {level}, expected <tag>_SF_<algorithm>.jersf.txt")
    lines, whole = read_lines(path)
    header = read_header(path, *lines[0], "ScaleFactor")
    rows = read_rows(path, lines[1:], header, lines[0][0], whole, gaps=True)
    first = 2 * len(header.binned) + 1
    wrong = ~within("scale factor", rows.table[:, first : first + 3]).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        low, high = LIMITS["scale factor"]
        got = ", ".join(f"{value:g}" for value in rows.table[row, first : first + 3])
        raise PayloadError(
            f"{path.name}, line {rows.numbers[row]}: nominal, down, up are {got}, expected scale factors "
            f"above {low:g} and up to {high:g}; {WHOLE_FILE}"
        )
    tables: dict[str, Level] = {
        name: FormulaTable("ScaleFactor", rows.axes, NUMBER, (), rows.table[None, :, first + i].copy())
        for i, name in enumerate(("nominal", "down", "up"))
    }
    return ScaleFactor(tables, tag, algorithm)


def read_resolution_json(path: str | Path, tag: str, algorithm: str) -> Resolution:
    """Read ``<tag>_PtResolution_<algorithm>`` of a correctionlib file.

    Parameters
    ----------
    path : str or Path
        ``jet_jerc.json.gz``, ``fatJet_jerc.json.gz``.
    tag, algorithm : str
        ``Summer22_22Sep2023_JRV1_MC``, ``AK4PFPuppi``.

    Raises
    ------
    PayloadError
        The file is unreadable, not a correctionlib file, or has no such resolution (the message names what it has).
    """
    path = payload_path(path)
    content = load(path)
    table = read_level(path, _entry(path, content, tag, "PtResolution", algorithm), "PtResolution", content)
    return Resolution(_any_rho(table), tag, algorithm)


def read_scale_factor_json(
    path: str | Path, tag: str, algorithm: str, uncertainty: Uncertainty = "absolute"
) -> ScaleFactor:
    """Read the scale factor of a correctionlib file, in the old format or the new one.

    Old: ``<tag>_ScaleFactor_<algorithm>`` takes ``systematic``: nom, up, down. New (since June 2026, JRV2): it does
    not, and ``<tag>_SFUncertainty_<algorithm>`` stands beside it.

    The published uncertainty is absolute. CMS's database of resolutions (github.com/cms-jet/JRDatabase) has the scale
    factors of Summer23 and Summer23BPix in both formats, JRV1 and JRV1m: in all 4,410 cells of AK4PFPuppi up = SF + u
    to 1e-15, while SF (1 + u) is off by 4 to 8 % of the scale factor on average. Public code disagrees: columnflow,
    PocketCoffea and nanoAOD-tools-modules multiply.

    Parameters
    ----------
    path, tag, algorithm
        As of `read_resolution_json`.
    uncertainty : {"relative", "absolute"}
        How the new format is read: SF +- u, or SF (1 +- u) to agree with the frameworks that multiply.

    Raises
    ------
    PayloadError
        As of `read_resolution_json`.
    """
    if uncertainty not in get_args(Uncertainty):
        raise InputError(f"uncertainty: expected one of {', '.join(get_args(Uncertainty))}, got {uncertainty!r}")
    path = payload_path(path)
    content = load(path)
    entry = _entry(path, content, tag, "ScaleFactor", algorithm)
    tables: dict[str, Level] = {}
    if any(quantity["name"] == SYSTEMATIC for quantity in entry["inputs"]):
        for name, key in SHIFTS.items():
            tables[name] = read_level(path, _with_systematic(path, entry, key), "ScaleFactor", content)
        return ScaleFactor(tables, tag, algorithm)
    tables["nominal"] = read_level(path, entry, "ScaleFactor", content)
    entry = _entry(path, content, tag, "SFUncertainty", algorithm)
    table = read_level(path, entry, "SFUncertainty", content)
    # The 1 of a jet without a bin is no uncertainty of 100 %.
    tables["uncertainty"] = replace(table, outside=0.0) if isinstance(table, FormulaTable) else table
    return ScaleFactor(tables, tag, algorithm, uncertainty)


def _any_rho(table: Level) -> Level:
    """Let the first and the last bin of rho take whatever lies beyond, where they lie where they do elsewhere.

    Where they do not, rows are missing, as in a few files of 2016: such jets are not valid.
    """
    if not isinstance(table, FormulaTable):
        return table
    axes = []
    for axis in table.axes:
        low, high = axis.low.copy(), axis.high.copy()
        if axis.quantity == "rho":
            first, last = axis.offsets[:-1], axis.offsets[1:] - 1
            low[first[low[first] <= low.min() + ROUNDING]] = -np.inf
            high[last[high[last] >= high.max() - ROUNDING]] = np.inf
        axes.append(Axis(axis.quantity, low, high, axis.offsets))
    return replace(table, axes=tuple(axes), outside=np.nan)


def _entry(path: Path, content: Mapping[str, Any], tag: str, kind: str, algorithm: str) -> Mapping[str, Any]:
    name = f"{tag}_{kind}_{algorithm}"
    entries = {entry["name"]: entry for entry in content["corrections"]}
    if name not in entries:
        has = [other for other in entries if f"_{kind}_" in other]
        close = nearest(name, has, most=3, cutoff=0.5)
        hint = f"nearest: {', '.join(close)}; " if close else ""
        raise PayloadError(
            f"{path.name} has no {name}; {hint}the file has: {', '.join(has) or f'no {kind}'} (resolutions "
            "have a tag of their own, with JR in it)"
        )
    return entries[name]


def _with_systematic(path: Path, entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the correction for one value of ``systematic``."""
    inputs = [quantity for quantity in entry["inputs"] if quantity["name"] != SYSTEMATIC]

    def chosen(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if node["nodetype"] == "category" and node["input"] == SYSTEMATIC:
            values = {choice["key"]: choice["value"] for choice in node["content"]}
            if key not in values:
                raise PayloadError(
                    f"{path.name}: {entry['name']} has {SYSTEMATIC} {', '.join(map(str, values))}, expected "
                    f"{', '.join(SHIFTS.values())}"
                )
            return chosen(values[key])
        if "content" in node and isinstance(node["content"], list):
            return node | {"content": [chosen(inner) for inner in node["content"]]}
        return node

    try:
        return dict(entry) | {"inputs": inputs, "data": chosen(entry["data"])}
    except (KeyError, TypeError) as error:
        raise PayloadError(
            f"{path.name}: {entry['name']} is damaged ({type(error).__name__}: {error}): copy the whole file again"
        ) from None
