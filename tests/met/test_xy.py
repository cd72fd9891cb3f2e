"""The xy correction of MET, from files of both forms."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import MissingBranchError, PayloadError
from coffea_mljec.met import METXY, Type1MET
from tests.factories import in_memory, jets_with_met
from tests.met.plain import Payloads, vectors
from tests.payloads.toy_json import binning, formula, write

pytestmark = pytest.mark.usefixtures("warn_again")

X, Y = "(x*cos(y)-([0]*z+[1]))", "(x*sin(y)-([2]*z+[3]))"
TEXTS = {"pt": f"sqrt(pow({X},2)+pow({Y},2))", "phi": f"atan2({Y},{X})"}
MC, DATA = [0.1, 1.0, -0.2, 0.5], [-0.1, 2.0, 0.3, 0.0]
"""Slopes and offsets of the shifts."""


def category(quantity: str, values: dict[str, Any]) -> dict[str, Any]:
    content = [{"key": key, "value": value} for key, value in values.items()]
    return {"nodetype": "category", "input": quantity, "content": content}


def entry(name: str, inputs: dict[str, str], data: Any) -> dict[str, Any]:
    listed = [{"name": one, "type": kind} for one, kind in inputs.items()]
    return {
        "name": name, "version": 1, "inputs": listed, "output": {"name": "value", "type": "real"}, "data": data,
    }  # fmt: skip


def run3(path: Path, epoch: str = "2022EE") -> Path:
    """``met_xyCorrections_*.json.gz``."""
    texts = dict.fromkeys(("pt_phi", "met_type", "epoch", "dtmc", "variation"), "string")
    variables = ["met_pt", "met_phi", "npvGood"]
    kinds = {
        kind: category("pt_phi", {name: formula(text, variables, values) for name, text in TEXTS.items()})
        for kind, values in (("MC", MC), ("DATA", DATA))
    }
    data = category("variation", {"nom": category("met_type", {"PuppiMET": category("dtmc", kinds)})})
    inputs = texts | dict.fromkeys(variables, "real")
    return write(path, [entry("met_xy_corrections", inputs, category("epoch", {epoch: data}))])


def run2(path: Path) -> Path:
    """``met.json.gz``, for runs as there are of data and of simulation."""
    made = []
    for name, text in TEXTS.items():
        for met in ("pfmet", "puppimet"):
            for kind, values in (("mc", MC), ("data", DATA)):
                leaf = formula(text, ["met_pt", "met_phi", "npvs"], values)
                data = binning("run", [0.0, 4e5], [binning("npvs", [0.0, 200.0], [leaf], "error")], "error")
                inputs = dict.fromkeys(("met_pt", "met_phi", "npvs", "run"), "real")
                made.append(entry(f"{name}_metphicorr_{met}_{kind}", inputs, data))
    return write(path, made)


def events(puppi: bool, simulation: bool, vertices: Any) -> Any:
    tables = jets_with_met(puppi, simulation)
    tables.events["PV_npvsGood"] = tables.events["PV_npvs"] = np.broadcast_to(vertices, 60).astype(np.int32)
    return in_memory(tables)


@pytest.mark.parametrize("simulation", [True, False])
@pytest.mark.parametrize("puppi", [True, False])
def test_every_met_gets_the_same_shift(tmp_path: Path, puppi: bool, simulation: bool) -> None:
    payloads = Payloads(tmp_path, "AK4PFPuppi" if puppi else "AK4PFchs")
    standard = payloads.varied() if simulation else payloads.standard()
    xy = METXY(run3(tmp_path / "xy.json.gz"), "2022EE") if puppi else METXY(run2(tmp_path / "met.json.gz"), "met")
    vertices = np.arange(10, 70)
    given = events(puppi, simulation, vertices)
    corrector = pickle.loads(pickle.dumps(Type1MET(standard, xy=xy)))
    before, after = Type1MET(standard).apply(given), corrector.apply(given)
    a, b, c, d = MC if simulation else DATA
    expected = -np.stack([a * vertices + b, c * vertices + d], axis=1)
    np.testing.assert_allclose(vectors(after) - vectors(before), expected, atol=2e-3)
    names = ["MET_UnclusteredEnergy", *(["JER", "JES_Scale"] if simulation else [])]
    for name in names:
        np.testing.assert_allclose(vectors(after[name].up) - vectors(before[name].up), expected, atol=2e-3)
    branch = "PV_npvsGood" if puppi else "PV_npvs"
    assert branch in corrector.required_branches(given)
    assert branch not in Type1MET(standard).required_branches(given)


def test_what_it_cannot_do(tmp_path: Path, toys: Payloads, nano: Callable[..., Path], open_nano: Any) -> None:
    path = run3(tmp_path / "xy.json.gz")
    with pytest.raises(
        PayloadError, match=r"METXY\('2023'\) cannot correct this MET .* the payload of the era of these"
    ):
        Type1MET(toys.standard(), xy=METXY(path, "2023")).apply(events(True, True, 30))
    with pytest.raises(PayloadError, match=r"xy\.json\.gz has no pt_metphicorr_pfmet_mc"):
        METXY(path, "met")
    with pytest.raises(MissingBranchError, match="the xy correction of MET needs n_pv: looked for PV_npvsGood"):
        Type1MET(toys.standard(), xy=METXY(path, "2022EE")).apply(open_nano(nano()))
