"""Checkpoints that were damaged on disk: said, or read back whole."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from coffea_mljec.workers import Checkpoints, DamagedCheckpointsWarning
from coffea_mljec.workers.checkpoints import Progress
from tests.fuzz.case import Case, Mutation, Outcome, Target
from tests.fuzz.judging import outcome_of
from tests.fuzz.targets.damage import change_bytes, place_in

CONFIGURATION = {"processor": "fuzz", "files": "0123", "chunks": "4567"}
FILES = ("done.zip", "configuration.json")
PLACES = ("missing", "folder", "link", "pipe", "empty", "dangling", "sparse")
ODD: tuple[Any, ...] = (
    None, "", "x", -1, 10**30, [], ["plain", 3], ["hist", 3], ["array", "nowhere.npy"], ["dict", []], ["float", "x"],
    ["scalar", "0.npy"], {}, ["set", [["dict", []]]], ["plain"], "0x1p1", ["Counter", 5], True,
)  # fmt: skip


def progress() -> Progress:
    import hist

    axis = hist.axis.Regular(20, 0, 400, name="pt", label="pT (GeV)")
    filled = hist.Hist(axis, storage="int64").fill(np.linspace(0, 500, 300))
    weighted = hist.Hist(axis, storage="weight").fill(np.linspace(0, 500, 300), weight=np.linspace(0, 1, 300))
    result = {"events": 120, "pt": filled, "weighted": weighted, "kinds": Counter({1: 2, 3: 4}), "x": 0.1,
              "array": np.arange(40.0), "nested": {"a": (1, 2.5, "text"), ("b", 1): {3, 4}}}  # fmt: skip
    return Progress(result, {("a.root", 0, 50), ("b.root", 50, 100)}, set())


def draw(random: Random) -> Case:
    mutations: list[Mutation] = []
    for _ in range(random.choice((1, 1, 2, 3))):
        kind = random.choice(
            ("bytes",) * 12 + ("tree",) * 8 + ("place",) * 4 + ("part",) * 4 + ("configuration",) * 4 + ("bomb",)
        )
        if kind == "bytes":
            mutations.append([random.choice(("flip", "set", "cut", "insert", "zeros", "double")),
            random.choice(FILES[:1] * 4 + FILES[1:]),
                              random.random(), random.randrange(256)])  # fmt: skip
        elif kind == "tree":
            mutations.append([kind, [random.random() for _ in range(random.randrange(1, 9))], random.choice(ODD)])
        elif kind == "place":
            mutations.append([kind, random.choice(FILES), random.choice(PLACES)])
        elif kind == "part":
            mutations.append([kind, random.random(), random.choice(("gone", "object", "header", "other"))])
        elif kind == "configuration":
            mutations.append(
                [kind, random.choice(("[]", "3", "null", "{}", '{"processor": 5}', "DEEP", "\u0000", '"x"'))]
            )
        else:
            mutations.append([kind])
    return Case("checkpoints", {}, mutations)


def judge(case: Case) -> Outcome:
    """Go on from the damaged checkpoints."""
    before = progress()
    with tempfile.TemporaryDirectory(prefix="mljec-fuzz-") as name:
        folder = Path(name) / "checkpoints"
        writing = Checkpoints(folder)
        writing.start(CONFIGURATION)
        writing.save(before)
        for mutation in case.mutations:
            _mutate(folder, mutation)
        there = (folder / "done.zip").is_file()
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                after = Checkpoints(folder, resume=True).start(CONFIGURATION)
        except Exception as error:
            return outcome_of(error)
    if after.result is None and not after.done:
        told = any(issubclass(warning.category, DamagedCheckpointsWarning) for warning in said)
        return Outcome("flagged" if told else "silent" if there else "right", "begins again")
    same = after.done == before.done and after.skipped == before.skipped and _equal(after.result, before.result)
    return Outcome("right") if same else Outcome("silent", f"read back as {after.done}, {str(after.result)[:300]}")


def _equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return bool(np.all(one == other)) and getattr(one, "shape", ()) == getattr(other, "shape", ())


def _mutate(folder: Path, mutation: Mutation) -> None:
    kind, *arguments = mutation
    done = folder / "done.zip"
    if kind == "place":
        _place(folder / arguments[0], arguments[1])
    elif kind == "configuration":
        if (folder / "configuration.json").is_file():
            (folder / "configuration.json").write_text(arguments[0].replace("DEEP", "[" * 100_000))
    elif kind == "bomb":
        if done.is_file():
            _bomb(done)
    elif kind in ("tree", "part"):
        _rewrite(done, kind, *arguments)
    elif (folder / arguments[0]).is_file() and (folder / arguments[0]).stat().st_size < 10**8:
        change_bytes(folder / arguments[0], kind, *arguments[1:])


def _bomb(path: Path) -> None:
    """A zip file of two megabytes whose content has two gigabytes: one compressed block, many times."""
    blank = b" " * 2**20
    block = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = block.compress(blank) + block.flush(zlib.Z_FULL_FLUSH)
    packed, size, checksum = once * 2000 + zlib.compressobj(9, zlib.DEFLATED, -15).flush(), 2000 * 2**20, 0
    for _ in range(2000):
        checksum = zlib.crc32(blank, checksum)
    name = b"tree.json"
    sizes = struct.pack("<IIIHH", checksum, len(packed), size, len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes + name
    central = (
        b"PK\x01\x02"
        + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33)
        + sizes
        + struct.pack("<HHHII", 0, 0, 0, 0, 0)
        + name
    )
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    path.write_bytes(local + packed + central + end)


def _rewrite(done: Path, kind: str, *arguments: Any) -> None:
    """Another content with right checksums, as a mistaken or a hostile writer leaves it."""
    if not done.is_file():  # a pipe would wait for its writer
        return
    try:
        with zipfile.ZipFile(done) as file:
            parts = {name: file.read(name) for name in file.namelist()}
    except Exception:  # damaged before
        return
    if kind == "tree":
        try:
            tree = json.loads(parts.get("tree.json", b"null"))
        except ValueError:
            return
        parts["tree.json"] = json.dumps(_changed(tree, *arguments)).encode()
    else:
        name = list(parts)[min(int(arguments[0] * len(parts)), len(parts) - 1)]
        content = parts.pop(name)
        if arguments[1] == "object":
            parts[name] = content.replace(b"'<f8'", b"'|O8'").replace(b"'<i8'", b"'|O8'")
        elif arguments[1] == "header":
            parts[name] = content.replace(b"'shape': (", b"'shape': (99999999999, ")
        elif arguments[1] == "other":
            parts[name] = b"\x93NUMPY" + content[6:20]
    with zipfile.ZipFile(done, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)


def _changed(tree: Any, steps: list[float], value: Any) -> Any:
    above, key, _ = place_in(tree, steps)
    if above is None:
        return value
    above[key] = value
    return tree


def _place(path: Path, how: str) -> None:
    if path.is_dir():
        return
    path.unlink(missing_ok=True)
    if how == "folder":
        path.mkdir()
    elif how == "link":
        path.symlink_to("/dev/zero")
    elif how == "dangling":
        path.symlink_to(path.parent / "nowhere" / "x")
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "empty":
        path.touch()
    elif how == "sparse":
        with path.open("wb") as file:
            file.truncate(40 * 2**30)


def sign(mutation: Mutation) -> str:
    kind, *arguments = mutation
    if kind in ("place", "configuration"):
        return f"{kind} {' '.join(text[:20] for text in arguments)}"
    if kind == "part":
        return f"part {arguments[1]}"
    if kind in ("tree", "bomb"):
        return kind
    return f"bytes of {arguments[0]}"


TARGET = Target(draw, judge, 5, sign)
