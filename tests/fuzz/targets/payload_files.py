"""Payload files, text and JSON, and how they are damaged."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzz.case import Case, Mutation
from tests.fuzz.judging import FREE, MUST
from tests.fuzz.targets.damage import change_bytes, place_in
from tests.fuzz.world import DATA

TAG = "MLJECSim_V1_MC"
JETS = "AK4PFchs"
SOURCES = """[AbsoluteStat]
{1 JetEta 1 JetPt "" Correction JECSource}
-5.191 -2.5 9 10 0.03 0.03 100 0.02 0.02 1000 0.01 0.01
-2.5 0 9 10 0.02 0.02 100 0.01 0.01 1000 0.01 0.01
0 2.5 9 10 0.02 0.02 100 0.01 0.01 1000 0.01 0.01
2.5 5.191 9 10 0.03 0.03 100 0.02 0.02 1000 0.01 0.01
[Total]
{1 JetEta 1 JetPt "" Correction JECSource}
-5.191 0 9 10 0.06 0.06 100 0.04 0.04 1000 0.02 0.02
0 5.191 9 10 0.06 0.06 100 0.04 0.04 1000 0.02 0.02
"""
TEXTS = {
    "L1FastJet": f"{TAG}_L1FastJet_{JETS}.jec.txt",
    "L2Relative": f"{TAG}_L2Relative_{JETS}.jec.txt",
    "L3Absolute": f"{TAG}_L3Absolute_{JETS}.jec.txt",
    "PtResolution": f"{TAG}_PtResolution_{JETS}.jr.txt",
    "SF": f"{TAG}_SF_{JETS}.jersf.txt",
    "UncertaintySources": f"{TAG}_UncertaintySources_{JETS}.junc.txt",
}
JSONS = ("json levels", "json resolution", "json uncertainty")
NUMBERS = (
    "nan", "inf", "-inf", "1e38", "-1e38", "1e400", "0", "-1", "1_0", "9" * 5000, "0x10", "1e", "", "\u0661", "1,5",
    "+-1",
    "1d3", "True", "1.0e+0000000000000000005", "7",
)  # fmt: skip
WORDS = (
    "{", "}", "JetEta", "JetPt", "Rho", "JetPhi", "[0]", "Correction", "L3Absolute", "0", "1", "2", "99", "x",
    "exp(1000*x)",
    "(" * 300, "max(0.0001," * 100, "1/0", "x/(x-x)", "__import__('os')", "log(-1)", "pow(x,1e9)", '""', "None",
    "[999]",
    "[-1]", "y", "9**9**9",
)  # fmt: skip
ARGUMENTS = (
    "none",
    "number",
    "bytes",
    "empty",
    "nul",
    "long",
    "root",
    "folder",
    "null device",
    "zero device",
    "pipe",
    "list",
    "surrogate",
    "object",
)
JSON_VALUES: tuple[Any, ...] = (
    None, True, "", "x", "inf", "nan", 0, -1, 1e38, -1e38, 10**400, 7, [], [1], {}, {"nodetype": "x"}, "a" * 5000,
    "JetEta",
    "JetPt", "exp(1000*x)", "__import__('os')", "error", "clamp", 2, "3",
)  # fmt: skip


@cache
def originals() -> dict[str, str]:
    """File name -> text."""
    found = {}
    for name in TEXTS.values():
        path = DATA / "jec" / name
        found[name] = path.read_text() if path.is_file() else SOURCES
    return found


@cache
def document() -> str:
    """The bundled correctionlib file, with an uncertainty."""
    content = json.loads(gzip.decompress((DATA / "jec" / f"{TAG}_{JETS}.json.gz").read_bytes()))
    content["corrections"].append(
        {
            "name": f"{TAG}_Total_{JETS}",
            "version": 1,
            "inputs": [{"name": "JetEta", "type": "real"}, {"name": "JetPt", "type": "real"}],
            "output": {"name": "uncertainty", "type": "real"},
            "data": {"nodetype": "binning", "input": "JetEta", "edges": [-5.191, 0.0, 5.191], "flow": "error",
            "content": [
                {"nodetype": "binning", "input": "JetPt", "edges": [1.0, 50.0, 7000.0], "flow": "clamp",
                "content": [0.05, a]}
                for a in (0.02, 0.03)
            ]},
        }
    )  # fmt: skip
    return json.dumps(content)


def write(kind: str, folder: Path) -> list[Path]:
    if kind.startswith("json"):
        (folder / "jec.json").write_text(document())
        return [folder / "jec.json"]
    names = [TEXTS[level] for level in (("L1FastJet", "L2Relative", "L3Absolute") if kind == "levels" else (kind,))]
    for name in names:
        (folder / name).write_text(originals()[name])
    return [folder / name for name in names]


def draw(random: Random) -> Case:
    kind = random.choice(("levels", "levels", "PtResolution", "SF", "UncertaintySources", *JSONS))
    mutations: list[Mutation] = []
    if random.random() < 0.05:
        return Case("payloads", {"kind": kind}, [["argument", random.choice(ARGUMENTS)]])
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if kind.startswith("json"):
            mutations.append(_draw_json(random))
        else:
            mutations.append(_draw_text(random, 3 if kind == "levels" else 1))
    return Case("payloads", {"kind": kind}, mutations)


def _draw_text(random: Random, n_files: int) -> Mutation:
    """The number of the file, then what."""
    file, line = random.randrange(n_files), random.random()
    kind = random.choice(("row_gone", "row_gone", "rows_gone", "row_twice", "row_swap", "number", "number", "number",
    "header",
                          "header", "bytes", "newline", "name", "gz", "edge"))  # fmt: skip
    if kind == "number":
        return [kind, file, line, random.randrange(14), random.choice(NUMBERS)]
    if kind == "edge":
        return [kind, file, line, random.randrange(2), random.choice((0.9, 1.1, -1.0, 1.001))]
    if kind == "header":
        return [kind, file, random.randrange(8), random.choice(("set", "swap", "drop", "twice")), random.choice(WORDS)]
    if kind == "bytes":
        return [
            kind,
            file,
            random.choice(("flip", "set", "cut", "insert", "zeros", "double")),
            line,
            random.randrange(256),
        ]
    if kind == "name":
        return [kind, file, random.choice(("MC", "DATA", "level", "algorithm", "long", "bare", "markup"))]
    return [kind, file, line]


def _draw_json(random: Random) -> Mutation:
    kind = random.choice(("json", "json", "json", "json_del", "json_twice", "json_swap", "bytes", "gz"))
    if kind == "bytes":
        return [kind, 0, random.choice(("flip", "set", "cut", "insert", "zeros", "double")), random.random(),
                random.randrange(256)]  # fmt: skip
    if kind == "gz":
        return [kind, 0, random.random()]
    steps = [random.random() for _ in range(random.randrange(1, 12))]
    return [kind, steps, random.choice(JSON_VALUES)] if kind == "json" else [kind, steps]


def mutate(paths: list[Path], mutation: Mutation) -> int:
    """Change a file; return whether its numbers may be others now."""
    kind, *arguments = mutation
    if kind.startswith("json"):
        return _mutate_json(paths[0], kind, *arguments)
    number, *arguments = arguments
    path = paths[number % len(paths)]
    if not path.is_file():
        return MUST
    if kind == "bytes":
        before = path.read_bytes()
        change_bytes(path, *arguments)
        return FREE if path.read_bytes() != before else MUST
    if kind == "gz":
        path.write_bytes(gzip.compress(path.read_bytes())[: None if arguments[0] > 0.5 else -20])
        return MUST
    if kind == "name":
        new = path.name
        how = arguments[0]
        new = {
            "MC": new.replace("_MC_", "_DATA_"), "DATA": new.replace("_V1_", "_V2_"), "level": re.sub("L[123]", "L9",
            new),
            "algorithm": new.replace("AK4PFchs", "AK4PFPuppi"), "long": "x" * 100 + new, "bare": "x.txt",
            "markup": "[b]" + new,
        }[how]  # fmt: skip
        paths[number % len(paths)] = path.rename(path.with_name(new))
        return MUST
    if path.read_bytes()[:2] == b"\x1f\x8b":  # packed by a mutation before
        return MUST
    text = path.read_text(errors="replace")
    lines = text.splitlines()
    changed, strict = _mutate_lines(lines, kind, arguments)
    path.write_text("\n".join(changed) + ("" if kind == "newline" else "\n"))
    return strict


def _mutate_lines(lines: list[str], kind: str, arguments: list[Any]) -> tuple[list[str], int]:
    rows = [number for number, line in enumerate(lines) if line[:1] in "-0123456789" and line]
    if kind == "header":
        return _mutate_header(lines, *arguments)
    if not rows or kind == "newline":
        return lines, MUST
    row = rows[min(int(arguments[0] * len(rows)), len(rows) - 1)]
    words = lines[row].split()
    # Without its last bins a payload is another one: it reaches less far.
    outermost = row in (rows[0], rows[-1]) or len(rows) < 3
    if kind == "row_gone":
        del lines[row]
        return lines, FREE if outermost else MUST
    if kind == "rows_gone":
        keep = [line for number, line in enumerate(lines) if not row <= number < row + 25]
        return keep, FREE if outermost or row + 25 > rows[-1] else MUST
    if kind == "row_twice":
        lines.insert(row, lines[row])
        return lines, MUST
    if kind == "row_swap":
        lines[row], lines[rows[0]] = lines[rows[0]], lines[row]
        return lines, MUST
    if kind == "edge":
        at = min(arguments[1], len(words) - 1)
        try:
            edge = float(words[at])
        except ValueError:  # broken by a mutation before
            return lines, MUST
        words[at] = repr(edge * arguments[2] + (0.01 if edge == 0 else 0))
        lines[row] = " ".join(words)
        return lines, FREE if outermost else MUST
    column, number = arguments[1] % len(words), arguments[2]
    words[column] = number
    lines[row] = " ".join(words)
    try:
        plain = bool(re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?(e[-+]?[0-9]+)?", number)) and np.isfinite(float(number))
    except ValueError:
        plain = False
    return lines, FREE if plain else MUST


def _mutate_header(lines: list[str], word: int, how: str, new: str) -> tuple[list[str], int]:
    number = next((number for number, line in enumerate(lines) if line.startswith("{")), None)
    if number is None:
        return lines, MUST
    words = lines[number][1:-1].split()
    at = word % max(len(words), 1)
    formula = at == len(words) - 3
    if how == "set":
        words[at] = new
    elif how == "swap":
        words[at], words[at - 1] = words[at - 1], words[at]
    elif how == "drop":
        del words[at]
    else:
        words.insert(at, words[at])
    lines[number] = "{" + " ".join(words) + "}"
    return lines, FREE if formula and how == "set" else MUST


def _mutate_json(path: Path, kind: str, steps: list[float], value: Any = None) -> int:
    try:
        tree = json.loads(path.read_text())
    except (ValueError, RecursionError):
        return MUST
    above, key, node = place_in(tree, steps)
    if above is None:
        return MUST
    number = isinstance(node, (int, float)) and not isinstance(node, bool)
    if kind == "json":
        above[key] = value
        if isinstance(value, int) and abs(value) > 10**300:
            text = json.dumps(tree | {"x": None}) if False else _dumps(tree)
            path.write_text(text)
            return FREE
    elif kind == "json_del":
        del above[key]
    elif isinstance(above, list):
        if kind == "json_twice":
            above.insert(key, node)
        else:
            above[key], above[key - 1] = above[key - 1], above[key]
    path.write_text(_dumps(tree))
    changes_numbers = number or kind == "json_swap" or isinstance(value, (int, float)) or key in ("expression", "flow")
    return FREE if changes_numbers else MUST


def _dumps(tree: Any) -> str:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(tree)
    finally:
        sys.set_int_max_str_digits(before)


def _pipe(folder: Path) -> Path:
    """A pipe that nobody writes to."""
    path = folder / "pipe"
    if not path.exists():
        os.mkfifo(path)
    return path


def argument_of(kind: str, folder: Path) -> Any:
    """What may be given for a path."""
    if kind == "pipe":
        return _pipe(folder)
    return {
        "none": None, "number": 5, "zero device": "/dev/zero", "bytes": b"x.txt", "empty": "", "nul": "a\0b",
        "long": "x" * 5000, "root": "/",
        "folder": folder, "null device": "/dev/null", "list": [], "surrogate": "\udc80.txt", "object": object(),
    }[kind]  # fmt: skip


def sign(mutation: Mutation) -> str:
    """Without places."""
    kind, *arguments = mutation
    if kind == "number":
        return f"number {'of 5000 digits' if len(arguments[3]) > 99 else arguments[3]}"
    if kind == "header":
        return f"header {arguments[2]} {arguments[3][:12] if arguments[2] == 'set' else ''}"
    if kind == "json":
        return f"json {str(arguments[1])[:20]}"
    if kind in ("name", "argument"):
        return f"{kind} {arguments[-1]}"
    return kind
