"""The derivation on a toy detector whose offset and response are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.corrections.payloads import read_text
from coffea_mljec.errors import InputError
from training.derive.closure import closure_table, plot_closure, worst, write_closure
from training.derive.derivation import ETA_EDGES, derive
from training.derive.offset import fit_offset, subtracted
from training.derive.response import invert, local_response, region_response, weighted_quantiles
from training.derive.sample import MatchedJets, mix_weights, read_jets

RHO_0 = 1.5


def true_response(pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    return (1.0 - 0.35 * np.power(pt, -0.25)) * (1.0 - 0.08 * (np.abs(eta) > 2.5))


def true_slope(eta: np.ndarray) -> np.ndarray:
    return 0.5 + 0.1 * np.minimum(np.abs(eta), 3.0)


def toy(seed: int, n: int = 240_000) -> MatchedJets:
    rng = np.random.default_rng(seed)
    eta = rng.uniform(-5.19, 5.19, n)
    pt = np.exp(rng.uniform(np.log(8.0), np.log(np.minimum(3000.0, 6000.0 / np.cosh(eta)))))
    n_pu = rng.poisson(rng.uniform(10, 60, n)).astype(float)
    rho = np.maximum(0.0, RHO_0 + 0.65 * n_pu + rng.normal(0, 1.5, n))
    area = rng.normal(0.5, 0.03, n)
    offset = true_slope(eta) * area * (rho - RHO_0)
    resolution = np.sqrt(0.04**2 + 0.7**2 / pt)
    raw = true_response(pt, eta) * pt * np.exp(rng.normal(0.0, 1.0, n) * resolution) + offset
    return MatchedJets(
        {
            "pt_raw": np.maximum(raw, 0.5), "eta": eta, "area": area, "rho": rho, "pt_gen": pt, "eta_gen": eta,
            "weight": np.ones(n), "flavour": np.full(n, 21.0), "process": np.zeros(n),
        },
        rho, n_pu,
    )  # fmt: skip


@pytest.fixture(scope="module")
def training() -> MatchedJets:
    return toy(1)


@pytest.fixture(scope="module")
def files(training: MatchedJets, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return derive(training, tmp_path_factory.mktemp("jec"), "Toy_V1_MC", "AK4PFchs")


def test_the_offset_is_found(training: MatchedJets) -> None:
    offset = fit_offset(training, np.ones(len(training)), ETA_EDGES)
    assert offset.rho_0 == pytest.approx(RHO_0, abs=0.15)
    centres = 0.5 * (ETA_EDGES[1:] + ETA_EDGES[:-1])
    at_30 = offset.slope * (1 + offset.growth * np.log(30 / 15))
    assert at_30 == pytest.approx(true_slope(centres), rel=0.08)
    left = subtracted(training, offset) / training["pt_gen"] - true_response(training["pt_gen"], training["eta"])
    assert np.median(left[training["pt_gen"] > 20]) == pytest.approx(0.0, abs=0.005)


def test_it_closes_on_other_events(files: list[Path]) -> None:
    other = toy(2)
    payload = read_text(files)
    assert payload.levels == ("L1FastJet", "L2Relative", "L3Absolute")
    table = closure_table(other, np.ones(len(other)), payload)
    assert worst(table) < 0.01
    assert sum(len(entry["median"]) for entry in table) > 50


def test_the_text_means_the_same_to_coffea(files: list[Path]) -> None:
    from coffea.jetmet_tools import FactorizedJetCorrector
    from coffea.lookup_tools import extractor

    ext = extractor()
    ext.add_weight_sets([f"* * {path}" for path in files])
    ext.finalize()
    evaluator = ext.make_evaluator()
    names = [path.name.removesuffix(".jec.txt") for path in files]
    corrector = FactorizedJetCorrector(**{name: evaluator[name] for name in names})
    other = toy(3, 5_000)
    factor, valid = read_text(files).evaluate({name: other[name] for name in ("pt_raw", "eta", "area", "rho")})
    theirs = corrector.getCorrection(
        JetPt=other["pt_raw"], JetEta=other["eta"], JetA=other["area"], Rho=other["rho"]
    )
    assert valid.all()
    assert theirs == pytest.approx(factor, rel=2e-5)


def test_the_correction_is_continuous_and_rises(files: list[Path]) -> None:
    payload = read_text(files)
    pt = np.geomspace(1.0, 6000.0, 20_001)
    for eta in (0.1, -2.7, 4.5):
        columns = {"pt_raw": pt, "eta": np.full(len(pt), eta), "area": np.full(len(pt), 0.5), "rho": np.zeros(len(pt))}
        factor, valid = payload.evaluate(columns)
        assert valid.all()
        assert np.all(np.diff(pt * factor) > 0)
        assert np.max(np.abs(np.diff(factor))) < 2e-3


def test_inversion_is_exact_for_the_median() -> None:
    """1 / response at equal reconstructed pT would be wrong by several per cent here."""
    rng = np.random.default_rng(5)
    pt = np.exp(rng.uniform(np.log(10), np.log(100), 400_000))
    reconstructed = pt * (0.5 + 0.1 * np.log(pt / 10)) * np.exp(rng.normal(0, 0.2, len(pt)))
    curve = region_response(reconstructed / pt, pt, np.ones(len(pt)), np.geomspace(10, 100, 21))
    inversion = invert(curve, 10.0, 100.0)
    back = reconstructed * np.interp(np.log(reconstructed), np.log(inversion.pt), inversion.factor)
    for low, high in ((15, 17), (30, 33), (60, 65)):
        rows = (pt > low) & (pt < high)
        assert np.median(back[rows] / pt[rows]) == pytest.approx(1.0, abs=0.006)


def test_a_fine_bin_follows_its_region_where_it_has_few_jets() -> None:
    rng = np.random.default_rng(6)
    edges = np.geomspace(10, 1000, 11)

    def jets(n: int, highest: float) -> tuple[np.ndarray, np.ndarray]:
        pt = np.exp(rng.uniform(np.log(10), np.log(highest), n))
        return pt, (0.6 + 0.05 * np.log(pt / 10)) * np.exp(rng.normal(0, 0.15, n))

    pt, response = jets(100_000, 1000)
    region = region_response(response, pt, np.ones(len(pt)), edges)
    at = np.array([15.0, 100.0, 900.0])
    assert region(at) == pytest.approx(0.6 + 0.05 * np.log(at / 10), abs=0.004)
    pt, response = jets(2_000, 60)
    local = local_response(region, 0.9 * response, pt, np.ones(len(pt)), edges)
    assert local(at) == pytest.approx(0.9 * region(at), rel=0.03)
    assert local_response(region, response[:0], pt[:0], pt[:0], edges) is region
    with pytest.raises(InputError, match="0 bins of pt_gen hold enough jets"):
        region_response(response[:5], pt[:5], np.ones(5), edges)


def test_weighted_quantiles_are_those_of_repeated_values() -> None:
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=200), rng.integers(1, 5, 200)
    ours = weighted_quantiles(values, weights.astype(float), np.array([0.25, 0.5, 0.75]))
    assert ours == pytest.approx(np.quantile(np.repeat(values, weights), [0.25, 0.5, 0.75]), abs=0.03)


def test_enriched_flavours_do_not_shift_the_mix() -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    jets = toy(1, n)
    process = (np.arange(n) % 2).astype(float)
    flavour = np.where(process == 0, np.where(rng.random(n) < 0.1, 5, 21), 5).astype(float)
    mixed = MatchedJets(jets.columns | {"process": process, "flavour": flavour}, jets.event_rho, jets.event_n_pu)
    weight = mix_weights(mixed)
    central = np.abs(jets["eta_gen"]) < 1.3
    share = weight[central & (flavour == 5)].sum() / weight[central].sum()
    assert share == pytest.approx(np.mean(flavour[central & (process == 0)] == 5), abs=1e-6)


def test_closure_files(files: list[Path], tmp_path: Path) -> None:
    jets = toy(4, 20_000)
    tables = {"one": closure_table(jets, np.ones(len(jets)), read_text(files))}
    write_closure(tmp_path / "closure.json", tables)
    plot_closure(tmp_path / "closure.png", tables)
    content = json.loads((tmp_path / "closure.json").read_text())
    assert content["one"]["bins"][0]["abs_eta"] == [0.0, 0.8]
    assert (tmp_path / "closure.png").read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closure.json", "closure.png"]


def test_bad_input(training: MatchedJets, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected <campaign>_<version>_MC"):
        derive(training, tmp_path, "no-good", "AK4PFchs")
    with pytest.raises(InputError, match=r"no ROOT file at .*: give files of"):
        read_jets([tmp_path])
    (tmp_path / "broken.root").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be used to derive a correction"):
        read_jets([tmp_path])
    few = toy(1, 100)
    with pytest.raises(InputError, match="expected at least 300: simulate more"):
        derive(few, tmp_path / "few", "Toy_V1_MC", "AK4PFchs")
    flat = MatchedJets(few.columns, np.full(50, 20.0), np.full(50, 25.0))
    with pytest.raises(InputError, match="the offset needs a range"):
        derive(flat, tmp_path / "flat", "Toy_V1_MC", "AK4PFchs")
