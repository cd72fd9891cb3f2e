"""Every code block of README and docs runs as it stands, or at least parses where it is a command line.

Python blocks of a page run in order, in one namespace and an empty folder, with the sample that comes with the package.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.docs.pages import PAGES, ROOT, blocks_of, name_of

# These need other frameworks, or real files: tests/docs/test_frameworks.py, test_migration.py and
# tests/eras/test_processor.py run them.
ELSEWHERE = {
    "docs/howto/coffea.md", "docs/howto/friends.md", "docs/howto/pocketcoffea.md", "docs/howto/columnflow.md",
    "docs/howto/migration.md", "docs/howto/eras.md",
}  # fmt: skip
WITH_PYTHON = [page for page in PAGES if "\n```python\n" in page.read_text() and name_of(page) not in ELSEWHERE]
WITH_SHELL = [page for page in PAGES if "\n```sh\n" in page.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "page"}
    for block in blocks_of(page.read_text()):
        if block.language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), scope)
        if block.output is not None:
            assert printed.getvalue() == block.output


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_name_their_language(page: Path) -> None:
    """So that none goes untested by an oversight: other languages are listed here."""
    opened = re.findall(r"^```(?!`)([^\n]*)$", page.read_text(), flags=re.M)[::2]
    for kind in opened:
        assert kind in {"python", "sh", "text", "py", "yaml"} or kind.startswith("{"), kind
        assert kind != "py" or name_of(page) == "docs/howto/migration.md", "coffea's own, run by test_migration.py"


@pytest.mark.parametrize("page", WITH_SHELL, ids=name_of)
def test_shell_blocks_parse(page: Path) -> None:
    for block in blocks_of(page.read_text()):
        if block.language == "sh":
            for command in commands_of(block.text):
                check(command)


def commands_of(text: str) -> Iterator[list[str]]:
    """The command lines of a block as words, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            if words := shlex.split(part, comments=True):
                yield words


def check(words: list[str]) -> None:
    """Fail where a command, an option, a make target or a file of this repository does not exist."""
    program, *rest = words
    if program == "mljec":
        from coffea_mljec.cli.app import app

        parse(app, rest)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
        assert [word for word in rest if "=" not in word and word not in targets] == []
    elif rest[:2] == ["-m", "training"]:
        pytest.importorskip("torch", reason="the training's commands import it")
        from training.__main__ import app

        parse(app, rest[2:])
    elif program == "python" and rest[0].endswith(".py"):
        source = (ROOT / rest[0]).read_text()
        assert [word for word in rest if word.startswith("-") and f'"{word}"' not in source] == []
    elif program.endswith("python") and rest[:2] == ["-m", "pytest"]:
        assert all((ROOT / path).exists() for path in rest[2:])
    else:
        assert program in {"cernopendata-client", "openssl", "pip", "python", "twine"}, words
    for word in words:
        if re.match(r"(training/(configs|opendata|reports)|examples|tests)/", word):
            assert (ROOT / word).exists(), word


def parse(app: typer.Typer, words: list[str]) -> None:
    """Parse the words of a command of a typer program, without running it."""
    group: Any = typer.main.get_command(app)  # of click, which typer may bring along
    name, *arguments = words
    command = group.commands[name]
    values, _, _ = command.make_parser(group.context_class(command)).parse_args(arguments)
    lacking = [each.name for each in command.params if each.required and not values.get(each.name or "")]
    assert lacking == [], f"{' '.join(words)} lacks {lacking}"
