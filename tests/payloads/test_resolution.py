"""Resolutions and scale factors: equal to correctionlib and coffea, old format and new; edges and bad input."""

from __future__ import annotations

import gc
import gzip
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import (
    read_resolution_json,
    read_resolution_text,
    read_scale_factor_json,
    read_scale_factor_text,
)
from tests.library import library_file

TAG, ALGORITHM = "Toy1_JRV1_MC", "AK4PFchs"
SHIFTS = {"nominal": "nom", "up": "up", "down": "down"}
SUMMER22 = "Summer22_22Sep2023_JRV1_MC"


def jets(n: int, seed: int = 3) -> dict[str, np.ndarray]:
    """Random jets beyond all edges, then edges themselves."""
    rng = np.random.default_rng(seed)
    pt = np.exp(rng.uniform(np.log(2), np.log(20_000), n))
    eta, rho = rng.uniform(-5.6, 5.6, n), rng.uniform(0, 120, n)
    edge = np.array([-5.191, -4.7, -3.139, -2.5, 0.0, 2.5, 4.7, 5.191])
    return {
        "pt": np.concatenate([pt, np.full(8, 10.0), np.full(8, 121.0)]),
        "eta": np.concatenate([eta, edge, edge]),
        "rho": np.concatenate([rho, np.full(8, 8.06), np.zeros(8)]),
    }


def library(path: Path, name: str, columns: dict[str, np.ndarray], systematic: str = "") -> np.ndarray:
    entry = library_file(path)[name]
    given = {"JetPt": columns["pt"], "JetEta": columns["eta"], "Rho": columns.get("rho"), "systematic": systematic}
    return np.asarray(entry.evaluate(*[given[quantity.name] for quantity in entry.inputs]))


REAL = [
    ("2017_UL_jet_jerc", "Summer19UL17_JRV2_MC", "AK4PFchs", 4.7, 90.0),
    ("2017_UL_fatJet_jerc", "Summer19UL17_JRV2_MC", "AK8PFPuppi", 4.7, 90.0),
    ("2022_Summer22_jet_jerc", SUMMER22, "AK4PFPuppi", 5.191, 60.35),
    ("2022_Summer22_jet_jerc_PNet", SUMMER22, "AK4PFPuppiPNetRegression", 5.191, 60.35),
    ("2022_Summer22_jet_jerc_PNet", SUMMER22, "AK4PFPuppiPNetRegressionPlusNeutrino", 5.191, 60.35),
    ("2023_Summer23BPix_jet_jerc", "Summer23BPixPrompt23_RunD_JRV1_MC", "AK4PFPuppi", 5.191, 52.05),
    ("2023_Summer23BPix_jet_jerc_PNet", "Summer23BPixPrompt23_RunD_JRV1_MC", "AK4PFPuppiPNetRegression", 5.191, 52.05),
    ("2023_Summer23BPix_jet_jerc_PNet", "Summer23BPixPrompt23_RunD_JRV1_MC", "AK4PFPuppiPNetRegressionPlusNeutrino",
     5.191, 52.05),
]  # fmt: skip


@pytest.mark.parametrize(("stem", "tag", "algorithm", "end", "highest"), REAL)
def test_real_resolutions_equal_correctionlib(
    real_data: Path, stem: str, tag: str, algorithm: str, end: float, highest: float
) -> None:
    path = real_data / "jec" / f"{stem}.json.gz"
    columns = jets(5000)
    sigma, valid = read_resolution_json(path, tag, algorithm).evaluate(columns)
    want = library(path, f"{tag}_PtResolution_{algorithm}", columns)
    np.testing.assert_array_equal(valid, (columns["eta"] >= -end) & (columns["eta"] < end))
    np.testing.assert_array_equal(want[~valid], 1.0)  # the 1 of a bin that was not found
    assert np.isnan(sigma[~valid]).all()
    inside = valid & (columns["rho"] < highest)
    np.testing.assert_allclose(sigma[inside], want[inside], rtol=1e-12)
    # Beyond the last bin of rho there is a resolution too, that of the last bin, instead of 100 %.
    dense = valid & (columns["rho"] > highest)
    np.testing.assert_array_equal(want[dense], 1.0)
    at_the_end = library(
        path, f"{tag}_PtResolution_{algorithm}", columns | {"rho": np.full(valid.size, highest - 1e-3)}
    )
    np.testing.assert_allclose(sigma[dense], at_the_end[dense], rtol=1e-12)

    factors = read_scale_factor_json(path, tag, algorithm)
    for shift, systematic in SHIFTS.items():
        value, valid = factors.evaluate(columns, shift)  # type: ignore[arg-type]
        np.testing.assert_array_equal(valid, (columns["eta"] >= -5.191) & (columns["eta"] < 5.191))
        want = library(path, f"{tag}_ScaleFactor_{algorithm}", columns, systematic)
        np.testing.assert_allclose(value[valid], want[valid], rtol=1e-12)


