"""Small files of our own for the commands: a NanoAOD file with generator jets, JEC text, a model folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.cli import main, terminal
from tests.factories import two_jets, write


@pytest.fixture
def mljec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``mljec("apply", ...)`` runs the command here: exit status, standard output, standard error."""
    for console in (terminal.out, terminal.err):
        monkeypatch.setattr(console, "width", 300)

    def run(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mljec", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_status:
            main()
        printed = capsys.readouterr()
        return int(exit_status.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    return write(two_jets(), tmp_path / "nano.root")


@pytest.fixture
def jec_text(tmp_path: Path) -> Path:
    """One level that multiplies raw pT by 1.25, everywhere."""
    path = tmp_path / "Toy1_V1_MC_L2Relative_AK4PFchs.jec.txt"
    path.write_text("{1 JetEta 1 JetPt [0] Correction L2Relative}\n-5.191 0.0 3 1 6500 1.25\n0.0 5.191 3 1 6500 1.25\n")
    return path


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A network of jet features only, whose correction is exp(0.5) everywhere."""
    onnx = pytest.importorskip("onnx")
    from coffea_mljec.models import write_folder

    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["jet_features", "zero"], ["nothing"]),
            helper.make_node("ReduceSum", ["nothing", "axis"], ["sum"], keepdims=0),
            helper.make_node("Add", ["sum", "half"], ["log_correction"]),
        ],
        "toy",
        [helper.make_tensor_value_info("jet_features", kinds.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("log_correction", kinds.FLOAT, ["n"])],
        [
            helper.make_tensor("zero", kinds.FLOAT, [1], [0.0]),
            helper.make_tensor("axis", kinds.INT64, [1], [1]),
            helper.make_tensor("half", kinds.FLOAT, [1], [0.5]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    write_folder(
        tmp_path / "toy",
        model.SerializeToString(),
        {
            "name": "toy",
            "description": "exp(0.5) everywhere",
            "licence": "BSD-3-Clause",
            "engine": "onnx",
            "features": {"jet": ["pt", "eta"]},
            "dtype": "float32",
            "outputs": [{"name": "log_correction", "quantity": "pt", "transform": "exp"}],
            "domain": {"pt_raw": [80, 1000], "abs_eta": [0, 5]},
            "algorithm": "AK4PFchs",
            "collections": ["Jet"],
            "training": {"sample": "none", "seed": 0, "n_jets": 0, "fast_simulation": False},
            "parameters": 0,
            "metrics": {},
            "opset": 18,
        },
    )
    return tmp_path / "toy"
