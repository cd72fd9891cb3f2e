"""Every command: one file, its help, and nothing heavy before it runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from typer.testing import CliRunner

from training import cli
from training.__main__ import app

COMMANDS = (
    "simulate",
    "derive",
    "calibrate",
    "merge",
    "realism",
    "exchange",
    "prepare",
    "train",
    "search",
    "study",
    "fine-tune",
    "export",
    "export-weaver",
    "ensemble",
    "evaluate",
    "evaluate-dijets",
    "evaluate-masses",
    "evaluate-pairs",
    "redraw",
    "convert",
    "evaluate-opendata",
    "heavy-background",
    "tagging",
    "unfolding",
)
FOLDER = Path(cli.__file__).parent


def test_a_file_is_a_command() -> None:
    assert {path.stem.replace("_", "-") for path in FOLDER.glob("*.py")} - {"--init--", "options"} == set(COMMANDS)
    assert {command.name for command in app.registered_commands} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


@pytest.mark.parametrize("name", [*COMMANDS, "options"])
def test_rooms_are_imported_when_a_command_runs(name: str) -> None:
    """``--help`` waits for no torch and no Pythia: only defaults and errors are imported at the top."""
    tree = ast.parse((FOLDER / f"{name.replace('-', '_')}.py").read_text())
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    ours = {module for module in imported if module and module.split(".")[0] in ("training", "coffea_mljec")}
    assert ours <= {"training", "training.cli.options", "coffea_mljec.defaults", "coffea_mljec.errors"}


def test_export_weaver(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="graphs are wrapped with onnx")
    result = CliRunner().invoke(app, ["export-weaver", "jet-bdt", "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "inputs jet_inputs (11); outputs log_correction" in result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.onnx", "card.json", "preprocess.json"}
