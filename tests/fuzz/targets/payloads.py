"""Payloads, text and JSON: rows gone, bins that overlap, numbers that are none, headers and axes exchanged."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from coffea_mljec import FactorizedJEC, Status
from coffea_mljec import payloads as readers
from tests.factories import Tables
from tests.fuzz.case import Case, Outcome, Target
from tests.fuzz.judging import FREE, LEAST, MOST, MUST, outcome_of
from tests.fuzz.targets.payload_files import JETS, TAG, argument_of, draw, mutate, sign, write
from tests.fuzz.world import corrected, in_memory


@cache
def grid() -> dict[str, np.ndarray]:
    """Jets everywhere: eta x pT x rho."""
    rho, eta, pt = np.meshgrid([3.0, 20.0, 45.0], np.linspace(-5.1, 5.1, 83), np.geomspace(6, 4000, 19), indexing="ij")
    columns = {"eta": eta.ravel(), "pt_raw": pt.ravel(), "pt": pt.ravel(), "rho": rho.ravel()}
    size = columns["eta"].size
    return columns | {"phi": np.linspace(-3, 3, size), "area": np.full(size, 0.5), "run": np.ones(size)}


@cache
def events() -> Any:
    """The same jets as events, one for each rho."""
    columns = grid()
    n_jets = len(columns["eta"])
    jets = {name: columns[name].astype(np.float32) for name in ("pt", "eta", "phi", "area")}
    jets |= {
        "mass": jets["pt"] * np.float32(0.1),
        "rawFactor": np.zeros(n_jets, np.float32),
        "puId": np.full(n_jets, 7, np.int32),
        "fuzzId": np.arange(n_jets, dtype=np.int32),
    }
    numbers = {
        "run": np.ones(3, np.uint32),
        "luminosityBlock": np.ones(3, np.uint32),
        "event": np.arange(3, dtype=np.uint64),
        "fixedGridRhoFastjetAll": np.array([3, 20, 45], np.float32),
        "genWeight": np.ones(3, np.float32),
    }
    return in_memory(Tables(numbers, {"Jet": np.full(3, n_jets // 3)}, {"Jet": jets}))


def _read(kind: str, folder: Path, argument: Any = None) -> Any:
    """The reader of a kind, on the files of a folder."""
    path = argument
    if kind.startswith("json"):
        path = folder / "jec.json" if argument is None else argument[0]
        if kind == "json levels":
            return readers.read_json(path, TAG, JETS)
        reader = readers.read_resolution_json if kind == "json resolution" else readers.read_uncertainties_json
        return reader(path, TAG, JETS)
    if path is not None:
        path = path[0]
    elif kind != "levels":
        path = next(iter(sorted(folder.iterdir())))
    if kind == "PtResolution":
        return readers.read_resolution_text(path)
    if kind == "SF":
        return readers.read_scale_factor_text(path)
    if kind == "UncertaintySources":
        return readers.read_uncertainties_text(path)
    return readers.read_text(sorted(folder.iterdir()) if argument is None else [path])


def _numbers(kind: str, thing: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What it gives on the grid: name -> (number, valid). Uncertainties are shifted factors."""
    columns = grid()
    if hasattr(thing, "sources"):
        bound, found = thing.at(columns), {}
        for source in thing.sources:
            up, down, valid = bound.evaluate(source)
            found[f"{source} up"], found[f"{source} down"] = (1 + up, valid), (1 - down, valid)
        return found
    if isinstance(thing, readers.ScaleFactor):
        return {shift: thing.evaluate(columns, shift) for shift in ("nominal", "up", "down")}
    if isinstance(thing, readers.Payload):
        found = corrected(FactorizedJEC(thing), events(), "Jet")
        return {kind: (found.factor, (found.status & int(Status.APPLIED)) != 0)}
    value, valid = thing.evaluate(columns)
    return {kind: (1 + value if isinstance(thing, readers.Resolution) else value, valid)}


@cache
def _expected(kind: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    with tempfile.TemporaryDirectory() as folder:
        write(kind, Path(folder))
        return _numbers(kind, _read(kind, Path(folder)))


def judge(case: Case) -> Outcome:
    """Read the payload and evaluate it everywhere."""
    kind = case.setup["kind"]
    expected = _expected(kind)
    with tempfile.TemporaryDirectory(prefix="mljec-fuzz-") as name:
        folder = Path(name)
        paths, strict = write(kind, folder), MUST
        argument = None
        for mutation in case.mutations:
            if mutation[0] == "argument":
                argument = (argument_of(mutation[1], folder),)
            else:
                strict = max(strict, mutate(paths, mutation))
        try:
            found = _numbers(kind, _read(kind, folder, argument))
        except Exception as error:
            return outcome_of(error)
    return _compared(found, expected, strict)


def _compared(found: Any, expected: Any, strict: int) -> Outcome:
    kinds = set()
    for name, (value, valid) in found.items():
        with np.errstate(invalid="ignore"):
            wild = valid & ~((value >= LEAST) & (value <= MOST))
        if name in expected:
            # What the whole file gives is no matter of this target.
            wild &= value.astype(np.float32) != expected[name][0].astype(np.float32)
        if wild.any():
            return Outcome("silent", f"{name}: {value[wild][0]} for {wild.sum()} jets, said to be valid")
        if strict == FREE:
            kinds.add("right" if valid.all() else "flagged")
            continue
        if name not in expected:
            return Outcome("silent", f"{name}, which the whole file has not")
        before, was = expected[name]
        with np.errstate(invalid="ignore"):
            other = valid & (~was | (value.astype(np.float32) != before.astype(np.float32)))
        if other.any():
            jet = int(np.argmax(other))
            where = ", ".join(f"{key} {grid()[key][jet]:.4g}" for key in ("eta", "pt", "rho"))
            return Outcome(
                "silent",
                f"{name}: {other.sum()} jets of {other.size} changed, {before[jet]:.6g} -> {value[jet]:.6g} at {where}",
            )
        kinds.add("flagged" if (was & ~valid).any() else "right")
    return Outcome("flagged" if "flagged" in kinds else "right")


TARGET = Target(draw, judge, 20, sign)
