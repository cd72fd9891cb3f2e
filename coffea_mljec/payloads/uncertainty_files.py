"""Reading jet energy scale uncertainties, from text files and from correctionlib files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads.bounds import LIMITS, is_possible, within
from coffea_mljec.payloads.correctionlib_json import COMPOUND, load, read_level
from coffea_mljec.payloads.payload import payload_path
from coffea_mljec.payloads.table import Axis, FormulaTable
from coffea_mljec.payloads.text import LEVEL_ORDER
from coffea_mljec.payloads.textheader import WHOLE_FILE, Lines, file_name, read_header, read_lines
from coffea_mljec.payloads.textrows import Rows, read_rows
from coffea_mljec.payloads.uncertainty import (
    LevelSource,
    PiecewiseLinear,
    Source,
    Uncertainties,
    no_such_source,
)

__all__ = ["read_uncertainties_json", "read_uncertainties_text"]

FloatArray = npt.NDArray[np.float64]

REGROUPED = "Regrouped_"
TEXT_TOTAL = "jes"
"""What coffea calls the one source of a ``_Uncertainty_`` file."""

LINEAR = "[0]*max(min(x,[3]),[2])+[1]"
"""The formula of every source that CMS has published as JSON."""

OTHERS = {*LEVEL_ORDER, COMPOUND, "PtResolution", "PhiResolution", "ScaleFactor", "SFUncertainty"}


def read_uncertainties_text(path: str | Path, sources: str | Sequence[str] = "all") -> Uncertainties:
    """Read ``*_UncertaintySources_*.junc.txt`` or ``*_Uncertainty_*.junc.txt``, plain or gzipped.

    Parameters
    ----------
    path : str or Path
        With its original name, which says tag and algorithm. A file of regrouped sources
        (``RegroupedV2_<tag>_UncertaintySources_...``) is read alike. The one source of a ``_Uncertainty_`` file is
        called ``jes``, as in coffea (``JES_jes``).
    sources : str or sequence of str
        ``"all"`` that the file has, ``"total"``, or names, in the order in which they are wanted.

    Raises
    ------
    InputError
        A source that the file does not have (the message names the nearest), or none.
    PayloadError
        The file is missing, unreadable, cut short or damaged (message: file, line, got, expected), or something else.
    """
    path = payload_path(path)
    tag, level, algorithm = file_name(path)
    if level not in ("Uncertainty", "UncertaintySources"):
        raise PayloadError(
            f"{path.name} holds {level}, not an uncertainty: expected <tag>_UncertaintySources_<algorithm>.junc.txt or "
            "<tag>_Uncertainty_<algorithm>.junc.txt"
        )
    lines, whole = read_lines(path)
    sections = _sections(path, lines)
    totals = [name for name in (TEXT_TOTAL, "Total") if name in sections]
    chosen = _choose(path, sources, {"all": list(sections), "total": totals}, list(sections))
    axes: dict[tuple[Any, ...], tuple[Axis, ...]] = {}
    table: dict[str, Source] = {}
    for name in chosen:
        section = sections[name]
        header = read_header(path, *section[0], "JECSource")
        if (header.binned, header.variables) != (("JetEta",), ("JetPt",)):
            raise PayloadError(
                f"{path.name}, line {section[0][0]}: a source in bins of {', '.join(header.binned)} and points of "
                f"{', '.join(header.variables)}, expected JetEta and JetPt"
            )
        last = whole or section[-1] != lines[-1]
        table[name] = _from_points(path, name, read_rows(path, section[1:], header, section[0][0], last), axes)
    return Uncertainties(table, re.sub(r"^Regrouped(V\d+)?_", "", tag), algorithm)


def _sections(path: Path, lines: Lines) -> dict[str, Lines]:
    """Split the lines at ``[Name]``; a file without such lines is one source."""
    if not lines[0][1].startswith("["):
        return {TEXT_TOTAL: lines}
    sections: dict[str, Lines] = {}
    name = ""
    for number, line in lines:
        if line.startswith("["):
            name = line[1:-1].strip()
            if not line.endswith("]") or not name or name in sections:
                raise PayloadError(
                    f"{path.name}, line {number}: expected '[Name]', a name that comes once, got '{line[:40]}'; "
                    f"{WHOLE_FILE}"
                )
            sections[name] = []
        else:
            sections[name].append((number, line))
    empty = [source for source, section in sections.items() if not section]
    if empty:
        raise PayloadError(f"{path.name} ends after the name of {empty[0]}: expected a header and rows; {WHOLE_FILE}")
    return sections


def _from_points(path: Path, name: str, rows: Rows, axes: dict[tuple[Any, ...], tuple[Axis, ...]]) -> PiecewiseLinear:
    """Turn rows of points (pT, up, down) into pieces between them."""
    # CMSSW's SimpleJetCorrectionUncertainty: up stands before down. coffea takes them the other way round.
    points = rows.table[:, 3:]
    if points.shape[1] % 3 or points.shape[1] < 6:
        raise PayloadError(
            f"{path.name}, line {rows.numbers[0]}: {points.shape[1]} numbers in source {name}, expected three (pT, up, "
            f"down) for each of two or more points; {WHOLE_FILE}"
        )
    pt = points[:, 0::3]
    falling = (np.diff(pt, axis=1) <= 0).any(axis=1)
    if falling.any():
        raise PayloadError(
            f"{path.name}, line {rows.numbers[int(np.argmax(falling))]}: the pT of source {name} do not ascend; "
            f"{WHOLE_FILE}"
        )
    wrong = ~(within("shift", points[:, 1::3]) & within("shift", points[:, 2::3])).all(axis=1)
    if wrong.any() or not is_possible("JetPt", pt):
        row = int(np.argmax(wrong))
        least, most = LIMITS["shift"]
        raise PayloadError(
            f"{path.name}, line {rows.numbers[row]}: source {name} shifts by {np.abs(points[row]).max():g} or at an "
            f"impossible pT: expected shifts of {least:g} to {most:g}; {WHOLE_FILE}"
        )
    up, down = _pieces(pt, points[:, 1::3]), _pieces(pt, points[:, 2::3])
    low, high = pt[:, :-1].copy(), pt[:, 1:].copy()
    low[:, 0], high[:, -1] = -np.inf, np.inf
    offsets = np.arange(len(pt) + 1, dtype=np.int64) * low.shape[1]
    shared = _shared((rows.axes[0], Axis("pt_raw", low.ravel(), high.ravel(), offsets)), axes)
    return PiecewiseLinear(shared, up, None if np.array_equal(up, down) else down)


def _pieces(pt: FloatArray, value: FloatArray) -> FloatArray:
    slope = np.diff(value, axis=1) / np.diff(pt, axis=1)
    intercept = value[:, :-1] - slope * pt[:, :-1]
    low, high = np.broadcast_arrays(pt[:, :1], pt[:, -1:])
    bounds = [np.repeat(edge.ravel(), slope.shape[1]) for edge in (low, high)]
    return np.ascontiguousarray(np.column_stack([slope.ravel(), intercept.ravel(), *bounds]))


def read_uncertainties_json(
    path: str | Path, tag: str, algorithm: str, sources: str | Sequence[str] = "all"
) -> Uncertainties:
    """Read the sources of a correctionlib file.

    Parameters
    ----------
    path : str or Path
        ``jet_jerc.json.gz``, ``fatJet_jerc.json.gz``.
    tag, algorithm : str
        ``Summer22_22Sep2023_V3_MC``, ``AK4PFPuppi``. Uncertainties stand under the tag of simulation, for data too.
    sources : str or sequence of str
        ``"all"`` full sources with their totals, ``"regrouped"`` (names begin with ``Regrouped_``; without their
        total), ``"total"``, or names, in the order in which they are wanted.

    Raises
    ------
    InputError
        A source that the file does not have (the message names the nearest), or none.
    PayloadError
        The file is unreadable, not a correctionlib file, or has no such tag or algorithm.
    """
    path = payload_path(path)
    content = load(path)
    entries = {entry["name"]: entry for entry in content["corrections"]}
    known = _source_names(entries, tag, algorithm)
    if not known:
        raise _no_uncertainty(path, entries, tag, algorithm)
    single = [name for name in known if not name.startswith(REGROUPED)]
    groups = {
        "all": single,
        "regrouped": [name for name in known if name.startswith(REGROUPED) and name != f"{REGROUPED}Total"],
        "total": [name for name in ("Total", f"{REGROUPED}Total") if name in known][:1],
    }
    axes: dict[tuple[Any, ...], tuple[Axis, ...]] = {}
    table: dict[str, Source] = {}
    for name in _choose(path, sources, groups, known):
        level = read_level(path, entries[f"{tag}_{name}_{algorithm}"], name, content)
        if other := sorted(set(level.inputs) - {"eta", "pt_raw"}):
            raise PayloadError(
                f"{path.name}: the uncertainty {name} reads {', '.join(other)}, expected JetEta and JetPt alone: copy "
                "the whole file again"
            )
        if isinstance(level, FormulaTable):
            table[name] = _from_formula(level, axes)
        else:
            table[name] = LevelSource(level)
    return Uncertainties(table, tag, algorithm)


def _source_names(entries: Iterable[str], tag: str, algorithm: str) -> list[str]:
    start, end = f"{tag}_", f"_{algorithm}"
    names = [
        name.removeprefix(start).removesuffix(end) for name in entries if name.startswith(start) and name.endswith(end)
    ]
    return [name for name in names if name not in OTHERS]


def _no_uncertainty(path: Path, entries: Iterable[str], tag: str, algorithm: str) -> PayloadError:
    totals = [name.rsplit("_", 2) for name in entries if name.count("_") >= 2]
    has = sorted(f"{part[0]} {part[2]}" for part in totals if part[1] == "Total" and not part[0].endswith("Regrouped"))
    return PayloadError(
        f"{path.name} has no uncertainties of tag '{tag}' and algorithm '{algorithm}' (they stand under the tag of "
        f"simulation, for data too); the file has: {', '.join(has) or 'none'}"
    )


def _choose(
    path: Path, sources: str | Sequence[str], groups: Mapping[str, list[str]], known: Sequence[str]
) -> list[str]:
    if isinstance(sources, str) and sources in groups:
        if not groups[sources]:
            raise no_such_source([f"'{sources}'"], known, path.name)
        return groups[sources]
    names = [sources] if isinstance(sources, str) else list(sources)
    if not names or len(set(names)) != len(names):
        raise InputError(
            f"sources: expected {', '.join(map(repr, groups))}, or different names of sources, got {sources!r}"
        )
    missing = [name for name in names if name not in known]
    if missing:
        raise no_such_source(missing, known, path.name)
    return names


def _from_formula(level: FormulaTable, axes: dict[tuple[Any, ...], tuple[Axis, ...]]) -> Source:
    quantities = tuple(axis.quantity for axis in level.axes)
    if level.formula.expression != LINEAR or quantities != ("eta", "pt_raw") or level.variables != ("pt_raw",):
        return LevelSource(replace(level, outside=np.nan))
    return PiecewiseLinear(_shared(level.axes, axes), np.ascontiguousarray(level.parameters.T))


def _shared(made: tuple[Axis, ...], axes: dict[tuple[Any, ...], tuple[Axis, ...]]) -> tuple[Axis, ...]:
    """Return the axes that an earlier source had, if they are the same."""
    key = tuple((axis.quantity, axis.low.tobytes(), axis.high.tobytes(), axis.offsets.tobytes()) for axis in made)
    return axes.setdefault(key, made)
