"""Toy sources of uncertainty, as text and as JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from coffea_mljec.payloads.uncertainty import LevelSource, PiecewiseLinear

TAG, ALGORITHM = "Toy1_V1_MC", "AK4PFchs"
HEADER = '{1 JetEta 1 JetPt "" Correction JECSource}'
EDGES = [0.0, 9.0, 10.0, 20.0, 30.0, 6538.0, 1e5]


def jets(n: int, seed: int = 3) -> dict[str, np.ndarray]:
    """Random jets beyond all edges, then every edge itself."""
    rng = np.random.default_rng(seed)
    pt = np.exp(rng.uniform(np.log(1), np.log(20_000), n))
    eta = rng.uniform(-5.8, 5.8, n)
    edges = np.array(np.meshgrid(EDGES[1:], [-5.4, -5.191, -5.0, -2.5, 0.0, 2.5, 3.0, 5.0, 5.191, 5.4])).reshape(2, -1)
    return {"pt": np.append(pt, edges[0]), "eta": np.append(eta, edges[1])}


def text_file(folder: Path, lines: list[str], name: str = f"{TAG}_UncertaintySources_{ALGORITHM}.junc.txt") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


# Up and down differ, change sign, and the points of the two bins differ.
ROWS = ["-5.4 0.0 9 10 0.02 0.01 20 0.04 0.03 30 -0.02 -0.05", "0.0 5.4 9 10 0.01 0.02 25 0.03 0.02 30 0.05 0.05"]
SOURCES = ["#a comment", "[First]", HEADER, *ROWS, "[Second]", HEADER, "-5.4 0.0 6 9 0.1 0.1 20 0.2 0.2",
           "0.0 5.4 6 9 0.3 0.3 20 0.1 0.1", "[Total]", HEADER, *ROWS]  # fmt: skip

LINEAR = {
    "nodetype": "formula",
    "expression": "[0]*max(min(x,[3]),[2])+[1]",
    "parser": "TFormula",
    "variables": ["JetPt"],
}


def source(name: str, data: Any) -> dict[str, Any]:
    return {
        "name": f"{TAG}_{name}_{ALGORITHM}", "version": 1, "output": {"name": "u", "type": "real"},
        "inputs": [{"name": "JetEta", "type": "real"}, {"name": "JetPt", "type": "real"}], "data": data,
        "generic_formulas": [LINEAR],
    }  # fmt: skip


def binned(content: list[Any], flow: Any = -999.0) -> dict[str, Any]:
    return {"nodetype": "binning", "input": "JetEta", "edges": [-5.4, 0.0, 5.4], "content": content, "flow": flow}


def in_pt(content: list[Any], flow: Any = "clamp") -> dict[str, Any]:
    edges = [10.0, 20.0, 30.0][: len(content) + 1]
    return {"nodetype": "binning", "input": "JetPt", "edges": edges, "content": content, "flow": flow}


def piece(slope: float, intercept: float) -> dict[str, Any]:
    return {"nodetype": "formularef", "index": 0, "parameters": [slope, intercept, 10.0, 30.0]}


STANDARD = binned([in_pt([piece(1e-3, 0.01), piece(-2e-3, 0.07)]), in_pt([piece(0.0, 0.02)])])
SHAPES = {
    "Standard": (STANDARD, PiecewiseLinear),
    "Constant": (binned([0.01, -0.02]), LevelSource),
    "NoClamp": (binned([in_pt([0.01, 0.03], -999.0)] * 2), LevelSource),
    "EtaClamp": (binned([in_pt([0.01, 0.03])] * 2, "clamp"), LevelSource),
    "Formula": (
        binned([LINEAR | {"expression": "0.01+1/(x+10)"}, LINEAR | {"expression": "0.02+x/1e8"}]),
        LevelSource,
    ),
}


def json_file(folder: Path, corrections: list[Any]) -> Path:
    path = folder / "toy.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"schema_version": 2, "corrections": corrections}).encode()))
    return path
