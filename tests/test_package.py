"""The package as it is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, requires, version
from pathlib import Path

import pytest

import coffea_mljec

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_distributions():
    assert coffea_mljec.__version__ == version("coffea-mljec")


def test_the_entry_point():
    (script,) = entry_points(group="console_scripts", name="mljec")
    assert script.value == "coffea_mljec.cli:main"


def test_what_is_public_is_there():
    for name in coffea_mljec.__all__:
        assert getattr(coffea_mljec, name).__doc__


def test_nothing_heavy_is_imported_to_apply():
    code = "import sys, coffea_mljec, coffea_mljec.cli; print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    for heavy in ("torch", "onnxruntime", "distributed", "pythia8mc", "fastjet", "mplhep"):
        assert f"'{heavy}'" not in modules, heavy


def test_torch_is_only_asked_for_by_training():
    wanted = [line for line in requires("coffea-mljec") or [] if line.split("==")[0] in {"torch", "pythia8mc"}]
    assert sorted(wanted) == ["pythia8mc==8.317.2; extra == 'simulate'", "torch==2.13.0; extra == 'train'"]


@pytest.mark.parametrize("name", ["demo", "test", "train"])
def test_lock_files_pin_everything_and_no_gpu(name):
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    packages = {line.split("==")[0]: line for line in lines}
    assert all("==" in line and "+" not in line and "/" not in line for line in lines)
    assert not [package for package in packages if package.startswith(("nvidia", "cuda", "triton"))]
    assert ("torch" in packages) == (name != "demo")
    assert ("dask-awkward" in packages) == (name == "test")


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(tmp_path):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        check=True, capture_output=True, cwd=ROOT,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    info = f"coffea_mljec-{version('coffea-mljec')}.dist-info"
    assert {name.split("/")[0] for name in names} == {"coffea_mljec", info}
    assert "coffea_mljec/py.typed" in names
    for suffix in (".root", ".onnx", ".json", ".txt"):
        here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "coffea_mljec").rglob(f"*{suffix}")}
        assert here <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".part")]
