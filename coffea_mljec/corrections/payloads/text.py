"""Classic JEC text files (``<tag>_<MC|DATA>_<level>_<algorithm>.jec.txt``, plain or gzipped).

A file is one header, ``{n bins... m variables... formula Correction level}``, and one row a bin:
low and high edge a binned quantity, how many numbers follow, the range of each variable, the parameters.
coffea reads these too, but hands the formula to ``eval``, keeps parameters in 32 bits, and takes a file that was cut
short for a whole one; so they are read here, and compared with coffea in the tests.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.payloads.formula import Formula, parse
from coffea_mljec.corrections.payloads.payload import CANONICAL, Payload
from coffea_mljec.corrections.payloads.table import Axis, FormulaTable
from coffea_mljec.errors import InputError, PayloadError

__all__ = ["LEVEL_ORDER", "read_text"]

LEVEL_ORDER = {
    "L1FastJet": 1, "L1RC": 1, "L1Offset": 1,
    "L2Relative": 2,
    "L3Absolute": 3,
    "L2L3Residual": 4, "L2Residual": 4,
}  # fmt: skip
"""Known levels and the step of the sequence that each of them is."""

NOT_LEVELS = {
    "UncertaintySources": "uncertainty sources", "Uncertainty": "an uncertainty", "PtResolution": "a resolution",
    "PhiResolution": "a resolution", "SF": "resolution scale factors",
}  # fmt: skip

FILE_NAME = re.compile(r"(?P<tag>.+_(?:MC|DATA))_(?P<level>[A-Za-z0-9]+)_(?P<algorithm>[A-Za-z0-9]+)")
WHOLE_FILE = "copy the whole file again (from the JERC group's JECDatabase)"


@dataclass(frozen=True)
class _Header:
    binned: tuple[str, ...]
    variables: tuple[str, ...]
    formula: Formula


def read_text(paths: Sequence[str | Path]) -> Payload:
    """Read the levels of one correction; the order of the files does not matter.

    Parameters
    ----------
    paths : sequence of str or Path
        One file a level. Names say tag, level and algorithm: ``Summer22_22Sep2023_V3_MC_L1FastJet_AK4PFPuppi.jec.txt``
        (``.jec`` and ``.gz`` may be absent).

    Returns
    -------
    Payload
        Levels in the standard order L1, L2Relative, L3Absolute, residual.

    Raises
    ------
    InputError
        `paths` is a single path, or empty.
    PayloadError
        A file is missing, unreadable, cut short or damaged (message: file, line, got, expected), its level is unknown
        or given twice, or files of different tags or algorithms are mixed.
    """
    if isinstance(paths, (str, Path)) or not paths:
        raise InputError(f"expected a sequence of JEC text files, one a level, got {paths!r}: write from_txt([...])")
    tables: dict[int, tuple[Path, FormulaTable]] = {}
    named: tuple[Path, str, str] | None = None
    for path in map(Path, paths):
        tag, level, algorithm = _name(path)
        if named is not None and named[1:] != (tag, algorithm):
            raise PayloadError(
                f"{path.name} is for {tag} {algorithm}, {named[0].name} for {named[1]} {named[2]}: "
                "levels of one correction must share campaign, version, MC or DATA, and jet algorithm"
            )
        named = (path, tag, algorithm)
        step = LEVEL_ORDER[level]
        if step in tables:
            raise PayloadError(
                f"{path.name} and {tables[step][0].name} are both step {step} of the sequence "
                f"({tables[step][1].level}, {level}): give one file a step"
            )
        tables[step] = (path, _read_table(path, level))
    assert named is not None
    return Payload(tuple(tables[step][1] for step in sorted(tables)), named[1], named[2])


def _name(path: Path) -> tuple[str, str, str]:
    match = FILE_NAME.fullmatch(path.name.split(".")[0])
    if match is None:
        raise PayloadError(
            f"{path.name}: a JEC file's name says what it is for, expected <campaign>_<version>_<MC or DATA>_<level>_"
            "<algorithm>.jec.txt, e.g. Summer22_22Sep2023_V3_MC_L2Relative_AK4PFPuppi.jec.txt: keep the original name"
        )
    level = match["level"]
    if level in NOT_LEVELS:
        raise PayloadError(
            f"{path.name} holds {NOT_LEVELS[level]}, not a level of the correction: give the levels only "
            f"({', '.join(LEVEL_ORDER)})"
        )
    if level not in LEVEL_ORDER:
        raise PayloadError(f"{path.name}: unknown level '{level}', expected one of {', '.join(LEVEL_ORDER)}")
    return match["tag"], level, match["algorithm"]


def _read_table(path: Path, level: str) -> FormulaTable:
    text = _content(path)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise PayloadError(f"{path.name} is empty: expected a header and one row a bin; {WHOLE_FILE}")
    header = _header(path, *lines[0])
    if len(lines) == 1:
        raise PayloadError(f"{path.name} ends after its header, line {lines[0][0]}: expected rows; {WHOLE_FILE}")
    rows = [_row(path, number, line, header) for number, line in lines[1:]]
    lengths = {row.size for row in rows}
    if len(lengths) > 1:
        odd = next(i for i, row in enumerate(rows) if row.size != rows[0].size)
        raise PayloadError(
            f"{path.name}, line {lines[odd + 1][0]}: {rows[odd].size} numbers, but {rows[0].size} in line "
            f"{lines[1][0]}: expected as many in every row; {WHOLE_FILE}"
        )
    if not text.endswith("\n"):
        raise PayloadError(
            f"{path.name}, line {lines[-1][0]}: the file ends in the middle of a line, so its last number may be cut; "
            f"{WHOLE_FILE}, or end the file with a newline if you know that it is whole"
        )
    order = sorted(range(len(rows)), key=lambda i: tuple(rows[i][: 2 * len(header.binned)]))
    table = np.stack([rows[i] for i in order])
    numbers = [lines[i + 1][0] for i in order]
    edges = 2 * len(header.binned)
    ranges_end = edges + 1 + 2 * len(header.variables)
    ranges = table[:, edges + 1 : ranges_end].reshape(len(rows), len(header.variables), 2)
    return FormulaTable(
        level=level,
        axes=_axes(path, header, table, numbers),
        formula=header.formula,
        variables=tuple(CANONICAL[name] for name in header.variables),
        parameters=np.ascontiguousarray(table[:, ranges_end:].T),
        ranges=np.ascontiguousarray(ranges.transpose(1, 2, 0)),
    )


def _content(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("ascii")
    except FileNotFoundError:
        raise PayloadError(f"no such JEC file: {path}") from None
    except UnicodeDecodeError as error:
        raise PayloadError(f"{path.name} is not a text file (byte {error.start}): expected a JEC text file") from None
    except EOFError:
        raise PayloadError(f"{path.name}: the gzip stream is cut short; {WHOLE_FILE}") from None
    except Exception as error:  # zlib.error, OSError: none of them may reach coffea, whose skipbadfiles drops the chunk
        raise PayloadError(f"cannot read {path}: {type(error).__name__}: {error}; {WHOLE_FILE}") from None


def _header(path: Path, number: int, line: str) -> _Header:
    def broken(what: str) -> PayloadError:
        return PayloadError(
            f"{path.name}, line {number}: {what} in the header '{line[:120]}': expected "
            "'{n binned... m variables... formula Correction level}', e.g. '{1 JetEta 1 JetPt [0]*x Correction "
            f"L2Relative}}'; {WHOLE_FILE}"
        )

    if not (line.startswith("{") and line.endswith("}")):
        raise broken("no braces")
    words = line[1:-1].split()
    names: list[tuple[str, ...]] = []
    for kind in ("binned quantities", "variables"):
        if not words or not words[0].isdecimal() or not 1 <= int(words[0]) <= 4:
            raise broken(f"no number (1 to 4) of {kind}")
        count = int(words.pop(0))
        if len(words) < count:
            raise broken(f"{len(words)} of {count} {kind}")
        names.append(tuple(words[:count]))
        words = words[count:]
        unknown = [name for name in names[-1] if name not in CANONICAL]
        if unknown:
            raise broken(f"unknown {kind} {', '.join(unknown)} (known: {', '.join(CANONICAL)})")
    if len(words) < 3:
        raise broken(f"{len(words)} of the 3 last words (formula, Correction, level)")
    if words[1] != "Correction":
        raise broken(f"'{words[1]}' instead of 'Correction': not a level of the correction")
    try:
        formula = parse(words[0])
    except PayloadError as error:
        raise PayloadError(f"{path.name}, line {number}: {error}") from None
    if formula.n_variables > len(names[1]):
        raise broken(f"a formula of {formula.n_variables} variables, but only {len(names[1])} named")
    return _Header(names[0], names[1], formula)


def _row(path: Path, number: int, line: str, header: _Header) -> npt.NDArray[np.float64]:
    words = line.split()
    edges = 2 * len(header.binned)
    least = 2 * len(header.variables) + header.formula.n_parameters

    def broken(what: str) -> PayloadError:
        return PayloadError(f"{path.name}, line {number}: {what}; {WHOLE_FILE}")

    try:
        row = np.array([float(word) for word in words], dtype=np.float64)
    except ValueError:
        odd = next(word for word in words if not _is_number(word))
        raise broken(f"'{odd[:40]}' is not a number") from None
    if row.size <= edges:
        raise broken(f"{row.size} numbers, expected at least {edges + 1 + least}")
    if not np.isfinite(row).all():
        raise broken(f"'{words[int(np.argmin(np.isfinite(row)))]}' is not finite")
    if row[edges] != row.size - edges - 1:
        raise broken(f"{row.size - edges - 1} numbers follow the bin, expected {words[edges]} as the row says")
    if row[edges] < least:
        raise broken(
            f"{words[edges]} numbers follow the bin, expected at least {least}: the range of "
            f"{', '.join(header.variables)} and {header.formula.n_parameters} parameters"
        )
    for i, name in enumerate((*header.binned, *header.variables)):
        at = 2 * i + (i >= len(header.binned))
        if row[at] > row[at + 1] or (row[at] == row[at + 1] and i < len(header.binned)):
            raise broken(f"the range of {name}, {words[at]} to {words[at + 1]}, is not ascending")
    return row


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _axes(path: Path, header: _Header, table: npt.NDArray[np.float64], numbers: Sequence[int]) -> tuple[Axis, ...]:
    axes = []
    groups = np.zeros(len(table), dtype=np.int64)
    for i, name in enumerate(header.binned):
        low, high = table[:, 2 * i], table[:, 2 * i + 1]
        same_group = groups[1:] == groups[:-1]
        new = np.concatenate([[True], ~same_group | (low[1:] != low[:-1]) | (high[1:] != high[:-1])])
        first = np.flatnonzero(new)
        clash = (groups[first[1:]] == groups[first[:-1]]) & (low[first[1:]] < high[first[:-1]])
        if clash.any():
            at = int(first[1:][clash][0])
            raise PayloadError(
                f"{path.name}, line {numbers[at]}: the bin of {name}, {low[at]:g} to {high[at]:g}, overlaps with that "
                f"of line {numbers[at - 1]}, {low[at - 1]:g} to {high[at - 1]:g}: expected bins side by side; "
                f"{WHOLE_FILE}"
            )
        if name == "JetEta" and not math.isclose(-low.min(), high.max(), abs_tol=1e-3) and low.min() < 0:
            raise PayloadError(
                f"{path.name}, line {numbers[int(np.argmax(high))]}: the bins of JetEta end at {high.max():g} but "
                f"begin at {low.min():g}: expected both ends alike, so rows are missing; {WHOLE_FILE}"
            )
        offsets = np.append(np.flatnonzero(np.append(True, np.diff(groups[first]) > 0)), first.size)
        axes.append(Axis(CANONICAL[name], low[first].copy(), high[first].copy(), offsets.astype(np.int64)))
        groups = np.cumsum(new) - 1
    if groups[-1] + 1 != len(table):
        at = int(np.flatnonzero(np.diff(groups) == 0)[0]) + 1
        raise PayloadError(
            f"{path.name}, lines {numbers[at - 1]} and {numbers[at]} are for the same bin: expected one row a bin; "
            f"{WHOLE_FILE}"
        )
    return tuple(axes)
