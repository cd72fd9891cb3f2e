"""Servers of networks that lie: over a real socket, from their first answer on or once they are trusted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any
from unittest import mock

import numpy as np

from coffea_mljec import MLJEC, TritonServer
from coffea_mljec.models import sessions
from coffea_mljec.models.folder import ModelFolder, model_of
from tests.fuzz.case import Case, Mutation, Outcome, Target
from tests.fuzz.judging import FREE, MUST, UNTOUCHED, Numbers, compare, outcome_of
from tests.fuzz.targets.damage import damaged, place_in
from tests.fuzz.targets.models import ODD_VALUES
from tests.fuzz.world import corrected, in_memory, tables_of
from tests.models import toy
from tests.models.backends.model_server import Answer, Fault, serve

PATHS = ("ready", "metadata", "config", "infer", "infer", "infer", "infer")
HEADER = "Inference-Header-Content-Length"
HEADERS = {
    "Content-Length": ("-1", "x", "3", "100000", "", "9" * 30),
    "Transfer-Encoding": ("chunked", "x"),
    "Content-Encoding": ("gzip",),
    HEADER: ("-1", "x", "0", "10", "9" * 30, "1e3", ""),
}
VALUES = ("nan", "inf", "-inf", "1e30", "-1e30")
SHAPES = ("short", "long", "column", "scalar", "none", "twice", "transposed")
BATCH = 16
TRUSTED = 8
"""Evaluations of made-up jets by which a runner gets to know a network."""
PATIENT, IMPATIENT = 30.0, 0.5
"""Seconds; the second where an answer is waited for that does not come."""
TOLERANCE = 1e-5


@cache
def _model() -> ModelFolder:
    return model_of(toy.graph(), toy.card(batch_size=BATCH))


@cache
def _expected() -> Numbers:
    return corrected(MLJEC(_model()), in_memory(tables_of("pfnano")), "Jet")


def draw(random: Random) -> Case:
    setup = {
        "from": random.choice((0, 0, TRUSTED - 1, TRUSTED, TRUSTED + 1)),
        "once": random.random() < 0.3,
        "binary": random.random() < 0.7,
    }
    mutations = [_drawn(random) for _ in range(random.choice((1, 1, 1, 2)))]
    return Case("servers", setup, mutations)


def _drawn(random: Random) -> Mutation:
    kind = random.choice(("close", "code", "cut", "bytes", "bytes", "json", "json", "header", "value", "shape", "type",
                          "slow", "stale", "again"))  # fmt: skip
    path = random.choice(PATHS)
    if kind == "code":
        return [kind, path, random.choice((100, 204, 301, 400, 404, 429, 500, 503, 999))]
    if kind == "cut":
        return [kind, path, random.random()]
    if kind == "bytes":
        how = random.choice(("flip", "set", "cut", "insert", "zeros", "double"))
        return [kind, path, how, random.random(), random.randrange(256)]
    if kind == "json":
        return [kind, path, [random.random() for _ in range(random.randrange(1, 5))], repr(random.choice(ODD_VALUES))]
    if kind == "header":
        name = random.choice(list(HEADERS))
        return [kind, path, name, random.choice(HEADERS[name])]
    if kind in ("value", "shape", "type"):
        return [kind, "infer", random.choice({"value": VALUES, "shape": SHAPES, "type": ("<f8", "<i8")}[kind])]
    return [kind, path]


def judge(case: Case) -> Outcome:
    """Correct with the network here and there: the same numbers, flagged jets where it gives none, or an error."""
    setup = case.setup
    waits = any(mutation[0] in ("slow", "header", "code") for mutation in case.mutations)
    over = threading.Event()
    with (
        mock.patch.object(sessions, "_RUNNERS", {}),  # a port may come again
        serve({"toy": _model().graph}, binary=setup["binary"]) as server,
    ):
        server.fault = _lies(case, over)
        try:
            there = MLJEC(_model(), server=TritonServer(server.url, timeout=IMPATIENT if waits else PATIENT))
            found = corrected(there, in_memory(tables_of("pfnano")), "Jet")
        except Exception as error:
            return outcome_of(error)
        finally:
            over.set()
    everything = max(_kind(mutation, setup["binary"]) for mutation in case.mutations)
    return compare(found, _expected(), {}, everything, TOLERANCE)


def _kind(mutation: Mutation, binary: bool) -> int:
    """What a lie may come to. A number that somebody else wrote is as good as the server's own."""
    kind, path, *_ = mutation
    if kind == "value":
        return MUST
    return FREE if path == "infer" and (kind == "bytes" or (kind == "json" and not binary)) else UNTOUCHED


