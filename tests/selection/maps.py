"""Made-up files of jet identification and of jet veto maps, as CMS writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.payloads.toy_json import binning, write

PI = 3.1415926
HOT = ((1.0, 1.6), (2.0, 2.6))
"""Ranges of eta and phi of the one vetoed cell."""

NAME = "Toy22_RunCD_V1"
INPUTS = ("eta", "chHEF", "neHEF", "chEmEF", "neEmEF", "muEF", "chMultiplicity", "neMultiplicity", "multiplicity")


def _correction(name: str, inputs: list[tuple[str, str]], data: Any) -> dict[str, Any]:
    listed = [{"name": one, "type": kind} for one, kind in inputs]
    return {
        "name": name, "version": 1, "inputs": listed, "output": {"name": "value", "type": "real"}, "data": data,
    }  # fmt: skip


def veto_maps(path: Path, name: str = NAME) -> Path:
    """A ``jetvetomaps.json.gz`` with one hot cell, and another kind of map without any."""
    (low, high), (first, last) = HOT
    content = [0.0] * 4 + [100.0] + [0.0] * 4
    cells = {
        "nodetype": "multibinning", "inputs": ["eta", "phi"], "flow": "error", "content": content,
        "edges": [[-5.191, low, high, 5.191], [-PI, first, last, PI]],
    }  # fmt: skip
    none = binning("eta", [-5.191, 5.191], [0.0], "error")
    kinds = [{"key": "jetvetomap", "value": cells}, {"key": "jetvetomap_hem1516", "value": none}]
    data = {"nodetype": "category", "input": "type", "content": kinds}
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, [_correction(name, [("type", "string"), ("eta", "real"), ("phi", "real")], data)])


def jet_id(path: Path) -> Path:
    """A ``jetid.json.gz`` with the criteria of Run 3, for PUPPI jets of radius 0.4."""

    def cut(quantity: str, low: float, high: float, inner: Any) -> Any:
        return binning(quantity, [low, high], [inner], 0.0)

    def criteria(veto: bool) -> Any:
        lepton = cut("chEmEF", -9.0, 0.8, cut("muEF", -9.0, 0.8, 1.0)) if veto else 1.0
        numbers = cut("chMultiplicity", 1.0, 999.0, cut("multiplicity", 2.0, 999.0, lepton))
        tracker = cut("chHEF", 0.01, 9.0, cut("neHEF", -9.0, 0.99, cut("neEmEF", -9.0, 0.9, numbers)))
        edge = cut("neHEF", -9.0, 0.9, cut("neEmEF", -9.0, 0.99, lepton))
        between = cut("neHEF", -9.0, 0.99, 1.0)
        forward = cut("neEmEF", -9.0, 0.4, cut("neMultiplicity", 2.0, 999.0, 1.0))
        regions = [forward, between, edge, tracker, edge, between, forward]
        return binning("eta", [-5.191, -3.0, -2.7, -2.6, 2.6, 2.7, 3.0, 5.191], regions, "error")

    inputs = [(one, "int" if "ultiplicity" in one else "real") for one in INPUTS]
    path.parent.mkdir(parents=True, exist_ok=True)
    points = {"Tight": False, "TightLeptonVeto": True}
    return write(path, [_correction(f"AK4PUPPI_{name}", inputs, criteria(veto)) for name, veto in points.items()])
