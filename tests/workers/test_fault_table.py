"""The table of faults in the documentation names tests that there are, and all of those that are about faults."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
TESTS = FOLDER.parent
PAGE = FOLDER.parents[1] / "docs" / "explanation" / "trust.md"
ABOUT_FAULTS = ("test_faults.py", "test_faults_at_length.py", "test_interrupts.py")


def functions_in(name: str, folder: Path = FOLDER) -> set[str]:
    body = ast.parse((folder / name).read_text()).body
    return {f"{name}::{node.name}" for node in body if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"}


def test_every_fault_has_its_test() -> None:
    named = re.findall(r"`(test_\w+\.py::test_\w+)`(\\\*)?", PAGE.read_text())
    assert len({name for name, _ in named}) > 30
    files = {path.name for path in FOLDER.glob("test_*.py")}
    there = set().union(*(functions_in(name) for name in files))
    assert {name for name, _ in named} <= there
    about = set().union(*(functions_in(name) for name in ABOUT_FAULTS))
    assert about <= {name for name, _ in named}
    assert {name for name, star in named if star} == functions_in("test_faults_at_length.py")


def test_every_fault_of_a_training_has_its_test() -> None:
    named = re.findall(r"`(training/[\w/]+\.py)(::test_\w+)`(\\\*)?", PAGE.read_text())
    assert len({file + test for file, test, _ in named}) > 10
    assert all(file + test in functions_in(file, TESTS) for file, test, _ in named)
    at_length = functions_in("training/test_faults_at_length.py", TESTS)
    assert {file + test for file, test, star in named if star} == at_length
