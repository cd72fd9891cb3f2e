"""The rows of JEC text payloads, one a bin, below the header that `coffea_mljec.payloads.textheader` reads.

A row holds low and high edge of each binned quantity, how many numbers follow, the range of each variable, the
parameters of the formula. Uncertainties and scale factors have no formula: plain numbers follow the bin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads.bounds import is_possible, odd_factor, reaches
from coffea_mljec.payloads.payload import CANONICAL, ROUNDING
from coffea_mljec.payloads.table import Axis, FormulaTable
from coffea_mljec.payloads.textheader import WHOLE_FILE, Header, Lines, read_header, read_lines

__all__ = ["Rows", "formula_table", "read_rows"]

LEAST_NUMBERS = 3
"""Without a formula: nominal, down, up; or pT, up, down."""


@dataclass(frozen=True)
class Rows:
    """The rows of a table, sorted by their bins, and the line of each."""

    table: npt.NDArray[np.float64]
    numbers: list[int]
    axes: tuple[Axis, ...]


def formula_table(path: Path, level: str, kind: str = "Correction") -> FormulaTable:
    """Read a file of one table whose rows hold the parameters of a formula."""
    lines, whole = read_lines(path)
    header = read_header(path, *lines[0], kind)
    assert header.formula is not None
    rows = read_rows(path, lines[1:], header, lines[0][0], whole, gaps=kind == "Resolution")
    edges = 2 * len(header.binned)
    ranges_end = edges + 1 + 2 * len(header.variables)
    ranges = rows.table[:, edges + 1 : ranges_end].reshape(len(rows.table), len(header.variables), 2)
    table = FormulaTable(
        level=level,
        axes=rows.axes,
        formula=header.formula,
        variables=tuple(CANONICAL[name] for name in header.variables),
        parameters=np.ascontiguousarray(rows.table[:, ranges_end:].T),
        ranges=np.ascontiguousarray(ranges.transpose(1, 2, 0)),
    )
    if kind == "Correction" and (odd := odd_factor(table)) is not None:
        raise PayloadError(f"{path.name}: {odd} {WHOLE_FILE}")
    return table


def read_rows(path: Path, lines: Lines, header: Header, above: int, whole: bool = True, gaps: bool = False) -> Rows:
    """Read the rows that follow the header in line `above`.

    ``gaps`` allows bins that do not adjoin: published resolutions have some, and their jets are marked as not valid. In
    a correction a jet in a gap would keep a factor of 1 without a word.
    """
    if not lines:
        raise PayloadError(f"{path.name} ends after its header, line {above}: expected rows; {WHOLE_FILE}")
    rows = [_row(path, number, line, header) for number, line in lines]
    if len({row.size for row in rows}) > 1:
        odd = next(i for i, row in enumerate(rows) if row.size != rows[0].size)
        raise PayloadError(
            f"{path.name}, line {lines[odd][0]}: {rows[odd].size} numbers, but {rows[0].size} in line "
            f"{lines[0][0]}: expected as many in every row; {WHOLE_FILE}"
        )
    if not whole:
        raise PayloadError(
            f"{path.name}, line {lines[-1][0]}: the file ends in the middle of a line, so its last number may be cut; "
            f"{WHOLE_FILE}, or end the file with a newline if you know that it is whole"
        )
    _check_reach(path, header, np.stack(rows), above)
    order = sorted(range(len(rows)), key=lambda i: tuple(rows[i][: 2 * len(header.binned)]))
    table = np.stack([rows[i] for i in order])
    numbers = [lines[i][0] for i in order]
    return Rows(table, numbers, _axes(path, header, table, numbers, gaps))


def _check_reach(path: Path, header: Header, table: npt.NDArray[np.float64], above: int) -> None:
    """Refuse quantities whose bins or ranges are those of another, as after an exchange of two names in the header."""
    variables = header.variables if header.formula is not None else ()
    for i, name in enumerate((*header.binned, *variables)):
        at = 2 * i + (i >= len(header.binned))
        if not reaches(name, table[:, at + 1]):
            raise PayloadError(
                f"{path.name}, line {above}: {name} ends at {table[:, at + 1].max():g}, too low for it: are two "
                f"quantities exchanged in the header, or rows missing? {WHOLE_FILE}"
            )


def _row(path: Path, number: int, line: str, header: Header) -> npt.NDArray[np.float64]:
    words = line.split()
    edges = 2 * len(header.binned)
    # Without a formula no ranges follow.
    variables = header.variables if header.formula is not None else ()
    n_parameters = header.formula.n_parameters if header.formula is not None else LEAST_NUMBERS
    least = 2 * len(variables) + n_parameters

    def broken(what: str) -> PayloadError:
        return PayloadError(f"{path.name}, line {number}: {what}; {WHOLE_FILE}")

    odd = next((word for word in words if not _is_number(word)), None)
    if odd is not None:
        raise broken(f"'{odd[:40]}' is not a number")
    row = np.array([float(word) for word in words], dtype=np.float64)
    if row.size <= edges:
        raise broken(f"{row.size} numbers, expected at least {edges + 1 + least}")
    if not np.isfinite(row).all():
        raise broken(f"'{words[int(np.argmin(np.isfinite(row)))]}' is not finite")
    if row[edges] != row.size - edges - 1:
        raise broken(f"{row.size - edges - 1} numbers follow the bin, expected {words[edges]} as the row says")
    if row[edges] < least:
        raise broken(
            f"{words[edges]} numbers follow the bin, expected at least {least}"
            + (f": the range of {', '.join(variables)} and {n_parameters} parameters" if variables else "")
        )
    for i, name in enumerate((*header.binned, *variables)):
        at = 2 * i + (i >= len(header.binned))
        if row[at] > row[at + 1] or (row[at] == row[at + 1] and i < len(header.binned)):
            raise broken(f"the range of {name}, {words[at]} to {words[at + 1]}, is not ascending")
        if not is_possible(name, row[at : at + 2]):
            raise broken(f"{words[at]} to {words[at + 1]} cannot be a range of {name}: are two quantities swapped?")
    return row


def _is_number(word: str) -> bool:
    if "_" in word:  # 1_0 is 10 to Python, and to nobody else
        return False
    try:
        float(word)
    except ValueError:
        return False
    return True


def _check_ends(
    path: Path,
    name: str,
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int64],
    numbers: Sequence[int],
    gaps: bool,
) -> None:
    """Refuse a correction whose bins do not begin and end alike for each bin of the quantity before."""
    if gaps:
        return
    change = np.diff(groups) > 0
    first, last = np.append(True, change), np.append(change, True)
    for edges, end, verb in ((low, first, "begin"), (high, last, "end")):
        outer = edges.min() if verb == "begin" else edges.max()
        short = end & (np.abs(edges - outer) > ROUNDING)
        if short.any():
            at = int(np.argmax(short))
            raise PayloadError(
                f"{path.name}, line {numbers[at]}: the bins of {name} {verb} at {edges[at]:g} here and at {outer:g} "
                f"elsewhere: expected both ends alike, so rows are missing; {WHOLE_FILE}"
            )


def _axes(
    path: Path, header: Header, table: npt.NDArray[np.float64], numbers: Sequence[int], gaps: bool
) -> tuple[Axis, ...]:
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
        _check_ends(path, name, low[first], high[first], groups[first], [numbers[row] for row in first.tolist()], gaps)
        gap = (groups[first[1:]] == groups[first[:-1]]) & (low[first[1:]] - high[first[:-1]] > ROUNDING)
        if gap.any() and not gaps:
            at, before = int(first[1:][gap][0]), int(first[:-1][gap][0])
            raise PayloadError(
                f"{path.name}, line {numbers[at]}: no bin of {name} from {high[before]:g} to {low[at]:g} (line "
                f"{numbers[before]} ends there): expected bins side by side, so rows are missing; {WHOLE_FILE}"
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
