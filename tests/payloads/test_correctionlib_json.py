"""correctionlib payloads: equal to correctionlib itself, mapped by name, refused with what the file has instead."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import read_json
from coffea_mljec.payloads.correctionlib_json import LibraryLevel
from coffea_mljec.payloads.table import FormulaTable
from tests.library import library_file
from tests.payloads.toy_json import (
    ALGORITHM,
    LEVELS,
    TAG,
    binning,
    correction,
    formula,
    jets,
    library,
    write,
)

# --- right files


def test_compound_equals_correctionlib(toy: Path) -> None:
    payload = read_json(toy, TAG, ALGORITHM)
    columns = jets(20_000)
    got, valid = payload.evaluate(columns)
    assert valid.all()
    assert payload.levels == tuple(LEVELS)
    assert all(isinstance(level, FormulaTable) for level in payload.stack)
    np.testing.assert_allclose(got, library(toy, f"{TAG}_L1L2L3Res_{ALGORITHM}", columns), rtol=1e-14)


def test_levels_by_name_are_applied_one_on_the_other(toy: Path) -> None:
    columns = jets(1000)
    whole, _ = read_json(toy, TAG, ALGORITHM).evaluate(columns)
    listed, _ = read_json(toy, TAG, ALGORITHM, LEVELS).evaluate(columns)
    np.testing.assert_array_equal(listed, whole)
    single, _ = read_json(toy, TAG, ALGORITHM, "L2Relative").evaluate(columns)
    np.testing.assert_allclose(single, library(toy, f"{TAG}_L2Relative_{ALGORITHM}", columns), rtol=1e-14)


def test_compound_and_another_level(toy: Path) -> None:
    columns = jets(1000)
    payload = read_json(toy, TAG, ALGORITHM, ["L1L2L3Res", "L2Residual"])
    assert payload.inputs == ("pt_raw", "eta", "phi", "area", "rho", "run")
    whole = library(toy, f"{TAG}_L1L2L3Res_{ALGORITHM}", columns)
    after = library(toy, f"{TAG}_L2Residual_{ALGORITHM}", columns | {"pt_raw": columns["pt_raw"] * whole})
    got, valid = payload.evaluate(columns)
    assert valid.all()
    np.testing.assert_allclose(got, whole * after, rtol=1e-14)


def test_what_tables_cannot_hold_is_left_to_correctionlib(toy: Path) -> None:
    payload = read_json(toy, TAG, ALGORITHM, ["L2Residual"])
    assert isinstance(payload.stack[0], LibraryLevel)
    columns = jets(5)
    columns["eta"][:4] = [5.191, -7.0, np.nan, 0.0]  # correctionlib raises beyond the bins of this level
    columns["pt_raw"][3] = -1.0
    factor, valid = payload.evaluate(columns)
    assert valid.tolist() == [False] * 4 + [True]
    assert factor[4] == columns["run"][4] / 4 + 1 / columns["pt_raw"][4]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(payload)).evaluate(columns)[0], factor)
    assert payload.evaluate({name: column[:0] for name, column in columns.items()})[0].size == 0


def test_runs_in_bins_are_a_table_that_refuses_other_runs(tmp_path: Path) -> None:
    inner = [binning("JetEta", [-5.191, 5.191], [formula("[0]+1/x", ["JetPt"], [p])]) for p in (1.1, 1.2)]
    data = binning("run", [3.0, 5.0, 9.0], inner, "error")
    path = write(tmp_path / "runs.json.gz", [correction("L2L3Residual", ["run", "JetEta", "JetPt"], data)])
    payload = read_json(path, TAG, ALGORITHM, "L2L3Residual")
    assert isinstance(payload.stack[0], FormulaTable)
    columns = jets(100)
    columns["run"] = np.where(columns["run"] < 3, 3, columns["run"])
    name = f"{TAG}_L2L3Residual_{ALGORITHM}"
    np.testing.assert_allclose(payload.evaluate(columns)[0], library(path, name, columns), rtol=1e-14)
    columns["run"][7] = 9
    with pytest.raises(PayloadError, match="L2L3Residual is for run 3 to 9; the jets are of run 9 to 9: take the pay"):
        payload.evaluate(columns)


def test_a_jet_that_correctionlib_refuses_is_named(toy: Path) -> None:
    columns = jets(3)
    columns["run"][1] = 99
    with pytest.raises(PayloadError, match=r"cannot evaluate Toy1_V1_MC_L2Residual_AK4PFchs.*run \d to 99"):
        read_json(toy, TAG, ALGORITHM, ["L2Residual"]).evaluate(columns)


@pytest.mark.parametrize(
    "data",
    [
        binning("JetEta", [-5.191, 0.0, 5.191], [formula("x*0+1.1", ["JetPt"]), formula("1.2+x/1e4", ["JetPt"])]),
        binning("JetEta", [-5.191, 0.0, 5.191], [1.1, binning("JetPt", [0.0, 50.0], [1.2], "clamp")]),
        binning("JetEta", [-5.191, 5.191], [1.1], "clamp"),
        formula("1+1/x", ["JetPt"]),
        1.25,
        {
            "nodetype": "transform", "input": "JetPt", "rule": formula("2*x", ["JetPt"]),
            "content": formula("1+1/x", ["JetPt"]),
        },
        {
            "nodetype": "multibinning", "inputs": ["JetEta", "JetPt"], "flow": 1.0,
            "edges": [[-5.191, 0.0, 5.191], [0.0, 50.0, 9999.0]], "content": [1.1, 1.2, 1.3, 1.4],
        },
    ],
)  # fmt: skip
def test_any_other_shape_of_level_equals_correctionlib(tmp_path: Path, data: Any) -> None:
    path = write(tmp_path / "shape.json.gz", [correction("L2Relative", ["JetEta", "JetPt"], data)])
    columns = jets(500)
    got, _ = read_json(path, TAG, ALGORITHM, "L2Relative").evaluate(columns)
    np.testing.assert_allclose(got, library(path, f"{TAG}_L2Relative_{ALGORITHM}", columns), rtol=1e-14)


def test_survives_pickling_without_its_file(toy: Path) -> None:
    columns = jets(100)
    payload = read_json(toy, TAG, ALGORITHM, [*LEVELS, "L2Residual"])
    want, _ = payload.evaluate(columns)
    stored = pickle.dumps(payload)
    toy.unlink()
    np.testing.assert_array_equal(pickle.loads(stored).evaluate(columns)[0], want)


# --- real files

#: numpy's logarithms and those of the C library, which correctionlib calls, differ in the last bit on processors with
#: AVX-512, and polynomials of high order in log10(pT) make up to 1e-11 of that.
ROUNDING = 1e-10

REAL = [
    ("2017_UL_jet_jerc", "Summer19UL17_V5_MC", "AK4PFchs"),
    ("2017_UL_jet_jerc", "Summer19UL17_RunB_V5_DATA", "AK4PFchs"),
    ("2017_UL_jet_jerc", "Summer19UL17_RunF_V5_DATA", "AK4PFchs"),
    ("2017_UL_fatJet_jerc", "Summer19UL17_V5_MC", "AK8PFPuppi"),
    ("2022_Summer22_jet_jerc", "Summer22_22Sep2023_V3_MC", "AK4PFPuppi"),
    ("2022_Summer22_jet_jerc", "Summer22_22Sep2023_RunCD_V3_DATA", "AK4PFPuppi"),
    ("2023_Summer23BPix_jet_jerc", "Summer23BPixPrompt23_V3_MC", "AK4PFPuppi"),
    ("2023_Summer23BPix_jet_jerc", "Summer23BPixPrompt23_V3_DATA", "AK4PFPuppi"),
    ("2022_Summer22_jet_jerc_PNet", "Summer22_22Sep2023_V2_MC", "AK4PFPuppiPNetRegressionPlusNeutrino"),
    ("2022_Summer22_jet_jerc_PNet", "Summer22_22Sep2023_RunCD_V2_DATA", "AK4PFPuppiPNetRegression"),
]


@pytest.mark.parametrize(("stem", "tag", "algorithm"), REAL)
def test_real_compounds_equal_correctionlib(real_data: Path, stem: str, tag: str, algorithm: str) -> None:
    path = real_data / "jec" / f"{stem}.json.gz"
    payload = read_json(path, tag, algorithm)
    columns = jets(20_000)
    columns["run"] = np.full(20_000, 369_870)
    got, valid = payload.evaluate(columns)
    assert valid.all()
    assert payload.is_data == tag.endswith("DATA")
    np.testing.assert_allclose(got, library(path, f"{tag}_L1L2L3Res_{algorithm}", columns), rtol=ROUNDING)


FILES = [
    "2017_UL_jet_jerc", "2017_UL_fatJet_jerc", "2022_Summer22_jet_jerc", "2022_Summer22_jet_jerc_PNet",
    "2023_Summer23BPix_jet_jerc", "2023_Summer23BPix_jet_jerc_PNet",
]  # fmt: skip


def edge_jets(n: int) -> dict[str, np.ndarray]:
    """Random jets, then jets at and beyond the edges of eta, phi, pT, rho and area."""
    columns = jets(n)
    edges = {
        "pt_raw": [1e-3, 1.0, 9.0, 10.0, 5000.0, 1e5], "eta": [-5.191, -5.19, -2.5, 0.0, 2.5, 5.19],
        "phi": [-3.1415, -1.2, -0.8, 0.0, 3.1415], "area": [0.0, 0.5, 10.0, 12.0], "rho": [0.0, 200.0, 300.0],
    }  # fmt: skip
    for name, values in edges.items():
        for value in values:
            more = jets(5, seed=len(columns["eta"])) | {name: np.full(5, value)}
            columns = {key: np.concatenate([columns[key], more[key]]) for key in columns}
    columns["run"] = np.full(columns["eta"].size, 369_870)
    return columns


@pytest.mark.parametrize("stem", FILES)
def test_every_real_level_equals_correctionlib(real_data: Path, stem: str) -> None:
    """Single levels, of data and simulation, of every algorithm; with jets beyond every edge."""
    path = real_data / "jec" / f"{stem}.json.gz"
    columns = edge_jets(500)
    levels = [name.rsplit("_", 2) for name in library_file(path) if name.rsplit("_", 2)[1] in LEVELS]
    assert len(levels) >= 8
    for tag, level, algorithm in levels:
        payload = read_json(path, tag, algorithm, level)
        got, valid = payload.evaluate(columns)
        with np.errstate(all="ignore"):
            want = library(path, f"{tag}_{level}_{algorithm}", columns)
        covered = (columns["eta"] >= -5.191) & (columns["eta"] < 5.191)
        np.testing.assert_array_equal(valid, covered & np.isfinite(want) & (want > 0))
        np.testing.assert_allclose(got[valid], want[valid], rtol=ROUNDING)


def test_a_run_that_the_residual_was_not_made_for(real_data: Path) -> None:
    path = real_data / "jec" / "2023_Summer23BPix_jet_jerc.json.gz"
    payload = read_json(path, "Summer23BPixPrompt23_V3_DATA", "AK4PFPuppi")
    columns = jets(10)
    columns["run"] = np.full(10, 362_760)
    with pytest.raises(
        PayloadError, match="L2L3Residual is for run 369803 to 372415; the jets are of run 362760 to 362760: take the"
    ):
        payload.evaluate(columns)


def test_real_file_names_what_it_has(real_data: Path) -> None:
    path = real_data / "jec" / "2022_Summer22_jet_jerc.json.gz"
    with pytest.raises(PayloadError, match=r"no tag 'Summer22_22Sep2023_V2_MC'.*nearest: Summer22_22Sep2023_V3_MC, "):
        read_json(path, "Summer22_22Sep2023_V2_MC", "AK4PFPuppi")
    with pytest.raises(PayloadError, match=r"no algorithm 'AK4PFchs'.*the file has: AK4PFPuppi$"):
        read_json(path, "Summer22_22Sep2023_V3_MC", "AK4PFchs")
    with pytest.raises(
        PayloadError, match=r"no level 'L2Relativ' .*nearest: L2Relative.*the file has: L1FastJet, L1L2"
    ):
        read_json(path, "Summer22_22Sep2023_V3_MC", "AK4PFPuppi", "L2Relativ")
    with pytest.raises(InputError, match=r"ScaleFactor is resolution scale factors, not a level of the correction"):
        read_json(path, "Summer22_22Sep2023_JRV1_MC", "AK4PFPuppi", "ScaleFactor")
    with pytest.raises(InputError, match=r"PtResolution is a resolution, not a level of the correction: read it with"):
        read_json(path, "Summer22_22Sep2023_JRV1_MC", "AK4PFPuppi", "PtResolution")
