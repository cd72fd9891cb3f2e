"""The arrows between the rooms (ARCHITECTURE.md): a room imports those above it, never one below."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    "foundations", "numerics", "support", "nano", "features", "models", "payloads", "systematics", "corrections", "met",
    "selection", "eras", "workers", "validation", "report", "cli",
]  # fmt: skip
FOUNDATIONS = {"defaults", "errors", "status"}


def room_of(module: str) -> str | None:
    """The room of ``coffea_mljec.x.y``; None for the package itself, which gathers the public names."""
    parts = module.split(".")
    if len(parts) == 1:
        return None
    return "foundations" if parts[1] in FOUNDATIONS else parts[1]


def imports_of(path: Path) -> list[str]:
    """Absolute module names that a file imports, at its top or inside functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found += [
                f"{node.module}.{alias.name}" if node.module == "coffea_mljec" else node.module for alias in node.names
            ]
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "coffea_mljec").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    mine = room_of(module)
    for name in imports_of(path):
        top = name.split(".")[0]
        assert top not in {"training", "torch", "lightning", "onnx"}, f"{module} imports {name}"
        if top == "coffea_mljec" and mine is not None:
            theirs = room_of(name)
            if theirs in ORDER:
                assert ORDER.index(theirs) <= ORDER.index(mine), f"{module} ({mine}) imports {name} ({theirs})"


def test_every_room_is_listed() -> None:
    rooms = {p.name for p in (ROOT / "coffea_mljec").iterdir() if (p / "__init__.py").is_file()}
    assert rooms == set(ORDER) - {"foundations"}
    modules = {p.stem for p in (ROOT / "coffea_mljec").glob("*.py")} - {"__init__"}
    assert modules == FOUNDATIONS
