"""Command lines: odd paths, markup in names, numbers beyond sense, files that are not what their names say."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from coffea_mljec import models
from tests.factories import write
from tests.fuzz.case import Case, Mutation, Outcome, Target
from tests.fuzz.judging import outcome_of
from tests.fuzz.targets.damage import change_bytes
from tests.fuzz.world import SAMPLE, TEXTS, tables_of

BASES: dict[str, list[str]] = {
    "inspect": ["inspect", "nano.root"],
    "inspect json": ["inspect", "nano.root", "--json", "--events", "5"],
    "apply": ["apply", "nano.root", "-o", "out", "--jec", "L2.jec.txt"],
    "apply network": ["apply", "nano.root", "-o", "out", "--model", "pfn-r-lite"],
    "apply json": ["apply", "nano.root", "-o", "out", "--jec-json", "jec.json.gz", "--tag", "MLJECSim_V1_MC",
    "--algo", "AK4PFchs"],
    "apply regression": ["apply", "nano.root", "-o", "out", "--regression", "bReg"],
    "validate": ["validate", "nano.root", "-o", "out", "--jec", "L2.jec.txt", "--executor", "iterative"],
    "report": ["report", "out"],
    "models": ["models"],
    "import": ["import-weaver", "model/model.onnx", "preprocess.json", "-o", "network"],
    # Where the folder is replaced by one that can be made, all of the demonstration runs: in this process.
    "demo": ["demo", "-o", "/dev/null/x", "--executor", "iterative", "--workers", "1"],
    "sign": ["sign", "model", "--key", "key.pem"],
    "verify": ["verify", "model", "--key", "key.pem"],
    "apply signed": ["apply", "nano.root", "-o", "out", "--model", "model", "--public-key", "key.pem"],
    "nothing": [],
}  # fmt: skip
TEXT = (
    "", ".", "..", "/", "-", "--", "~", "nowhere.root", "/nowhere/x.root", "/dev/null", "/proc/self/mem", "LONG",
    "DEEP",
    "[/b]", "[b]x.root", "[link=http://x]", "a b.root", "a\nb.root", "a:b.root", "nano.root:Events", "*.root",
    "é\u202ex", "\udc80",
    "root://nowhere.invalid//x.root", "s3://bucket/x.root", "https://localhost:1/x.root", "file:///nowhere", "--help",
    "-h",
    "DIGITS", "50000", "-1", "0", "1e9", "nan", "1", "2", "None", "Events", "Jet", "FatJet", "SV", "run", "{}", "{0}",
    "%s",
    "nano.root",
    "out", "zip.zip", "L2.jec.txt", "damaged.root", "empty.root", "text.root", "x.parquet", "folder.root", "--json",
    "--version",
)  # fmt: skip
SPELT = {"LONG": "x" * 300, "DEEP": "x/" * 3000, "DIGITS": "9" * 400}
OPTIONS = (
    ("--collection",), ("--tree",), ("--workers",), ("--chunk-size",), ("--model",), ("--regression",), ("--jec",),
    ("--jec-json",),
    ("--tag",), ("--algo",), ("--events",), ("--scheduler",), ("--executor",), ("-o",), ("--skip-bad", ""),
    ("--force", ""),
    ("--resume", ""), ("--nonsense",),
)  # fmt: skip
SURROUNDINGS = ("no terminal size", "dumb", "no home", "small files", "gone", "c locale")
_OPEN: list[Any] = []
"""Folders that are there as long as the process is."""
PROCESSES = 6
"""More than these are not started, whatever a command line asks for."""


def draw(random: Random) -> Case:
    base = random.choice(list(BASES))
    mutations: list[Mutation] = []
    for _ in range(random.choice((1, 1, 2, 3))):
        kind = random.choice(("replace", "replace", "replace", "option", "option", "append", "drop", "file", "around"))
        if kind == "replace":
            mutations.append([kind, random.randrange(1, 8), random.choice(TEXT)])
        elif kind == "option":
            option = random.choice(OPTIONS)
            mutations.append([kind, option[0], *([] if len(option) > 1 else [random.choice(TEXT)])])
        elif kind == "append":
            mutations.append([kind, random.choice(TEXT)])
        elif kind == "drop":
            mutations.append([kind, random.randrange(0, 8)])
        elif kind == "around":
            mutations.append([kind, random.choice(SURROUNDINGS)])
        else:
            how = random.choice(("flip", "set", "cut", "insert", "zeros", "double"))
            mutations.append([kind, random.choice(("nano.root", "nano.root", "L2.jec.txt", "jec.json.gz")), how,
            random.random(),
                              random.randrange(256)])  # fmt: skip
    return Case("commands", {"base": base}, mutations)


@cache
def _files() -> Path:
    """Small files that a command line may name; copied for each case."""
    made = tempfile.TemporaryDirectory(prefix="mljec-fuzz-files-")
    _OPEN.append(made)
    folder = Path(made.name)
    write(tables_of("pfnano"), folder / "nano.root")
    shutil.copyfile(TEXTS[1], folder / "L2.jec.txt")
    shutil.copyfile(TEXTS[1], folder / TEXTS[1].name)
    shutil.copyfile(SAMPLE.parent / "jec" / "MLJECSim_V1_MC_AK4PFchs.json.gz", folder / "jec.json.gz")
    content = (folder / "nano.root").read_bytes()
    (folder / "damaged.root").write_bytes(content[: len(content) // 2])
    (folder / "empty.root").touch()
    (folder / "text.root").write_text("no ROOT file")
    (folder / "x.parquet").write_text("PAR1")
    (folder / "zip.zip").write_text("PK")
    shutil.copytree(Path(models.__file__).parent / "bundled" / "pfn-r-lite", folder / "model")
    (folder / "key.pem").write_text("no key")
    shutil.copyfile(folder / "model" / "card.json", folder / "preprocess.json")
    (folder / "folder.root").mkdir()
    for name in ("[b]x.root", "a b.root", "a:b.root"):
        shutil.copyfile(folder / "nano.root", folder / name)
    return folder


def judge(case: Case) -> Outcome:
    """Run the command line here: what it refuses is one message and exit status 2."""
    from coffea_mljec.cli import main

    words = [text.replace("L2.jec.txt", TEXTS[1].name) for text in BASES[case.setup["base"]]]
    around = []
    for kind, *arguments in case.mutations:
        if kind == "replace":
            if arguments[0] < len(words):
                words[arguments[0]] = arguments[1]
        elif kind == "option" or kind == "append":
            words += arguments
        elif kind == "drop":
            words = words[: arguments[0]] + words[arguments[0] + 1 :]
        elif kind == "around":
            around.append(arguments[0])
    words = [SPELT.get(text, text) for text in words]
    with tempfile.TemporaryDirectory(prefix="mljec-fuzz-") as name:
        folder = Path(name) / "here"
        shutil.copytree(_files(), folder)
        for kind, *arguments in case.mutations:
            if kind == "file":
                change_bytes(folder / arguments[0], *arguments[1:])
        with contextlib.ExitStack() as stack:
            stack.enter_context(_in(folder, around))
            out, err = stack.enter_context(_caught(["mljec", *words]))
            try:
                main()
                code: Any = 0
            except SystemExit as error:
                code = error.code
            except BaseException as error:
                return outcome_of(error)
        said = err.getvalue() + out.getvalue()
        if "Traceback (most recent call last)" in said:
            return Outcome("foreign", said[-400:], said.strip().splitlines()[-1][:60])
        left = [path.name for path in folder.rglob("*.part*")]
        if left:
            return Outcome("silent", f"left behind: {left}", "part left behind")
        if code in (0, None):
            return Outcome("right")
        if not said.strip():
            return Outcome("silent", f"exit status {code} without a word")
        return Outcome("clear error", said.strip()[-300:])


@contextlib.contextmanager
def _caught(words: list[str]) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Standard streams of their own, and no way to start processes without number."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, words
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _few_processes():
        try:
            yield out, err
        finally:
            sys.argv = before


@contextlib.contextmanager
def _few_processes() -> Iterator[None]:
    import subprocess
    from multiprocessing import util

    started = 0

    def counted(start: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal started
            started += 1
            if started > PROCESSES:
                raise TooManyProcesses(f"more than {PROCESSES} processes are started")
            return start(*arguments, **options)

        return run

    before = util.spawnv_passfds, os.fork, subprocess._fork_exec  # type: ignore[attr-defined]
    util.spawnv_passfds, os.fork = counted(before[0]), counted(before[1])
    subprocess._fork_exec = counted(before[2])  # type: ignore[attr-defined]
    try:
        yield
    finally:
        util.spawnv_passfds, os.fork, subprocess._fork_exec = before  # type: ignore[attr-defined]


class TooManyProcesses(BaseException):
    """A command line made the program start processes without a limit."""


@contextlib.contextmanager
def _in(folder: Path, around: list[str]) -> Iterator[None]:
    """A working directory and an environment."""
    import resource

    before, environment = os.getcwd(), dict(os.environ)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    os.chdir(folder)
    if "no terminal size" in around:
        os.environ["COLUMNS"] = "0"
    if "dumb" in around:
        os.environ["TERM"] = "dumb"
    if "no home" in around:
        os.environ["HOME"] = "/nowhere"
    if "c locale" in around:
        os.environ["LC_ALL"] = "C"
    if "small files" in around:
        # A disk that is full: writing beyond some bytes is an OSError.
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limit[1]))
    if "gone" in around:
        shutil.rmtree(folder)
        folder.mkdir()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)


def sign(mutation: Mutation) -> str:
    kind, *arguments = mutation
    if kind == "file":
        return f"bytes of {arguments[0]}"
    if kind == "replace":
        return f"argument {arguments[1][:30]!r}"
    if kind == "drop":
        return "argument left out"
    return " ".join(repr(text[:30]) if number else text for number, text in enumerate([kind, *arguments]))


TARGET = Target(draw, judge, 10, sign, limit=150.0)
