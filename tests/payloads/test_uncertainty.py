"""Uncertainties: equal to correctionlib, to coffea and between text and JSON; signs, directions and edges right."""

from __future__ import annotations

import gc
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Uncertainties, read_uncertainties_json, read_uncertainties_text
from coffea_mljec.payloads.uncertainty import PiecewiseLinear
from tests.library import library_file
from tests.payloads.toy_sources import (
    ALGORITHM,
    HEADER,
    ROWS,
    SHAPES,
    SOURCES,
    STANDARD,
    TAG,
    jets,
    json_file,
    source,
    text_file,
)


def plain_twin(row: list[float], pt: float) -> tuple[float, float]:
    """CMSSW's SimpleJetCorrectionUncertainty in plain words: up is the second number of a point, down the third."""
    points = np.array(row).reshape(-1, 3)
    up, down = (float(np.interp(pt, points[:, 0], points[:, i])) for i in (1, 2))
    return up, down


# --- text


def test_text_interpolates_between_the_points(tmp_path: Path) -> None:
    uncertainties = read_uncertainties_text(text_file(tmp_path, SOURCES))
    assert uncertainties.sources == ("First", "Second", "Total")
    assert (uncertainties.tag, uncertainties.algorithm, uncertainties.inputs) == (TAG, ALGORITHM, ("pt", "eta"))
    columns = jets(500)
    up, down, valid = uncertainties.evaluate("First", columns)
    np.testing.assert_array_equal(valid, (columns["eta"] >= -5.4) & (columns["eta"] < 5.4))
    rows = [[float(word) for word in row.split()[3:]] for row in ROWS]
    for i in np.flatnonzero(valid):
        want = plain_twin(rows[int(columns["eta"][i] >= 0)], columns["pt"][i])
        np.testing.assert_allclose((up[i], down[i]), want, rtol=1e-12, atol=1e-15)
    assert np.isnan(up[~valid]).all()
    assert np.isnan(down[~valid]).all()


def test_a_total_file_has_the_source_that_coffea_calls_jes(tmp_path: Path) -> None:
    path = text_file(tmp_path, [HEADER, *ROWS], f"{TAG}_Uncertainty_{ALGORITHM}.junc.txt")
    for sources in ("all", "total", ["jes"]):
        assert read_uncertainties_text(path, sources).sources == ("jes",)


def test_text_choices_keep_the_order_asked_for(tmp_path: Path) -> None:
    path = text_file(tmp_path, SOURCES, f"RegroupedV2_{TAG}_UncertaintySources_{ALGORITHM}.junc.txt")
    assert read_uncertainties_text(path, ["Total", "First"]).sources == ("Total", "First")
    assert read_uncertainties_text(path, "Second").sources == ("Second",)
    assert read_uncertainties_text(path, "total").sources == ("Total",)
    assert read_uncertainties_text(path).tag == TAG


def test_bins_are_shared_by_sources_that_have_the_same(tmp_path: Path) -> None:
    table = read_uncertainties_text(text_file(tmp_path, SOURCES)).table
    assert table["First"].axes is table["Total"].axes
    assert table["First"].axes is not table["Second"].axes


def coffea_levels(path: Path) -> Any:
    from coffea.jetmet_tools import JetCorrectionUncertainty
    from coffea.lookup_tools import extractor

    extract = extractor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy.core, and files that coffea leaves open
        extract.add_weight_sets([f"* * {path}"])
        gc.collect()
    extract.finalize()
    evaluator = extract.make_evaluator()
    return JetCorrectionUncertainty(**{name: evaluator[name] for name in evaluator.keys()})  # noqa: SIM118 (no __iter__)


def test_coffea_swaps_up_and_down(tmp_path: Path) -> None:
    """Each point is (pT, up, down) to CMSSW, (pT, down, up) to coffea: wrong where the two differ, in old files."""
    path = text_file(
        tmp_path, [HEADER, "-5.4 5.4 6 10 0.02 0.01 20 0.02 0.01"], f"Toy1_V1_MC_Uncertainty_{ALGORITHM}.junc.txt"
    )
    up, down, _ = read_uncertainties_text(path).evaluate("jes", {"pt": [15.0], "eta": [0.0]})
    assert (up[0], down[0]) == pytest.approx((0.02, 0.01))
    ((_, theirs),) = coffea_levels(path).getUncertainty(JetEta=np.array([0.0]), JetPt=np.array([15.0]))
    np.testing.assert_allclose(theirs, [[1.01, 0.98]], rtol=1e-6)