def coffea_functions(path: Path) -> dict[str, Any]:
    from coffea.lookup_tools import extractor

    extract = extractor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy.core, and files that coffea leaves open
        extract.add_weight_sets([f"* * {path}"])
        gc.collect()
    extract.finalize()
    evaluator = extract.make_evaluator()
    return {name: evaluator[name] for name in evaluator.keys()}  # noqa: SIM118 (no __iter__)


def test_real_text_equals_coffea_and_json(real_data: Path) -> None:
    from coffea.jetmet_tools import JetResolution, JetResolutionScaleFactor

    folder, path = real_data / "jec" / "txt", real_data / "jec" / "2022_Summer22_jet_jerc.json.gz"
    columns = jets(3000)
    names = {"JetPt": columns["pt"], "JetEta": columns["eta"], "Rho": columns["rho"]}
    resolution_file = folder / f"{SUMMER22}_PtResolution_AK4PFPuppi.jr.txt.gz"
    resolution = read_resolution_text(resolution_file)
    assert (resolution.tag, resolution.algorithm, resolution.inputs) == (SUMMER22, "AK4PFPuppi", ("pt", "eta", "rho"))
    sigma, valid = resolution.evaluate(columns)
    from_json, valid_json = read_resolution_json(path, SUMMER22, "AK4PFPuppi").evaluate(columns)
    np.testing.assert_array_equal(valid, valid_json)
    np.testing.assert_allclose(sigma, from_json, rtol=1e-12)
    theirs = JetResolution(**coffea_functions(resolution_file)).getResolution(**names)
    inside = valid & (columns["rho"] < 60)
    inside[3000:] = False  # jets on the edges, which coffea keeps in 32 bits; JSON is compared with there
    np.testing.assert_allclose(sigma[inside], theirs[inside], rtol=1e-5)  # parameters in 32 bits

    factor_file = folder / f"{SUMMER22}_SF_AK4PFPuppi.jersf.txt.gz"
    factors = read_scale_factor_text(factor_file)
    # coffea takes names of five parts only; the campaign's has six.
    functions = {name.replace("_22Sep2023", ""): function for name, function in coffea_functions(factor_file).items()}
    their_factors = JetResolutionScaleFactor(**functions).getScaleFactor(JetPt=columns["pt"], JetEta=columns["eta"])
    beyond = (columns["pt"] < 10) | (columns["pt"] > 4000)
    edge = np.isin(np.abs(columns["eta"]), [2.5, 3.139]) | np.isin(columns["pt"], [121.0])
    for i, shift in enumerate(SHIFTS):
        value, valid = factors.evaluate(columns, shift)  # type: ignore[arg-type]
        want, _ = read_scale_factor_json(path, SUMMER22, "AK4PFPuppi").evaluate(columns, shift)  # type: ignore[arg-type]
        np.testing.assert_array_equal(value, want)
        inside = valid & ~beyond & ~edge
        np.testing.assert_allclose(value[inside], their_factors[inside, i], rtol=1e-6)
        # coffea extends the last bins of pT, where CMSSW and correctionlib leave the resolution as it is.
        np.testing.assert_array_equal(value[valid & beyond], 1.0)
        assert (their_factors[valid & beyond, i] != 1.0).any()


