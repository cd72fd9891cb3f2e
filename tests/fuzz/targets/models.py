"""Model folders: bytes, sizes, cards, graphs, and files that are not what they seem."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from coffea_mljec import MLJEC
from tests.fuzz.case import Case, Mutation, Outcome, Target
from tests.fuzz.judging import FREE, MUST, Numbers, compare, outcome_of
from tests.fuzz.targets.damage import change_bytes
from tests.fuzz.targets.graphs import GRAPHS, graph
from tests.fuzz.world import corrected, in_memory, tables_of

BUNDLED = Path(__file__).resolve().parents[3] / "coffea_mljec" / "models" / "bundled"
MODELS = {"pfn": "pfn-r-lite", "edge": "particlenet-r-lite", "context": "pfn-c-lite"}
FILES = ("model.onnx", "card.json")
PLACES = ("missing", "folder", "link outside", "link inside", "dangling", "pipe", "sparse", "empty", "zero device")
ODD_VALUES: tuple[Any, ...] = (
    None, True, "", "x", "é\u202e[b]", 0, -1, 1, 2, 10**6, 10**30, 1e308, -0.5, [], [1], ["pt"], ["pt", "pt"], {},
    {"a": 1},
    "a" * 5000, "../../x", [-1e30, 1e30], [5, 5], [1e9, 1e10],
)  # fmt: skip


@cache
def events() -> Any:
    return in_memory(tables_of("pfnano"))


@cache
def numbers_of(base: str) -> Numbers:
    return corrected(MLJEC(MODELS[base]), events(), "Jet") if base in MODELS else _toy_numbers()


@cache
def _toy_numbers() -> Numbers:
    with tempfile.TemporaryDirectory() as folder:
        _write_toy(Path(folder), "bias 0.1")
        return corrected(MLJEC(folder), events(), "Jet")


def _write_toy(folder: Path, kind: str) -> None:
    """The toy network of `graphs`, with a card."""
    from tests.models.toy import card

    content = graph(kind)
    fields = card(features={"jet": ["pt", "eta"]}, schema_version=2, sha256=hashlib.sha256(content).hexdigest())
    (folder / "model.onnx").write_bytes(content)
    (folder / "card.json").write_text(json.dumps(fields))


def draw(random: Random) -> Case:
    base = random.choice(("toy", "toy", "pfn", "edge", "context"))
    setup = {"base": base, "digest renewed": random.random() < 0.7}
    mutations: list[Mutation] = []
    for _ in range(random.choice((1, 1, 2, 3))):
        kind = random.choice(("bytes", "bytes", "bytes", "card", "card", "card", "graph", "place", "weights"))
        if kind == "bytes":
            how = random.choice(("flip", "set", "cut", "insert", "zeros", "double"))
            mutations.append([how, random.choice(FILES), random.random(), random.randrange(256)])
        elif kind == "card":
            path = random.choice(_paths(_card(base)))
            mutations.append(["card", path, random.choice(ODD_VALUES)] if random.random() < 0.8 else ["card_del", path])
        elif kind == "graph" and base == "toy":
            mutations.append(["graph", random.choice(GRAPHS)])
        elif kind == "weights" and base != "toy":
            mutations.append(
                ["weights", random.randrange(40), random.choice(("1e30", "nan", "inf", "-1e10", "0", "100", "shape"))]
            )
        else:
            mutations.append(["place", random.choice(FILES), random.choice(PLACES)])
    return Case("models", setup, mutations)


@cache
def _card(base: str) -> Any:
    if base in MODELS:
        return json.loads((BUNDLED / MODELS[base] / "card.json").read_text())
    from tests.models.toy import card

    return json.loads(json.dumps(card(features={"jet": ["pt", "eta"]}, schema_version=2, sha256="0" * 64)))


def _paths(node: Any, above: tuple[Any, ...] = ()) -> list[list[Any]]:
    """Where in a JSON tree something can be changed."""
    found = [list(above)] if above else []
    items = node.items() if isinstance(node, dict) else enumerate(node[:4]) if isinstance(node, list) else ()
    for key, value in items:
        found += _paths(value, (*above, key))
    return found


def judge(case: Case) -> Outcome:
    """Open the folder and apply the model."""
    base = case.setup["base"]
    expected = numbers_of(base)
    whole = corrected  # warmed above
    with tempfile.TemporaryDirectory(prefix="mljec-fuzz-") as name:
        folder = Path(name) / "model"
        folder.mkdir()
        if base == "toy":
            _write_toy(folder, "bias 0.1")
        else:
            for file in FILES:
                shutil.copyfile(BUNDLED / MODELS[base] / file, folder / file)
        before = {file: (folder / file).read_bytes() for file in FILES}
        places = [mutation for mutation in case.mutations if mutation[0] == "place"]
        for mutation in case.mutations:
            if mutation[0] != "place":
                _mutate(folder, mutation)
        if case.setup["digest renewed"] and (folder / "model.onnx").read_bytes() != before["model.onnx"]:
            _renew(folder)
        for mutation in places:
            _place(folder, *mutation[1:])
        changed = any(not (folder / f).is_file() or (folder / f).stat().st_size > 10**9
                      or (folder / f).read_bytes() != before[f] for f in FILES)  # fmt: skip
        graph_changed = changed and _graph_changed(folder, before)
        try:
            provider = MLJEC(folder)
            found = whole(provider, events(), "Jet")
            renewed = case.setup["digest renewed"] or any(mutation[0] == "graph" for mutation in case.mutations)
            if graph_changed and not renewed:
                return Outcome("silent", "a changed graph was opened without its digest being asked for")
            outcome = compare(found, expected, {}, FREE if changed else MUST)
            if outcome.failed:
                return outcome
            return _rows_alone(provider, found) or outcome
        except Exception as error:
            return outcome_of(error)


def _graph_changed(folder: Path, before: dict[str, bytes]) -> bool:
    path = folder / "model.onnx"
    return path.is_file() and path.stat().st_size < 10**9 and path.read_bytes() != before["model.onnx"]


def _rows_alone(provider: Any, found: Numbers) -> Outcome | None:
    """A jet's number must not depend on the other jets of the batch."""
    part = corrected(provider, events()[2:5], "Jet")
    rows = {int(identity): row for row, identity in enumerate(found.identity)}
    for jet, identity in enumerate(part.identity):
        whole = found.factor[rows[int(identity)]]
        if part.factor[jet].tobytes() != whole.tobytes():
            text = f"jet {identity}: factor {whole:.6g} among all events, {part.factor[jet]:.6g} among three"
            return Outcome("silent", text)
    return None


