"""Odd names, full disks and terminals without a width: one message and exit status 2, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import uproot

from tests.full_disk import full_disk


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/", "'/' is no name of a file"),
        (".", "'.' is no name of a file"),
        ("", "'' is no name of a file"),
        ("x" * 300, "(300 characters)': File name too long"),
        ("x" * 245 + ".root", "expected a friend file that can be written"),
        ("a\0b", r"expected a NanoAOD file, got 'a\x00b'"),
    ],
)
def test_names_of_inputs(mljec, jec_text, tmp_path, name, message):
    status, _, said = mljec("apply", name, "-o", tmp_path / "out", "--jec", jec_text)
    assert status == 2
    assert message in said


@pytest.mark.parametrize("option", ["--model", "--jec", "-o"])
def test_overlong_names_elsewhere(mljec, nano, tmp_path, option):
    options = {"-o": tmp_path / "out"} | {option: "x" * 300}
    status, _, said = mljec("apply", nano, *(word for item in options.items() for word in item))
    assert status == 2
    assert "File name too long" in said


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("root", "fsspec-xrootd")])
def test_remote_files_without_their_package(mljec, monkeypatch, scheme, package):
    module = package.replace("-", "_")
    monkeypatch.setitem(sys.modules, module, None)
    status, _, said = mljec("inspect", f"{scheme}://nowhere.invalid//x.root")
    assert status == 2
    assert "cannot be opened here, for want of a plug-in: " in said
    assert f"nstall {package}" in said


def test_too_many_workers(mljec, nano, jec_text, tmp_path):
    for number in ("1001", "9" * 400):
        status, _, said = mljec("apply", nano, "-o", tmp_path / "out", "--jec", jec_text, "--workers", number)
        assert status == 2
        assert "--workers" in said


def test_names_that_look_like_markup(mljec, nano, jec_text, tmp_path):
    (tmp_path / "[b]x[").mkdir()
    odd = nano.rename(tmp_path / "[b]x[" / "a[bold].root")
    status, printed, _ = mljec("apply", odd, "-o", tmp_path / "[red]out", "--jec", jec_text)
    assert status == 0
    assert "[red]out/a[bold]_mljec.root" in printed
    assert mljec("inspect", odd)[1].count("[b]x[/a[bold].root") >= 1


@pytest.mark.parametrize("command", ["apply", "validate", "report"])
def test_a_full_disk(mljec, nano, jec_text, tmp_path, command):
    out = tmp_path / "out"
    more = ("--skip-bad",) if command == "apply" else ("--no-plots", "--replicas", 0)
    with full_disk(2000):
        status, _, said = mljec(command, nano, "-o", out, "--jec", jec_text, *more)
    assert status == 2
    assert "cannot write" in said
    assert "File too large. Free some space" in said
    assert "left out" not in said
    assert not [name for name in left_behind(out) if name.endswith(".part") or name == "skipped.json"]


def test_a_file_without_the_tree_is_refused_by_all_commands(mljec, nano, jec_text, tmp_path):
    with uproot.recreate(tmp_path / "other.root") as file:
        file["Runs"] = {"run": [1, 2]}
    for command in ("apply", "validate"):
        status, _, said = mljec(
            command, nano, tmp_path / "other.root", "-o", tmp_path / command, "--jec", jec_text, "--skip-bad"
        )
        assert status == 2
        assert "other.root has no tree 'Events': it has Runs; name another with --tree" in said


@pytest.mark.parametrize("arguments", [["inspect", "nowhere.root"], ["inspect", "--nonsense"]])
def test_a_terminal_of_no_width_gets_the_message(arguments):
    program = "import sys; from coffea_mljec.cli import main; sys.argv[0] = 'mljec'; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=os.environ | {"COLUMNS": "0"}, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "nowhere.root" in ended.stderr or "--nonsense" in ended.stderr


def test_a_folder_whose_name_looks_like_an_address(mljec, nano, jec_text, tmp_path, monkeypatch):
    """uproot would write to /mljec-nowhere, and leave an empty file here."""
    monkeypatch.chdir(tmp_path)
    assert mljec("apply", nano, "-o", "file:///mljec-nowhere", "--jec", jec_text)[0] == 0
    (written,) = (tmp_path / "file:" / "mljec-nowhere").iterdir()
    assert written.stat().st_size > 1000
    assert not Path("/mljec-nowhere").exists()