# --- text


RESOLUTION = ["{2 JetEta Rho 1 JetPt sqrt([0]*abs([0])/(x*x)+[1]*[1]) Resolution}",
              "-4.7 0.0 0 20 4 10 1000 1 0.1", "-4.7 0.0 20 40 4 10 1000 2 0.1",
              "0.0 4.7 0 20 4 10 1000 3 0.1", "0.0 4.7 20 40 4 10 1000 -90 0.1"]  # fmt: skip
BY_ETA = ["{1 JetEta 0 None ScaleFactor}", "-5.0 0.0 3 1.1 1.0 1.2", "0.0 5.0 3 1.3 1.2 1.5"]


def text_file(folder: Path, lines: list[str], kind: str) -> Path:
    path = folder / f"{TAG}_{kind}_{ALGORITHM}.{'jr' if kind == 'PtResolution' else 'jersf'}.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_resolution_text(tmp_path: Path) -> None:
    resolution = read_resolution_text(text_file(tmp_path, RESOLUTION, "PtResolution"))
    columns = {
        "pt": np.array([50.0, 5.0, 2000.0, 50.0, 50.0, 50.0, 50.0, 50.0]),
        "eta": np.array([-1.0, -1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 4.7]),
        "rho": np.array([10.0, 10.0, 10.0, 50.0, -1.0, 10.0, 30.0, 10.0]),
    }
    sigma, valid = resolution.evaluate(columns)
    assert valid.tolist() == [True] * 6 + [False] * 2  # the root of a negative number is no resolution
    pt, noise = [50.0, 10.0, 1000.0, 50.0, 50.0, 50.0], np.array([1, 1, 1, 2, 1, 3])
    np.testing.assert_allclose(sigma[:6], np.sqrt((noise / pt) ** 2 + 0.01), rtol=1e-14)
    assert np.isnan(sigma[6:]).all()


@pytest.mark.parametrize("more", ["", " 0.9 1.4 0.8 1.5"])
def test_scale_factor_text(tmp_path: Path, more: str) -> None:
    """The newest files have the sources of the uncertainty after the three numbers: totals are what is read."""
    rows = [row.replace(" 3 ", " 7 ") + more if more else row for row in BY_ETA[1:]]
    factors = read_scale_factor_text(text_file(tmp_path, [BY_ETA[0], *rows], "SF"))
    assert factors.inputs == ("pt", "eta")
    columns = {"pt": [20.0, 20.0, 20.0], "eta": [-1.0, 1.0, 5.0]}
    for shift, want in {"nominal": [1.1, 1.3], "up": [1.2, 1.5], "down": [1.0, 1.2]}.items():
        value, valid = factors.evaluate(columns, shift)  # type: ignore[arg-type]
        assert value[:2].tolist() == want
        assert valid.tolist() == [True, True, False]
        assert np.isnan(value[2])


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        ([RESOLUTION[0]], "PtResolution", "ends after its header"),
        ([BY_ETA[0], *RESOLUTION[1:]], "PtResolution", r"no number \(1 to 4\) of variables"),
        ([RESOLUTION[0].replace("Resolution", "Correction L1"), *RESOLUTION[1:]], "PtResolution", "not a resolution"),
        ([RESOLUTION[0].replace("[0]", "evil([0])"), *RESOLUTION[1:]], "PtResolution", "a known function"),
        ([RESOLUTION[0], *RESOLUTION[1:4]], "PtResolution", None),
        ([*RESOLUTION[:2], RESOLUTION[2] + " 5"], "PtResolution", "5 numbers follow the bin, expected 4"),
        ([BY_ETA[0].replace("ScaleFactor", "Resolution"), *BY_ETA[1:]], "SF", "not a scale factor"),
        ([BY_ETA[0].replace("None", "[0]"), *BY_ETA[1:]], "SF", "which a scale factor does not have"),
        ([BY_ETA[0], "-5.0 5.0 2 1.1 1.0"], "SF", "2 numbers follow the bin, expected at least 3"),
        ([BY_ETA[0], BY_ETA[1]], "SF", "the bins of JetEta end at 0 but begin at -5"),
        ([*BY_ETA, BY_ETA[1]], "SF", "for the same bin|overlaps"),
    ],
)  # fmt: skip
def test_damaged_text(tmp_path: Path, lines: list[str], kind: str, message: str | None) -> None:
    path = text_file(tmp_path, lines, kind)
    read = read_resolution_text if kind == "PtResolution" else read_scale_factor_text
    if message is None:  # a missing bin in rho is a gap, which its neighbour does not fill
        assert read(path).evaluate({"pt": [50.0], "eta": [1.0], "rho": [10.0]})[1].all()
        return
    with pytest.raises(PayloadError, match=message) as caught:
        read(path)
    assert path.name in str(caught.value)