def _mutate(folder: Path, mutation: Mutation) -> None:
    kind, *arguments = mutation
    if kind in ("card", "card_del"):
        _change_card(folder, kind, *arguments)
    elif kind == "graph":
        (folder / "model.onnx").write_bytes(graph(arguments[0]))
        _renew(folder)
    elif kind == "weights":
        _change_weights(folder, *arguments)
    else:
        change_bytes(folder / arguments[0], kind, *arguments[1:])


def _change_card(folder: Path, kind: str, path: list[Any], value: Any = None) -> None:
    try:
        card = json.loads((folder / "card.json").read_text())
        node = card
        for key in path[:-1]:
            node = node[key]
        if kind == "card_del":
            del node[path[-1]]
        else:
            node[path[-1]] = value
    except (ValueError, KeyError, IndexError, TypeError):
        return
    (folder / "card.json").write_text(json.dumps(card))


def _renew(folder: Path) -> None:
    """As somebody would who means harm: the card's digest is that of the changed graph."""
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    _change_card(folder, "card", ["sha256"], digest)


def _change_weights(folder: Path, number: int, value: str) -> None:
    import onnx
    from onnx import numpy_helper

    try:
        model = onnx.load_from_string((folder / "model.onnx").read_bytes())
    except Exception:
        return
    tensors = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    if not tensors:
        return
    tensor = tensors[number % len(tensors)]
    values = numpy_helper.to_array(tensor).copy()
    if value == "shape":
        values = values[..., :-1] if values.ndim else values
    elif values.size:
        values.flat[0] = np.float32(value) if value != "100" else values.flat[0] * 100
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _place(folder: Path, name: str, how: str) -> None:
    """Something else in the place of a file."""
    path = folder / name
    content = path.read_bytes() if path.is_file() and path.stat().st_size < 10**9 else b""
    if path.is_dir():
        return
    path.unlink(missing_ok=True)
    if how == "folder":
        path.mkdir()
    elif how in ("link outside", "link inside"):
        other = (folder.parent if how == "link outside" else folder) / f"other-{name}"
        other.write_bytes(content)
        path.symlink_to(other)
    elif how == "dangling":
        path.symlink_to(folder / "nowhere")
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "sparse":
        with path.open("wb") as file:
            file.truncate(40 * 2**30)
    elif how == "empty":
        path.touch()
    elif how == "zero device":
        path.symlink_to("/dev/zero")


def sign(mutation: Mutation) -> str:
    """Without places and values."""
    kind, *arguments = mutation
    if kind in ("card", "card_del"):
        steps = ".".join(str(step) for step in arguments[0] if not isinstance(step, int))
        return f"{kind} {steps}" + (f" = {type(arguments[1]).__name__}" if kind == "card" else "")
    if kind in ("graph", "place"):
        return " ".join(mutation)
    if kind == "weights":
        return f"weights {arguments[1]}"
    return f"bytes of {arguments[0]}"


TARGET = Target(draw, judge, 15, sign)
