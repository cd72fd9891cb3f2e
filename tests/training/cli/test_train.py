"""``python -m training train``: its options reach the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.learning.tiny import tiny
from training.learning.recipe import Recipe


def test_the_command_passes_its_changes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer
    from typer.testing import CliRunner

    from training.cli import train as module

    seen: dict[str, Any] = {}

    def pretend(recipe: Recipe, resume: bool, progress: bool) -> Path:
        seen.update(recipe=recipe, resume=resume, progress=progress)
        return recipe.runs / recipe.name

    monkeypatch.setattr("training.learning.train.train", pretend)
    monkeypatch.setattr("training.learning.run_folder.read_run", lambda folder: {})
    monkeypatch.setattr("training.learning.run_folder.describe_run", lambda run: "described")
    app = typer.Typer()
    app.command()(module.command)
    tiny(tmp_path).write(tmp_path / "r.yaml")
    options = ["--resume", "--quiet", "--seed", "9", "--threads", "3", "--max-minutes", "2.5", "--production", "a.root"]
    options += ["--name", "tiny-9"]
    result = CliRunner().invoke(
        app, [str(tmp_path / "r.yaml"), *options, "--production", "b", "--runs", str(tmp_path / "other")]
    )
    assert result.exit_code == 0, result.output
    recipe = seen["recipe"]
    assert (seen["resume"], seen["progress"]) == (True, False)
    assert (recipe.seed, recipe.learning.threads, recipe.learning.max_minutes) == (9, 3, 2.5)
    assert recipe.productions == (Path("a.root"), Path("b"))
    assert recipe.learning.batch_size == 64
    assert recipe.name == "tiny-9"
    assert "python -m training export" in result.output.replace("\n", " ")