def test_files_of_something_else(tmp_path: Path) -> None:
    resolution, factors = text_file(tmp_path, RESOLUTION, "PtResolution"), text_file(tmp_path, BY_ETA, "SF")
    with pytest.raises(PayloadError, match="holds SF, expected <tag>_PtResolution_"):
        read_resolution_text(factors)
    with pytest.raises(PayloadError, match="holds PtResolution, expected <tag>_SF_"):
        read_scale_factor_text(resolution)


# --- JSON


def binning(quantity: str, edges: list[float], content: list[Any], flow: Any = 1.0) -> dict[str, Any]:
    return {"nodetype": "binning", "input": quantity, "edges": edges, "content": content, "flow": flow}


def systematic(values: dict[str, float]) -> dict[str, Any]:
    content = [{"key": key, "value": value} for key, value in values.items()]
    return {"nodetype": "category", "input": "systematic", "content": content}


def correction(kind: str, quantities: list[str], data: Any) -> dict[str, Any]:
    inputs = [{"name": name, "type": "string" if name == "systematic" else "real"} for name in quantities]
    return {
        "name": f"{TAG}_{kind}_{ALGORITHM}", "version": 1, "inputs": inputs, "data": data,
        "output": {"name": "value", "type": "real"},
    }  # fmt: skip


def json_file(folder: Path, corrections: list[Any]) -> Path:
    path = folder / "toy.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"schema_version": 2, "corrections": corrections}).encode()))
    return path


FIRST, SECOND = {"nom": 1.1, "up": 1.2, "down": 1.05}, {"nom": 1.3, "up": 1.4, "down": 0.9}
IN_ETA = binning("JetEta", [-5.0, 0.0, 5.0], [systematic(FIRST), systematic(SECOND)])
IN_PT = binning(
    "JetEta", [-5.0, 5.0], [binning("JetPt", [10.0, 100.0, 1000.0], [systematic(FIRST), systematic(SECOND)])]
)
OUTERMOST = {
    "nodetype": "category", "input": "systematic", "content": [
        {"key": key, "value": binning("JetEta", [-5.0, 0.0, 5.0], [FIRST[key], SECOND[key]])} for key in FIRST
    ],
}  # fmt: skip
LEFT_TO_LIBRARY = binning("JetEta", [-5.0, 5.0], [binning("JetPt", [10.0, 100.0], [systematic(FIRST)], 1.0)], "clamp")


@pytest.mark.parametrize("data", [IN_ETA, IN_PT, OUTERMOST, LEFT_TO_LIBRARY])
def test_old_format_equals_correctionlib(tmp_path: Path, data: Any) -> None:
    path = json_file(tmp_path, [correction("ScaleFactor", ["JetEta", "JetPt", "systematic"], data)])
    factors = read_scale_factor_json(path, TAG, ALGORITHM)
    columns = jets(300)
    for shift, key in SHIFTS.items():
        value, valid = factors.evaluate(columns, shift)  # type: ignore[arg-type]
        want = library(path, f"{TAG}_ScaleFactor_{ALGORITHM}", columns, key)
        np.testing.assert_allclose(value[valid], want[valid], rtol=1e-14)
        assert valid[np.abs(columns["eta"]) < 5].all()
        assert not valid[np.abs(columns["eta"]) > 5.191].any()


