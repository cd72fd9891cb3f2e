"""Toy corrections in JSON, as correctionlib files hold them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.library import library_file

TAG, ALGORITHM = "Toy1_V1_MC", "AK4PFchs"
NAMES = {"JetPt": "pt_raw", "JetEta": "eta", "JetPhi": "phi", "JetA": "area", "Rho": "rho", "run": "run"}


def jets(n: int, seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "pt_raw": np.exp(rng.uniform(np.log(8), np.log(4000), n)),
        "eta": rng.uniform(-5.19, 5.19, n),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "area": rng.uniform(0.3, 0.7, n),
        "rho": rng.uniform(0, 70, n),
        "run": rng.integers(1, 9, n),
    }


def binning(quantity: str, edges: list[Any], content: list[Any], flow: Any = 1.0) -> dict[str, Any]:
    return {"nodetype": "binning", "input": quantity, "edges": edges, "content": content, "flow": flow}


def formula(expression: str, variables: list[str], parameters: list[float] | None = None) -> dict[str, Any]:
    node = {"nodetype": "formula", "expression": expression, "parser": "TFormula", "variables": variables}
    return node if parameters is None else node | {"parameters": parameters}


def correction(level: str, quantities: list[str], data: Any, **extra: Any) -> dict[str, Any]:
    inputs = [{"name": name, "type": "int" if name == "run" else "real"} for name in quantities]
    return {
        "name": f"{TAG}_{level}_{ALGORITHM}", "version": 1, "inputs": inputs,
        "output": {"name": "correction", "type": "real"}, "data": data, **extra,
    }  # fmt: skip


def compound(levels: list[str], quantities: list[str], **extra: Any) -> dict[str, Any]:
    return {
        "name": f"{TAG}_L1L2L3Res_{ALGORITHM}", "inputs": [{"name": name, "type": "real"} for name in quantities],
        "output": {"name": "correction", "type": "real"}, "inputs_update": ["JetPt"], "input_op": "*", "output_op": "*",
        "stack": [f"{TAG}_{level}_{ALGORITHM}" for level in levels],
    } | extra  # fmt: skip


FIRST = correction(
    "L1FastJet", ["JetA", "JetEta", "JetPt", "Rho"],
    binning("JetEta", [-5.191, 0.0, 5.191], [
        formula("max(0.0001,1-y*[0]*x/z)", ["Rho", "JetA", "JetPt"], [0.5]),
        formula("max(0.0001,1-y*[0]*x/z)", ["Rho", "JetA", "JetPt"], [0.6]),
    ]),
)  # fmt: skip
SECOND = correction(
    "L2Relative", ["JetEta", "JetPhi", "JetPt"],
    binning("JetEta", [-5.191, 1.0, 5.191], [
        binning("JetPhi", [-3.1416, 3.1416], [formula("[0]+1/x", ["JetPt"], [1.1])]),
        binning("JetPhi", [-3.1416, 0.0, 3.1416], [formula("[0]+1/x", ["JetPt"], [p]) for p in (1.2, 1.3)]),
    ]),
)  # fmt: skip
THIRD = correction("L3Absolute", ["JetEta", "JetPt"], binning("JetEta", ["-inf", "inf"], [1.02]))
RESIDUAL = correction(
    "L2L3Residual", ["JetEta", "JetPt"],
    binning("JetEta", {"n": 4, "low": -5.191, "high": 5.191}, [
        {"nodetype": "formularef", "index": 0, "parameters": [0.001 * i]} for i in range(4)
    ]),
    generic_formulas=[formula("1+[0]*log10(x)", ["JetPt"])],
)  # fmt: skip
BY_RUN = correction(
    "L2Residual", ["JetEta", "JetPt", "run"],
    {"nodetype": "category", "input": "run", "content": [
        {"key": run, "value": binning("JetEta", [-5.191, 5.191], [formula("[0]+1/x", ["JetPt"], [run / 4])], "error")}
        for run in range(1, 9)
    ]},
)  # fmt: skip
LEVELS = ["L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual"]
ALL = ["JetA", "JetEta", "JetPhi", "JetPt", "Rho"]


def write(path: Path, corrections: list[Any], compounds: list[Any] | None = None) -> Path:
    content = {"schema_version": 2, "corrections": corrections, "compound_corrections": compounds}
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return path


def library(path: Path, name: str, columns: dict[str, np.ndarray]) -> np.ndarray:
    """Evaluate one correction or compound with correctionlib, inputs by name."""
    content = library_file(path)
    entry = content.compound[name] if name in list(content.compound) else content[name]
    return np.asarray(entry.evaluate(*[columns[NAMES[quantity.name]] for quantity in entry.inputs]))
