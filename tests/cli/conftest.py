"""Small files of our own for the commands: a NanoAOD file with generator jets, JEC text, a model folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from coffea_mljec.cli import main, terminal

JET_FIELDS = {"pt": 1.0, "eta": 0.3, "phi": -2.0, "mass": 0.1, "rawFactor": 0.2, "area": 0.5}


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


STORED_REGRESSION = {"PNetRegPtRawCorr": 1.5, "PNetRegPtRawCorrNeutrino": 1.1}


def write_nano(path: Path, n_events: int = 60, simulation: bool = True, regression: bool = False) -> Path:
    """Write NanoAOD without constituents; each event has two generator jets and the two jets that belong to them."""
    rng = np.random.default_rng(1)
    pt_gen = rng.uniform(40, 200, (n_events, 2))
    fields = JET_FIELDS | (STORED_REGRESSION if regression else {})
    jet_types = ", ".join(f"{name}: float32" for name in fields)
    flavours = ", hadronFlavour: int32, partonFlavour: int32"
    branches: dict[str, str] = {
        "run": "uint32",
        "luminosityBlock": "uint32",
        "event": "uint64",
        "fixedGridRhoFastjetAll": "float32",
        "PV_npvsGood": "int32",
        **{f"PV_{axis}": "float32" for axis in "xyz"},
        "Jet": f"var * {{{jet_types}{flavours}}}",
    }
    if simulation:
        branches["GenJet"] = "var * {pt: float32, eta: float32, phi: float32, mass: float32}"
    jet: dict[str, Any] = {name: np.full((n_events, 2), value, np.float32) for name, value in fields.items()}
    jet["phi"][:, 1] = 1.0
    jet["pt"] = (pt_gen * rng.normal(1, 0.1, pt_gen.shape)).astype(np.float32)
    gen = {name: jet[name] for name in ("eta", "phi", "mass")} | {"pt": pt_gen.astype(np.float32)}
    jet["hadronFlavour"] = np.zeros((n_events, 2), np.int32)
    jet["partonFlavour"] = np.full((n_events, 2), 21, np.int32)
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", branches)
        columns: dict[str, Any] = {
            "run": np.ones(n_events, np.uint32),
            "luminosityBlock": np.ones(n_events, np.uint32),
            "event": np.arange(n_events, dtype=np.uint64),
            "fixedGridRhoFastjetAll": np.full(n_events, 20, np.float32),
            "PV_npvsGood": np.full(n_events, 30, np.int32),
            **{f"PV_{axis}": np.zeros(n_events, np.float32) for axis in "xyz"},
            "Jet": _jagged(jet),
        }
        if simulation:
            columns["GenJet"] = _jagged(gen)
        tree.extend(columns)
    return path


def _jagged(columns: dict[str, np.ndarray]) -> ak.Array:
    return ak.zip({name: ak.from_regular(ak.Array(values)) for name, values in columns.items()}, depth_limit=2)


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    return write_nano(tmp_path / "nano.root")


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
            "target": "log(pt_gen / pt_raw)",
            "inverse": "exp",
            "output": "log_correction",
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