def new_format(folder: Path) -> Path:
    edges = [-5.0, 0.0, 5.0]
    nominal = binning("JetEta", edges, [binning("JetPt", [10.0, 100.0], [value]) for value in (1.2, 1.5)])
    uncertainty = binning("JetEta", edges, [binning("JetPt", [10.0, 100.0], [value]) for value in (0.1, 1.2)])
    return json_file(folder, [
        correction("ScaleFactor", ["JetEta", "JetPt"], nominal),
        correction("SFUncertainty", ["JetEta", "JetPt"], uncertainty),
    ])  # fmt: skip


def test_new_format(tmp_path: Path) -> None:
    path = new_format(tmp_path)
    columns = {"pt": [50.0, 50.0, 5.0, 50.0], "eta": [-1.0, 1.0, 1.0, 5.5]}
    wanted = {"relative": {"up": [1.32, 3.3], "down": [1.08, 0.0]}, "absolute": {"up": [1.3, 2.7], "down": [1.1, 0.3]}}
    for how, shifts in wanted.items():
        factors = read_scale_factor_json(path, TAG, ALGORITHM, how)  # type: ignore[arg-type]
        for shift, want in ({"nominal": [1.2, 1.5]} | shifts).items():
            value, valid = factors.evaluate(columns, shift)  # type: ignore[arg-type]
            # Never negative; beyond the bins of pT no scale factor and no uncertainty, not one of 100 %.
            np.testing.assert_allclose(value, [*want, 1.0, np.nan], rtol=1e-14)
            assert valid.tolist() == [True, True, True, False]
    assert read_scale_factor_json(path, TAG, ALGORITHM).uncertainty == "absolute"
    with pytest.raises(InputError, match="uncertainty: expected one of relative, absolute, got 'percent'"):
        read_scale_factor_json(path, TAG, ALGORITHM, "percent")  # type: ignore[arg-type]


def test_coffea_refuses_the_new_format(tmp_path: Path) -> None:
    """coffea hands a third input to a scale factor that has two; the new format is read here."""
    adapters = pytest.importorskip(
        "coffea.jetmet_tools.correctionlib_adapters", reason="coffea before 2026.4 has no CorrectionLibJERSF"
    )

    path = new_format(tmp_path)
    theirs = adapters.CorrectionLibJERSF(library_file(path)[f"{TAG}_ScaleFactor_{ALGORITHM}"])
    with pytest.raises(ValueError, match=r"[Ii]nput|argument"):
        theirs.getScaleFactor(JetEta=np.array([1.0]), JetPt=np.array([50.0]))


def test_what_the_file_lacks(tmp_path: Path) -> None:
    lone = correction("ScaleFactor", ["JetEta"], 1.0)
    path = json_file(tmp_path, [lone, correction("L2Relative", ["JetEta", "JetPt"], 1.0)])
    with pytest.raises(PayloadError, match=r"no Toy1_JRV1_MC_PtResolution_AK4PFchs; the file has: no PtResolution"):
        read_resolution_json(path, TAG, ALGORITHM)
    with pytest.raises(PayloadError, match=r"no Toy1_JRV1_MC_SFUncertainty_AK4PFchs"):
        read_scale_factor_json(path, TAG, ALGORITHM)
    with pytest.raises(PayloadError, match=r"nearest: Toy1_JRV1_MC_ScaleFactor_AK4PFchs; .*own, with JR"):
        read_scale_factor_json(path, "Toy1_V1_MC", ALGORITHM)
    odd = correction("ScaleFactor", ["JetEta", "systematic"], systematic({"central": 1.0, "up": 1.1}))
    with pytest.raises(PayloadError, match=r"has systematic central, up, expected nom, up, down"):
        read_scale_factor_json(json_file(tmp_path, [odd]), TAG, ALGORITHM)
    broken = correction("ScaleFactor", ["JetEta", "systematic"], {"content": []})
    with pytest.raises(PayloadError, match=r"ScaleFactor_AK4PFchs is damaged \(KeyError: 'nodetype'\)"):
        read_scale_factor_json(json_file(tmp_path, [broken]), TAG, ALGORITHM)


