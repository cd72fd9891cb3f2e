"""The text format of JEC payloads: the name of a file, its lines, and its header.

A header is ``{n binned... m variables... formula kind}``; `coffea_mljec.payloads.textrows` reads the rows below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads.formula import Formula, parse
from coffea_mljec.payloads.payload import CANONICAL, payload_content

__all__ = ["WHOLE_FILE", "Header", "Lines", "file_name", "read_header", "read_lines"]

FILE_NAME = re.compile(r"(?P<tag>.+_(?:MC|DATA))_(?P<level>[A-Za-z0-9]+)_(?P<algorithm>[A-Za-z0-9]+)")
WHOLE_FILE = "copy the whole file again (from the JERC group's JECDatabase)"
NO_FORMULA = ("None", '""')
COUNTS = ("0", "1", "2", "3", "4")

EXAMPLES = {
    "Correction": "{1 JetEta 1 JetPt [0]*x Correction L2Relative}",
    "Resolution": "{2 JetEta Rho 1 JetPt sqrt([0]*[0]/(x*x)+[1]*[1]) Resolution}",
    "ScaleFactor": "{1 JetEta 0 None ScaleFactor}",
    "JECSource": '{1 JetEta 1 JetPt "" Correction JECSource}',
}

WHAT = {
    "Correction": "a level of the correction", "Resolution": "a resolution", "ScaleFactor": "a scale factor",
    "JECSource": "an uncertainty",
}  # fmt: skip

Lines = list[tuple[int, str]]
"""Numbers, from 1, and texts of the lines that are neither empty nor comments."""


@dataclass(frozen=True)
class Header:
    """Names of binned quantities and of the formula's variables; `formula` is None where rows hold plain numbers."""

    binned: tuple[str, ...]
    variables: tuple[str, ...]
    formula: Formula | None


def file_name(path: Path) -> tuple[str, str, str]:
    """Return tag, level and algorithm, which the name of a file says."""
    match = FILE_NAME.fullmatch(path.name.split(".")[0])
    if match is None:
        raise PayloadError(
            f"{path.name}: a JEC file's name says what it is for, expected <campaign>_<version>_<MC or DATA>_<level>_"
            "<algorithm>.jec.txt, e.g. Summer22_22Sep2023_V3_MC_L2Relative_AK4PFPuppi.jec.txt: keep the original name"
        )
    return match["tag"], match["level"], match["algorithm"]


def read_lines(path: Path) -> tuple[Lines, bool]:
    """Return the lines of a file (at least one), and whether the last one is complete."""
    text = _content(path)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise PayloadError(f"{path.name} is empty: expected a header and one row a bin; {WHOLE_FILE}")
    return lines, text.endswith("\n")


def _content(path: Path) -> str:
    try:
        return payload_content(path, WHOLE_FILE).decode("ascii")
    except UnicodeDecodeError as error:
        raise PayloadError(f"{path.name} is not a text file (byte {error.start}): expected a JEC text file") from None


def read_header(path: Path, number: int, line: str, kind: str) -> Header:
    """Read a header of a kind: ``Correction``, ``Resolution``, ``ScaleFactor`` or ``JECSource`` (an uncertainty)."""

    def broken(what: str) -> PayloadError:
        return PayloadError(
            f"{path.name}, line {number}: {what} in the header '{line[:120]}': expected "
            f"'{{n binned... m variables... formula {keyword}{level}}}', e.g. '{EXAMPLES[kind]}'; {WHOLE_FILE}"
        )

    keyword = "Correction" if kind == "JECSource" else kind
    level = " level" if keyword == "Correction" else ""
    last = ("formula", keyword, "level") if level else ("formula", keyword)
    fewest = int(kind != "ScaleFactor")
    if not (line.startswith("{") and line.endswith("}")):
        raise broken("no braces")
    words = line[1:-1].split()
    names: list[tuple[str, ...]] = []
    for what, least in (("binned quantities", 1), ("variables", fewest)):
        if not words or words[0] not in COUNTS[least:]:
            raise broken(f"no number ({least} to 4) of {what}")
        count = int(words.pop(0))
        if len(words) < count:
            raise broken(f"{len(words)} of {count} {what}")
        names.append(tuple(words[:count]))
        words = words[count:]
        unknown = [name for name in names[-1] if name not in CANONICAL]
        if unknown:
            raise broken(f"unknown {what} {', '.join(unknown)} (known: {', '.join(CANONICAL)})")
        if len(set(names[-1])) < count:
            raise broken(f"{what} that come twice ({', '.join(names[-1])})")
    if len(words) < len(last):
        raise broken(f"{len(words)} of the {len(last)} last words ({', '.join(last)})")
    # Published files of scale factors name the number of values, or shorten the keyword; some write it small.
    if kind == "ScaleFactor" and words[1].isdecimal():
        words = [words[0], *words[2:]]
    if (words[1:2] == ["SF"] and kind == "ScaleFactor") or words[1:2] == [keyword.lower()]:
        words[1] = keyword
    if words[1:2] != [keyword]:
        raise broken(f"'{' '.join(words[1:2])}' instead of '{keyword}': not {WHAT[kind]}")
    # Headers of scale factors go on with the names of their numbers.
    if len(words) > len(last) and kind != "ScaleFactor":
        raise broken(f"'{' '.join(words[len(last) :])[:40]}' after the last word")
    if kind in ("JECSource", "ScaleFactor"):
        if words[0] not in NO_FORMULA:
            raise broken(f"the formula '{words[0][:40]}', which {WHAT[kind]} does not have,")
        return Header(names[0], names[1], None)
    try:
        formula = parse(words[0])
    except PayloadError as error:
        raise PayloadError(f"{path.name}, line {number}: {error}") from None
    if formula.n_variables > len(names[1]):
        raise broken(f"a formula of {formula.n_variables} variables, but only {len(names[1])} named")
    return Header(names[0], names[1], formula)
