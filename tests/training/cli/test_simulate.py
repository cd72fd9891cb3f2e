"""The command line: arguments reach the rooms, and nonsense ends with one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coffea_mljec.errors import InputError
from tests.training.simulate.fakes import random_batch
from training.__main__ import app
from training.simulate.nanoaod import read, write
from training.simulate.tables import JetSelection, assemble

RUNNER = CliRunner()


def test_help_names_every_command() -> None:
    result = RUNNER.invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("simulate", "derive", "calibrate", "merge", "train", "export"):
        assert command in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--process", "qcdd"], "unknown process qcdd"),
        (["--pileup", "many"], r"--pileup 'many': give a mean number of interactions, 25, or a range"),
        (["--pileup", "70,10"], "is impossible"),
        (["--pileup=-5"], "is impossible"),
        (["--pt-hat", "50"], r"--pt-hat '50': give a range in GeV"),
        (["--pt-hat", "500,100"], "exchange them"),
        (["--jec", "."], r"no \*\.jec\.txt in"),
    ],
)
def test_impossible_arguments(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["simulate", "-o", str(tmp_path / "out"), "--events", "10", *arguments])
    assert isinstance(result.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise result.exception
    assert not (tmp_path / "out").exists()


def test_merge_and_calibrate(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed in (1, 2):
        tables = assemble(random_batch(seed), JetSelection(ak8=False), seed, 0, 1)
        write(tmp_path / "in" / f"{seed}.root", tables)
    result = RUNNER.invoke(app, ["merge", str(tmp_path / "in"), "-o", str(tmp_path / "all.root")])
    assert result.exit_code == 0, result.output
    assert "8 events" in result.output
    assert len(read(tmp_path / "all.root").scalars["event"]) == 8
    result = RUNNER.invoke(app, ["calibrate", str(tmp_path / "in"), "--jec", str(tmp_path)])
    assert "has no manifest.json" in str(result.exception)


def test_errors_are_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "derive", str(tmp_path / "nothing.root"), "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: no ROOT file at")
    assert "Traceback" not in done.stderr