@pytest.mark.parametrize("name", ["", "RegroupedV2_"])
def test_real_text_equals_coffea(real_data: Path, name: str) -> None:
    path = real_data / "jec" / "txt" / f"{name}Summer22_22Sep2023_V3_MC_UncertaintySources_AK4PFPuppi.junc.txt.gz"
    uncertainties = read_uncertainties_text(path)
    columns = jets(2000)
    shifts = uncertainties.at(columns)
    theirs = dict(coffea_levels(path).getUncertainty(JetEta=columns["eta"], JetPt=columns["pt"]))
    assert tuple(theirs) == uncertainties.sources
    for one, value in theirs.items():
        up, down, valid = shifts.evaluate(one)
        np.testing.assert_array_equal(valid, (columns["eta"] >= -5.4) & (columns["eta"] < 5.4))
        np.testing.assert_allclose(1 + up[valid], value[valid, 0], rtol=1e-6)  # theirs is in 32 bits
        np.testing.assert_allclose(1 - down[valid], value[valid, 1], rtol=1e-6)


def test_coffea_extends_the_last_bin_of_eta(real_data: Path) -> None:
    """CMSSW and correctionlib have no uncertainty beyond |eta| = 5.4, coffea that of the last bin."""
    path = real_data / "jec" / "txt" / "Summer22_22Sep2023_V3_MC_UncertaintySources_AK4PFPuppi.junc.txt.gz"
    up, _, valid = read_uncertainties_text(path, "Total").evaluate("Total", {"pt": [50.0, 50.0], "eta": [6.0, -5.5]})
    assert np.isnan(up).all()
    assert not valid.any()
    theirs = dict(coffea_levels(path).getUncertainty(JetEta=np.array([6.0, 5.3]), JetPt=np.array([50.0, 50.0])))
    np.testing.assert_array_equal(theirs["Total"][0], theirs["Total"][1])


# --- JSON