def _lies(case: Case, over: threading.Event) -> Fault:
    """Spoil the answers of the paths that a case names, from some evaluation on."""
    seen = {"infer": 0}
    before: dict[str, Answer] = {}

    def fault(path: str, answer: Answer) -> Answer | None:
        name = path.rsplit("/", 1)[-1]
        name = name if name in ("ready", "config", "infer") else "metadata"
        number = seen["infer"]
        seen["infer"] += name == "infer"
        first = case.setup["from"] if name == "infer" else 0
        changed: Answer | None = answer
        if number >= first and not (case.setup["once"] and number > first):
            for kind, where, *arguments in case.mutations:
                if where == name and changed is not None:
                    changed = _CHANGES[kind](changed, before.get(name, answer), over, *arguments)
        before[name] = answer
        return changed

    return fault


def _split(answer: Answer) -> tuple[Any, bytes]:
    """The JSON of an answer, and the binary tensors behind it."""
    end = int(answer.headers.get(HEADER, len(answer.body)))
    try:
        return json.loads(answer.body[:end]), answer.body[end:]
    except (ValueError, RecursionError):  # spoilt before
        return None, b""


def _joined(answer: Answer, tree: Any, tensors: bytes) -> Answer:
    header = json.dumps(tree).encode()
    length = {HEADER: str(len(header))} if HEADER in answer.headers else {}
    return replace(answer, body=header + tensors, headers=answer.headers | length)


def _json(answer: Answer, _before: Answer, _over: Any, steps: list[float], value: str) -> Answer:
    tree, tensors = _split(answer)
    above, key, _ = place_in(tree, steps)
    if above is None:
        return answer
    above[key] = eval(value, {"inf": float("inf"), "nan": float("nan")})
    return _joined(answer, tree, tensors)


def _array(answer: Answer, change: Callable[[np.ndarray], np.ndarray]) -> Answer:
    """Another array, described as it is."""
    tree, tensors = _split(answer)
    try:
        (item,) = tree["outputs"]
        values = np.frombuffer(tensors, "<f4") if tensors else np.array(item["data"], "<f4")
        values = change(values.reshape(item["shape"]))
    except (LookupError, TypeError, ValueError):  # spoilt before
        return answer
    item["shape"], item["datatype"] = (
        list(values.shape),
        {"f4": "FP32", "f8": "FP64", "i8": "INT64"}[values.dtype.str[1:]],
    )
    if not tensors:
        item["data"] = values.ravel().tolist()
        return _joined(answer, tree, b"")
    item["parameters"] = {"binary_data_size": values.nbytes}
    return _joined(answer, tree, values.tobytes())


def _shape(values: np.ndarray, how: str) -> np.ndarray:
    return {
        "short": lambda: values[:-1], "long": lambda: np.append(values, values[:1]), "column": lambda: values[:, None],
        "scalar": lambda: values[:1].reshape(()) if len(values) else values, "none": lambda: values[:0],
        "twice": lambda: np.stack([values, values], axis=1), "transposed": lambda: values[None],
    }[how]()  # fmt: skip


def _slow(answer: Answer, _before: Answer, over: threading.Event) -> Answer:
    over.wait(PATIENT)
    return answer


def _again(answer: Answer, _before: Answer, _over: Any) -> Answer:
    """A second answer behind the first, which nobody has asked for."""
    lines = {"Content-Length": str(len(answer.body))} | answer.headers
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    second = f"HTTP/1.1 {answer.code} OK\r\n{head}\r\n".encode() + answer.body
    return replace(answer, body=answer.body + second, headers=lines)


_CHANGES: dict[str, Callable[..., Answer | None]] = {
    "close": lambda answer, before, over: None,
    "code": lambda answer, before, over, code: replace(answer, code=code),
    "cut": lambda answer, before, over, part: replace(answer, sent=int(part * len(answer.body))),
    "bytes": lambda answer, before, over, *how: replace(answer, body=damaged(answer.body, *how)),
    "json": _json,
    "header": lambda answer, before, over, name, value: replace(answer, headers=answer.headers | {name: value}),
    "value": lambda answer, before, over, value: _array(answer, lambda values: np.full_like(values, float(value))),
    "shape": lambda answer, before, over, how: _array(answer, lambda values: _shape(values, how)),
    "type": lambda answer, before, over, dtype: _array(answer, lambda values: values.astype(dtype)),
    "slow": _slow,
    "stale": lambda answer, before, over: before,
    "again": _again,
}


def sign(mutation: Mutation) -> str:
    """Without places and numbers."""
    kind, path, *arguments = mutation
    return f"{kind} of {path} {arguments[0] if kind in ('header', 'value', 'shape', 'type', 'code') else ''}".strip()


TARGET = Target(draw, judge, 5, sign)
