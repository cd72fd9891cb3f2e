"""``python -m training evaluate``: names with values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.errors import InputError


def test_the_command_reads_its_variants(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer
    from typer.testing import CliRunner

    from training.cli import evaluate as module

    seen: dict[str, Any] = {}
    monkeypatch.setattr("training.evaluate.workflow.evaluate", lambda *a, **k: seen.update(k) or tmp_path)
    app = typer.Typer()
    app.command()(module.command)
    options = [
        "-o",
        str(tmp_path),
        "--models",
        "a,b",
        "--variant",
        "pileup50=x/y",
        "--quiet",
        "--files",
        "3",
        "--closure-files",
        "7",
        "--seeds",
        "b=x,y",
        "-j",
        "2",
        "--train-share",
        "0.8",
    ]
    result = CliRunner().invoke(app, [str(sample), *options])
    assert result.exit_code == 0, result.output
    assert seen["models"] == ["a", "b"]
    assert seen["closure"] == tmp_path / "closures"
    assert seen["variants"] == {"pileup50": Path("x/y")}
    assert (seen["max_files"], seen["closure_files"], seen["progress"]) == (3, 7, False)
    assert (seen["seeds"], seen["workers"], seen["train_share"]) == ({"b": ["x", "y"]}, 2, 0.8)
    wrong = CliRunner().invoke(app, [str(sample), "-o", str(tmp_path), "--models", "a", "--variant", "pileup50"])
    assert isinstance(wrong.exception, InputError)
