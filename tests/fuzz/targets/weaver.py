"""Networks of weaver: damaged graphs, and preprocess.json with odd values in every place."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import awkward as ak
import numpy as np

from coffea_mljec import Network
from tests.fuzz.case import Case, Mutation, Outcome, Target
from tests.fuzz.judging import outcome_of
from tests.fuzz.targets.damage import change_bytes, place_in
from tests.fuzz.targets.models import ODD_VALUES
from tests.fuzz.world import in_memory, tables_of
from tests.models import weaver_toy

FILES = ("toy-0.onnx", "preprocess.json")
PLACES = ("missing", "folder", "pipe", "zero device", "sparse", "empty")
MORE_VALUES: tuple[Any, ...] = (1e400, -1e400, 12, 4, 10**9, "pfcand_mask", "sv_d3dsig", "inf", "nan", 1e-300)
NUMBERS = (0, 1, -1, 2, 3, 12, 1000, 0.5, -7.5, 1e-300, 1e30, -1e30, 1e38, 1e300, 10**9)
TOLERANCE = 1e-4
"""Padding to another length changes the rounding of sums."""


@cache
def events() -> Any:
    return in_memory(tables_of("pfnano"))


def draw(random: Random) -> Case:
    mutations: list[Mutation] = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        kind = random.choice(("json",) * 4 + ("number",) * 6 + ("json_del",) * 2 + ("bytes",) * 3 + ("place",))
        if kind == "bytes":
            how = random.choice(("flip", "set", "cut", "insert", "zeros", "double"))
            mutations.append([how, random.choice(FILES), random.random(), random.randrange(256)])
        elif kind == "place":
            mutations.append([kind, random.choice(FILES), random.choice(PLACES)])
        elif kind == "number":
            # Down to a leaf, among the groups: the first two of the four parts of the file are names.
            steps = [0.4 + 0.6 * random.random(), *(random.random() for _ in range(5))]
            mutations.append(["json", steps, repr(random.choice(NUMBERS))])
        else:
            steps = [random.random() for _ in range(random.randrange(1, 5))]
            value = random.choice((*ODD_VALUES, *MORE_VALUES))
            mutations.append([kind, steps, *([repr(value)] if kind == "json" else [])])
    return Case("weaver", {}, mutations)


def _outputs(network: Network, given: Any) -> dict[str, np.ndarray]:
    found = network.outputs(given, "FatJet")
    return {name: np.asarray(ak.flatten(found[name])) for name in found.fields}


def judge(case: Case) -> Outcome:
    """Read the network and evaluate it, on all events and on a few."""
    with tempfile.TemporaryDirectory(prefix="mljec-fuzz-") as name:
        folder = Path(name) / "toy"
        graphs, described = weaver_toy.write(folder)
        for mutation in case.mutations:
            _mutate(folder, mutation)
        try:
            network = Network.from_weaver(graphs, described, collection="FatJet")
            whole, part = _outputs(network, events()), _outputs(network, events()[2:5])
        except Exception as error:
            return outcome_of(error)
    counts = ak.to_numpy(ak.num(events()["FatJet"]))
    first = int(counts[:2].sum())
    for key, values in part.items():
        among = whole[key][first : first + len(values)]
        if not np.allclose(values, among, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            jet = int(np.argmax(~np.isclose(values, among, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)))
            return Outcome(
                "silent", f"{key} of jet {jet}: {among[jet]:.6g} among all events, {values[jet]:.6g} of three"
            )
        if len(whole[key]) != counts.sum():
            return Outcome("silent", f"{len(whole[key])} values of {key} for {counts.sum()} jets")
    return Outcome("right")


def _mutate(folder: Path, mutation: Mutation) -> None:
    kind, *arguments = mutation
    if kind == "place":
        _place(folder / arguments[0], arguments[1])
    elif kind.startswith("json"):
        path = folder / "preprocess.json"
        try:
            tree = json.loads(path.read_text() if path.is_file() and path.stat().st_size < 10**6 else "null")
        except (ValueError, RecursionError):
            return
        above, key, _ = place_in(tree, arguments[0])
        if above is None:
            return
        if kind == "json":
            above[key] = eval(arguments[1], {"inf": float("inf"), "nan": float("nan")})
        else:
            del above[key]
        path.write_text(json.dumps(tree))
    elif (folder / arguments[0]).is_file() and (folder / arguments[0]).stat().st_size < 10**8:
        change_bytes(folder / arguments[0], kind, *arguments[1:])


def _place(path: Path, how: str) -> None:
    """Something else in the place of a file."""
    if path.is_dir():
        return
    path.unlink(missing_ok=True)
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "zero device":
        path.symlink_to("/dev/zero")
    elif how == "sparse":
        with path.open("wb") as file:
            file.truncate(40 * 2**30)
    elif how == "empty":
        path.touch()


def sign(mutation: Mutation) -> str:
    kind, *arguments = mutation
    if kind == "json":
        return f"json {arguments[1][:20]}"
    if kind == "place":
        return " ".join(mutation)
    return kind if kind == "json_del" else f"bytes of {arguments[0]}"


TARGET = Target(draw, judge, 5, sign)
