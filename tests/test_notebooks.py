"""The notebooks in ``examples/notebooks`` run, show their figures, and are stored without outputs."""

from __future__ import annotations

import os
import re
import sys
import warnings
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NEEDS = {
    "02_resonance_mass": ("pythia8mc", "fastjet"),
    "03_train_your_own": ("torch", "lightning", "onnx"),
    "04_on_a_cluster": ("distributed", "cryptography"),
    "06_networks_of_any_origin": ("onnx",),
    "07_fine_tune_with_data": ("torch", "lightning", "onnx"),
    "08_unfolding": ("lightgbm",),
}
FIGURES = {
    "01_first_steps": 3,
    "02_resonance_mass": 3,
    "03_train_your_own": 1,
    "04_on_a_cluster": 1,
    "05_variations_and_met": 2,
    "06_networks_of_any_origin": 1,
    "07_fine_tune_with_data": 1,
    "08_unfolding": 2,
}


def test_all_notebooks_are_known() -> None:
    assert [path.stem for path in NOTEBOOKS] == sorted(FIGURES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for target in re.findall(r"\]\(([^)]+)\)", cell.source if cell.cell_type == "markdown" else ""):
            assert target.startswith("https://") or (FOLDER / target).exists(), target


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(path, tmp_path, monkeypatch)


@pytest.mark.slow
def test_runs_without_files_of_cms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a stranger has it: networks in weaver's format are then our own."""
    monkeypatch.setenv("MLJEC_REAL_DATA", str(tmp_path / "nowhere"))
    run(FOLDER / "06_networks_of_any_origin.ipynb", tmp_path, monkeypatch)


def run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in NEEDS.get(path.stem, ()):
        pytest.importorskip(module)
    # A kernel of its own, which writes nowhere but into the test's folder.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PATH", str(Path(sys.prefix) / "share" / "jupyter"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    before = set(FOLDER.iterdir())
    with warnings.catch_warnings():
        # What jupyter's own packages warn about is not ours; the kernel is another process.
        warnings.simplefilter("ignore")
        nbclient.NotebookClient(
            notebook,
            timeout=None,
            startup_timeout=PATIENCE,
            iopub_timeout=PATIENCE,
            kernel_name="python3",
            resources={"metadata": {"path": str(FOLDER)}},
        ).execute()
    assert set(FOLDER.iterdir()) == before
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.text for output in outputs if output.get("name") == "stderr")
    said = re.sub(r"Matplotlib is building the font cache; .*\n", "", said)  # where that takes more than five seconds
    assert said == "", said
    figures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(figures) == FIGURES[path.stem]
    for figure in figures:
        assert len(b64decode(figure)) > 10_000
    keep = os.environ.get("MLJEC_KEEP_NOTEBOOKS")
    if keep:
        save(notebook, Path(keep) / path.name)


def save(notebook: Any, path: Path) -> None:
    """Keep an executed notebook to look at, where the environment asks for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