def library(path: Path, name: str, columns: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(library_file(path)[name].evaluate(columns["eta"], columns["pt"]))


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_of_source_equals_correctionlib(tmp_path: Path, shape: str) -> None:
    data, kind = SHAPES[shape]
    path = json_file(tmp_path, [source(shape, data)])
    uncertainties = read_uncertainties_json(path, TAG, ALGORITHM)
    assert isinstance(uncertainties.table[shape], kind)
    columns = jets(500)
    up, down, valid = uncertainties.evaluate(shape, columns)
    assert up is down
    want = library(path, f"{TAG}_{shape}_{ALGORITHM}", columns)
    np.testing.assert_allclose(up[valid], want[valid], rtol=1e-14)
    beyond = np.abs(columns["eta"]) >= (5.191 if shape in ("EtaClamp", "Formula") else 5.4)
    assert not valid[beyond & (columns["eta"] != -5.4)].any()
    assert valid[~beyond & (columns["pt"] >= 10) & (columns["pt"] < 30)].all()
    assert (want[~valid & ~beyond & (columns["eta"] != -5.4)] == -999).all()


def test_json_groups_of_sources(tmp_path: Path) -> None:
    names = ["A_2022", "B", "Total", "Regrouped_A", "Regrouped_Total"]
    others = [source(name, STANDARD) for name in ("L2Relative", "PtResolution", "ScaleFactor", "SFUncertainty")]
    path = json_file(tmp_path, [*others, *(source(name, STANDARD) for name in names)])
    for sources, want in {"all": names[:3], "regrouped": names[3:4], "total": names[2:3], "B": ["B"]}.items():
        assert read_uncertainties_json(path, TAG, ALGORITHM, sources).sources == tuple(want)
    assert read_uncertainties_json(path, TAG, ALGORITHM, ["Regrouped_Total", "B"]).sources == ("Regrouped_Total", "B")


REAL = [
    ("2017_UL_jet_jerc", "Summer19UL17_V5_MC", ["AK4PFchs"]),
    ("2017_UL_fatJet_jerc", "Summer19UL17_V5_MC", ["AK8PFPuppi"]),
    ("2022_Summer22_jet_jerc", "Summer22_22Sep2023_V3_MC", ["AK4PFPuppi"]),
    ("2022_Summer22_jet_jerc_PNet", "Summer22_22Sep2023_V2_MC",
     ["AK4PFPuppi", "AK4PFPuppiPNetRegression", "AK4PFPuppiPNetRegressionPlusNeutrino"]),
    ("2023_Summer23BPix_jet_jerc", "Summer23BPixPrompt23_V3_MC", ["AK4PFPuppi"]),
    ("2023_Summer23BPix_jet_jerc_PNet", "Summer23BPixPrompt23_V1_MC",
     ["AK4PFPuppi", "AK4PFPuppiPNetRegression", "AK4PFPuppiPNetRegressionPlusNeutrino"]),
]  # fmt: skip


@pytest.mark.parametrize(("stem", "tag", "algorithms"), REAL)
def test_every_real_source_equals_correctionlib(real_data: Path, stem: str, tag: str, algorithms: list[str]) -> None:
    path = real_data / "jec" / f"{stem}.json.gz"
    columns = jets(2000)
    inside = (columns["eta"] >= -5.4) & (columns["eta"] < 5.4)
    for algorithm in algorithms:
        single = read_uncertainties_json(path, tag, algorithm)
        grouped = read_uncertainties_json(path, tag, algorithm, "regrouped") if "PNet" not in stem else None
        assert len(single.sources) >= 52
        for uncertainties in (single, grouped):
            shifts = uncertainties.at(columns) if uncertainties else None
            for name in uncertainties.sources if uncertainties else ():
                assert isinstance(uncertainties.table[name], PiecewiseLinear)
                up, down, valid = shifts.evaluate(name)
                want = library(path, f"{tag}_{name}_{algorithm}", columns)
                np.testing.assert_array_equal(valid, inside)
                np.testing.assert_allclose(up[valid], want[valid], rtol=1e-12, atol=1e-15)
                np.testing.assert_array_equal(want[~valid], -999.0)
                assert up is down


def test_real_text_equals_real_json(real_data: Path) -> None:
    tag, algorithm = "Summer22_22Sep2023_V3_MC", "AK4PFPuppi"
    path = real_data / "jec" / "2022_Summer22_jet_jerc.json.gz"
    columns = jets(1000)
    for prefix, sources, start in (("", "all", ""), ("RegroupedV2_", "regrouped", "Regrouped_")):
        text = read_uncertainties_text(
            real_data / "jec" / "txt" / f"{prefix}{tag}_UncertaintySources_{algorithm}.junc.txt.gz"
        )
        tables = read_uncertainties_json(path, tag, algorithm, sources)
        assert {start + name for name in text.sources if start == "" or name != "Total"} == set(tables.sources)
        assert (text.tag, text.algorithm) == (tables.tag, tables.algorithm)
        for name in tables.sources:
            up, down, valid = text.evaluate(name.removeprefix(start), columns)
            want = tables.evaluate(name, columns)
            np.testing.assert_allclose(up[valid], want[0][valid], rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(valid, want[2])
            assert up is down


def test_real_sources_add_up_to_their_totals(real_data: Path) -> None:
    """Regrouped sources add up in quadrature to the total: the sources are what CMS says they are."""
    path = real_data / "jec" / "2022_Summer22_jet_jerc.json.gz"
    columns = {"pt": np.array([15.0, 35.0, 80.0, 400.0, 2000.0] * 3), "eta": np.repeat([0.1, 2.1, 3.8], 5)}
    grouped = read_uncertainties_json(path, "Summer22_22Sep2023_V3_MC", "AK4PFPuppi", "regrouped")
    shifts = grouped.at(columns)
    total = read_uncertainties_json(path, "Summer22_22Sep2023_V3_MC", "AK4PFPuppi", "total")
    squares = sum(shifts.evaluate(name)[0] ** 2 for name in shifts.sources)
    np.testing.assert_allclose(np.sqrt(squares), total.evaluate("Total", columns)[0], rtol=0.02, atol=2e-4)


# --- jets and columns that cannot be used


def toy(tmp_path: Path) -> Uncertainties:
    return read_uncertainties_json(
        json_file(tmp_path, [source(name, SHAPES[name][0]) for name in SHAPES]), TAG, ALGORITHM
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_bad_jets_are_not_valid_and_leave_the_others_alone(tmp_path: Path, shape: str) -> None:
    pt = np.array([0.0, -20.0, np.nan, np.inf, 15.0, 15.0, 15.0, 15.0])
    eta = np.array([1.0, 1.0, 1.0, 1.0, np.nan, 5.5, -np.inf, 1.0])
    up, down, valid = toy(tmp_path).evaluate(shape, {"pt": pt, "eta": eta})
    assert valid.tolist() == [False] * 7 + [True]
    np.testing.assert_array_equal(np.isnan(up), ~valid)
    np.testing.assert_array_equal(np.isnan(down), ~valid)
    alone = toy(tmp_path).evaluate(shape, {"pt": pt[7:], "eta": eta[7:]})
    assert up[7] == alone[0][0]
    assert toy(tmp_path).evaluate(shape, {"pt": pt[:0], "eta": eta[:0]})[0].size == 0


def test_columns_are_checked(tmp_path: Path) -> None:
    uncertainties = toy(tmp_path)
    with pytest.raises(InputError, match=r"Toy1_V1_MC AK4PFchs needs the columns pt, eta: missing pt, got pt_raw, eta"):
        uncertainties.at({"pt_raw": [1.0], "eta": [1.0]})
    with pytest.raises(InputError, match=r"column 'eta' has shape \(2,\), pt has \(1,\)"):
        uncertainties.at({"pt": [1.0], "eta": [1.0, 2.0]})
    with pytest.raises(InputError, match="column 'pt' is not a flat array of numbers"):
        uncertainties.at({"pt": ["a"], "eta": [1.0]})
    with pytest.raises(InputError, match="has no source Standart: nearest: Standard, Constant; it has Standard, Con"):
        uncertainties.at({"pt": [20.0], "eta": [1.0]}).evaluate("Standart")


def test_survives_pickling_without_its_file(tmp_path: Path) -> None:
    uncertainties = pickle.loads(pickle.dumps(toy(tmp_path)))
    (tmp_path / "toy.json.gz").unlink()
    columns = jets(50)
    for name in uncertainties.sources:
        assert uncertainties.evaluate(name, columns)[2].any()


# --- wrong files and wrong wishes