# --- jets and columns that cannot be used


def test_bad_jets_are_not_valid(tmp_path: Path) -> None:
    resolution = read_resolution_text(text_file(tmp_path, RESOLUTION, "PtResolution"))
    factors = read_scale_factor_text(text_file(tmp_path, BY_ETA, "SF"))
    columns = {
        "pt": np.array([0.0, -20.0, np.nan, np.inf, 50.0, 50.0, 50.0, 50.0]),
        "eta": np.array([-1.0, -1.0, -1.0, -1.0, np.nan, 5.3, -1.0, -1.0]),
        "rho": np.array([10.0, 10.0, 10.0, 10.0, 10.0, 10.0, np.nan, 10.0]),
    }
    sigma, valid = resolution.evaluate(columns)
    assert valid.tolist() == [False] * 7 + [True]
    np.testing.assert_array_equal(np.isnan(sigma), ~valid)
    value, valid = factors.evaluate(columns)
    assert valid.tolist() == [False] * 6 + [True] * 2  # rho is not read
    np.testing.assert_array_equal(np.isnan(value), ~valid)
    empty = {name: column[:0] for name, column in columns.items()}
    assert resolution.evaluate(empty)[0].size == factors.evaluate(empty, "up")[0].size == 0


def test_headers_and_gaps_of_published_files(tmp_path: Path) -> None:
    """Summer23 names its scale factors SF, Autumn18_V7b counts them; a resolution of Summer20UL18 has a gap in eta."""
    rows = ["-5 5 15 21 3 1.1 1.0 1.2", "-5 5 21 3000 3 1.1 1.0 1.3"]
    for words in ("SF TotDown TotUp", "13 ScaleFactor TotalDown TotalUp", "scalefactor"):
        factors = read_scale_factor_text(text_file(tmp_path, [f"{{ 2 JetEta JetPt 0 None {words}}}", *rows], "SF"))
        assert factors.evaluate({"pt": [18.0], "eta": [0.0]}, "up")[0] == pytest.approx([1.2])
    text = ["{1 JetEta 1 JetPt [0] resolution}", "-5 -1 3 8 3000 0.1", "1 5 3 8 3000 0.2"]
    resolution = read_resolution_text(text_file(tmp_path, text, "PtResolution"))
    value, valid = resolution.evaluate({"pt": [50.0] * 3, "eta": [-2.0, 0.0, 2.0]})
    np.testing.assert_allclose(value, [0.1, np.nan, 0.2])
    assert valid.tolist() == [True, False, True]


def test_columns_are_checked(tmp_path: Path) -> None:
    resolution = read_resolution_text(text_file(tmp_path, RESOLUTION, "PtResolution"))
    factors = read_scale_factor_text(text_file(tmp_path, BY_ETA, "SF"))
    with pytest.raises(InputError, match=r"the resolution Toy1_JRV1_MC AK4PFchs needs .*, rho: missing rho"):
        resolution.evaluate({"pt": [1.0], "eta": [1.0]})
    with pytest.raises(InputError, match=r"the scale factor .* missing pt, got pt_raw, eta"):
        factors.evaluate({"pt_raw": [1.0], "eta": [1.0]})
    with pytest.raises(InputError, match=r"shift: expected one of nominal, up, down, got 'nom'"):
        factors.evaluate({"pt": [1.0], "eta": [1.0]}, "nom")  # type: ignore[arg-type]


def test_survives_pickling(tmp_path: Path) -> None:
    path = new_format(tmp_path)
    factors = pickle.loads(pickle.dumps(read_scale_factor_json(path, TAG, ALGORITHM)))
    assert factors.evaluate({"pt": [50.0], "eta": [-1.0]}, "up")[0] == pytest.approx([1.3])
    resolution = pickle.loads(pickle.dumps(read_resolution_text(text_file(tmp_path, RESOLUTION, "PtResolution"))))
    assert resolution.evaluate({"pt": [50.0], "eta": [1.0], "rho": [5.0]})[1].all()
