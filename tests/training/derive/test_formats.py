"""Text and correctionlib files hold the same numbers, and others read them alike."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import correctionlib
import numpy as np
import pytest
from coffea.jetmet_tools import FactorizedJetCorrector, JetResolution, JetResolutionScaleFactor
from coffea.lookup_tools import extractor
from correctionlib.schemav2 import CorrectionSet

from coffea_mljec import FactorizedJEC
from coffea_mljec.payloads import (
    read_resolution_json,
    read_resolution_text,
    read_scale_factor_json,
    read_scale_factor_text,
)
from training.derive.inversion import invert, inverted_level
from training.derive.level import unit_level
from training.derive.library import write_library
from training.derive.offset import Offset, offset_level
from training.derive.resolution import ETA_EDGES, Resolution, predicted, resolution_level, scale_factor_level
from training.derive.text import write_text

# coffea's reader of scale factors takes numpy.core.
COFFEA = pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")
TAG, ALGORITHM = "Toy_V1_MC", "AK4PFchs"
STACK = ["L1FastJet", "L2Relative", "L3Absolute"]


@pytest.fixture(scope="module")
def resolution() -> Resolution:
    n = len(ETA_EDGES) - 1
    rng = np.random.default_rng(1)
    return Resolution(
        np.array([0.0, 10.0, 20.0, 200.0]), rng.uniform(-0.5, 5, (n, 3)), rng.uniform(0.7, 1.0, n),
        rng.uniform(0.03, 0.06, n), rng.uniform(-1.1, -0.8, n), np.tile([10.0, 2000.0], (n, 1)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(resolution: Resolution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("payloads")
    edges = np.array([0.0, 1.3, 2.5, 5.191])
    offset = Offset(edges, np.full(3, 1.2), np.array([0.4, 0.5, 0.9]), np.array([0.1, -0.05, 0.0]))
    inversions = [
        invert(lambda pt, scale=scale: scale * (1.0 - 0.4 * pt**-0.3), 8.0, high)
        for scale, high in ((1.0, 5000.0), (0.9, 2000.0), (0.8, 300.0))
    ]
    levels = [offset_level(offset), inverted_level("L2Relative", edges, inversions), unit_level("L3Absolute", 5.191)]
    levels += [resolution_level(resolution), scale_factor_level()]
    write_text(out, TAG, ALGORITHM, levels)
    write_library(out / "jerc.json.gz", TAG, ALGORITHM, levels, {"L1L2L3": STACK}, "a toy")
    return out


def jets(n: int = 5_000) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "pt_raw": np.exp(rng.uniform(np.log(0.5), np.log(6000), n)), "eta": rng.uniform(-5.19, 5.19, n),
        "area": rng.uniform(0.1, 1.0, n), "rho": rng.uniform(0, 80, n),
    }  # fmt: skip


def coffea_evaluator(folder: Path, *kinds: str) -> dict[str, object]:
    paths = [path for kind in kinds for path in sorted(folder.glob(f"*.{kind}.txt"))]
    ext = extractor()
    ext.add_weight_sets([f"* * {path}" for path in paths])
    ext.finalize()
    evaluator = ext.make_evaluator()
    return {path.name.split(".")[0]: evaluator[path.name.split(".")[0]] for path in paths}


def test_text_json_and_correctionlib_agree(folder: Path) -> None:
    columns = jets()
    text = FactorizedJEC.from_txt(sorted(folder.glob("*.jec.txt"))).payload.evaluate(columns)
    library = FactorizedJEC.from_json(folder / "jerc.json.gz", TAG, ALGORITHM, "L1L2L3").payload.evaluate(columns)
    theirs = correctionlib.CorrectionSet.from_file(str(folder / "jerc.json.gz")).compound[f"{TAG}_L1L2L3_{ALGORITHM}"]
    by_name = {"JetPt": "pt_raw", "JetEta": "eta", "JetA": "area", "Rho": "rho"}
    assert [one.name for one in theirs.inputs] == ["JetA", "JetEta", "JetPt", "Rho"]
    reference = theirs.evaluate(*(columns[by_name[one.name]] for one in theirs.inputs))
    assert text[1].all()
    assert library[1].all()
    assert text[0] == pytest.approx(reference, rel=1e-6)
    assert library[0] == pytest.approx(reference, rel=1e-6)
    assert np.ptp(reference) > 0.5


@COFFEA
def test_coffea_reads_the_levels(folder: Path) -> None:
    columns = jets()
    corrector = FactorizedJetCorrector(**coffea_evaluator(folder, "jec"))
    theirs = corrector.getCorrection(
        JetPt=columns["pt_raw"], JetEta=columns["eta"], JetA=columns["area"], Rho=columns["rho"]
    )
    ours, _ = FactorizedJEC.from_txt(sorted(folder.glob("*.jec.txt"))).payload.evaluate(columns)
    # coffea keeps parameters in 32 bits, and a row's edge may be rounded to its other side.
    assert theirs == pytest.approx(ours, rel=3e-5, abs=1e-6)


@COFFEA
def test_resolutions_and_scale_factors(folder: Path, resolution: Resolution) -> None:
    columns = jets()
    pt, eta, rho = columns["pt_raw"], columns["eta"], columns["rho"]
    ours = predicted(resolution, np.abs(eta), rho, pt)
    theirs = JetResolution(**coffea_evaluator(folder, "jr")).getResolution(JetEta=eta, Rho=rho, JetPt=pt)
    assert theirs == pytest.approx(ours, rel=1e-4)
    library = correctionlib.CorrectionSet.from_file(str(folder / "jerc.json.gz"))
    assert library[f"{TAG}_PtResolution_{ALGORITHM}"].evaluate(eta, pt, rho) == pytest.approx(ours, rel=1e-6)

    factors = JetResolutionScaleFactor(**coffea_evaluator(folder, "jersf")).getScaleFactor(JetEta=eta)
    shift = np.where(np.abs(eta) < 2.5, 0.05, 0.10)
    named = library[f"{TAG}_ScaleFactor_{ALGORITHM}"]
    # Columns of the text file, as in CMS's: nominal, down, up.
    for column, (key, expected) in enumerate((("nom", 1 + 0 * shift), ("down", 1 - shift), ("up", 1 + shift))):
        assert named.evaluate(eta, key) == pytest.approx(expected, rel=1e-7)
        rows = [line.split() for line in (folder / f"{TAG}_SF_{ALGORITHM}.jersf.txt").read_text().splitlines()[1:]]
        assert {float(row[3 + column]) for row in rows} == set(np.round(expected, 6))
    assert np.sort(np.asarray(factors), axis=1) == pytest.approx(np.stack([1 - shift, 1 + 0 * shift, 1 + shift], 1))


def test_the_package_reads_its_own_companions(folder: Path, resolution: Resolution) -> None:
    columns = dict(jets())
    columns["pt"] = columns["pt_raw"]
    expected = predicted(resolution, np.abs(columns["eta"]), columns["rho"], columns["pt_raw"])
    shift = np.where(np.abs(columns["eta"]) < 2.5, 0.05, 0.10)
    library = folder / "jerc.json.gz"
    for found in (
        read_resolution_text(folder / f"{TAG}_PtResolution_{ALGORITHM}.jr.txt"),
        read_resolution_json(library, TAG, ALGORITHM),
    ):
        assert found.evaluate(columns)[0] == pytest.approx(expected, rel=1e-6)
    for factor in (
        read_scale_factor_text(folder / f"{TAG}_SF_{ALGORITHM}.jersf.txt"),
        read_scale_factor_json(library, TAG, ALGORITHM),
    ):
        for name, value in (("nominal", 1.0), ("up", 1.0 + shift), ("down", 1.0 - shift)):
            assert factor.evaluate(columns, name)[0] == pytest.approx(np.broadcast_to(value, shift.shape), rel=1e-9)


def test_the_library_is_of_the_schema_and_reproducible(folder: Path, tmp_path: Path) -> None:
    content = json.loads(gzip.decompress((folder / "jerc.json.gz").read_bytes()))
    CorrectionSet.model_validate(content)
    assert content["schema_version"] == 2
    levels = [scale_factor_level()]
    one, two = (write_library(tmp_path / f"{i}.json.gz", TAG, ALGORITHM, levels, {}, "").read_bytes() for i in (1, 2))
    assert one == two


def test_names_and_headers_are_cmss(folder: Path) -> None:
    assert sorted(path.name for path in folder.glob("*.txt")) == [
        "Toy_V1_MC_L1FastJet_AK4PFchs.jec.txt", "Toy_V1_MC_L2Relative_AK4PFchs.jec.txt",
        "Toy_V1_MC_L3Absolute_AK4PFchs.jec.txt", "Toy_V1_MC_PtResolution_AK4PFchs.jr.txt",
        "Toy_V1_MC_SF_AK4PFchs.jersf.txt",
    ]  # fmt: skip
    header = (folder / "Toy_V1_MC_PtResolution_AK4PFchs.jr.txt").read_text().splitlines()[0]
    assert header == "{2 JetEta Rho 1 JetPt sqrt([0]*abs([0])/(x*x)+[1]*[1]*pow(x,[3])+[2]*[2]) Resolution}"
    lines = (folder / "Toy_V1_MC_SF_AK4PFchs.jersf.txt").read_text().splitlines()
    assert lines == [
        "{1 JetEta 0 None ScaleFactor}", "-5.191 -2.5 3 1 0.9 1.1", "-2.5 0 3 1 0.95 1.05", "0 2.5 3 1 0.95 1.05",
        "2.5 5.191 3 1 0.9 1.1",
    ]  # fmt: skip
