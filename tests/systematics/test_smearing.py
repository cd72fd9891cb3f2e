"""Smearing: equal to a plain twin and to coffea, never a negative pT, no match for -1 and 0."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.systematics import JERSmear, generator_pt, smear_factor

FIRST = {"pt": 50.0, "eta": 1.0, "sigma": 0.1, "scale_factor": 1.2, "normal": 0.5, "pt_gen": -1.0}


def one(**change: float) -> float:
    return float(smear_factor(**{name: np.array([value]) for name, value in (FIRST | change).items()})[0])


def plain_twin(pt: float, eta: float, sigma: float, scale_factor: float, normal: float, pt_gen: float) -> float:
    """The formulas of CMS, jet by jet."""
    if not (pt > 0 and all(math.isfinite(x) for x in (pt, eta, sigma, scale_factor))):
        return 1.0
    if pt_gen > 0 and abs(pt - pt_gen) < 3 * sigma * pt:
        factor = 1 + (scale_factor - 1) * (pt - pt_gen) / pt
    else:
        factor = 1 + normal * sigma * math.sqrt(max(scale_factor**2 - 1, 0))
    return max(factor, 0.01 / math.cosh(eta) / pt)


def jets(n: int, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    pt = np.exp(rng.uniform(np.log(5), np.log(2000), n))
    pt_gen = pt * rng.normal(1, 0.15, n)
    pt_gen[::3] = -1.0
    return {
        "pt": pt, "eta": rng.uniform(-5, 5, n), "sigma": rng.uniform(0.03, 0.6, n),
        "scale_factor": rng.uniform(0.8, 2.0, n), "normal": rng.normal(0, 1, n), "pt_gen": pt_gen,
    }  # fmt: skip


def test_equals_the_plain_twin() -> None:
    columns = jets(2000)
    for i, bad in enumerate([0.0, -5.0, np.nan, np.inf]):
        columns["pt"][i] = bad
    columns["sigma"][5] = columns["scale_factor"][6] = columns["eta"][7] = np.nan
    columns["normal"][8:12] = [-40.0, 40.0, -7.0, 7.0]
    columns["pt_gen"][9:12] = [0.0, np.nan, np.inf]
    got = smear_factor(**columns)
    want = [plain_twin(*row) for row in zip(*columns.values(), strict=True)]
    np.testing.assert_allclose(got, want, rtol=1e-14)
    assert (got[:8][[0, 1, 2, 3, 5, 6, 7]] == 1).all()
    assert (got > 0).all()


def test_a_match_scales_and_no_match_draws() -> None:
    scaled = 1 + 0.2 * 2 / 50
    drawn = 1 + 0.5 * 0.1 * math.sqrt(0.44)
    assert one(pt_gen=48.0) == pytest.approx(scaled)
    assert one(pt_gen=-1.0) == pytest.approx(drawn)
    assert one(pt_gen=0.0) == pytest.approx(drawn)  # never a match
    assert one(pt_gen=35.01) == pytest.approx(1 + 0.2 * 14.99 / 50)
    assert one(pt_gen=34.99) == pytest.approx(drawn)  # three sigma away
    assert one(pt_gen=48.0, scale_factor=1.0) == 1.0
    assert one(scale_factor=0.9) == 1.0  # nothing can be unsmeared without a match
    assert one(scale_factor=0.9, pt_gen=48.0) < 1.0


def test_pt_never_turns_negative() -> None:
    for eta in (0.0, 3.0):
        factor = one(normal=-50.0, sigma=0.5, eta=eta)
        assert factor * 50.0 * math.cosh(eta) == pytest.approx(0.01)
    assert one(pt_gen=120.0, sigma=1.0, scale_factor=3.0) * 50.0 * math.cosh(1.0) == pytest.approx(0.01)


def test_stochastic_only() -> None:
    columns = jets(100)
    pt_gen = columns.pop("pt_gen")
    np.testing.assert_array_equal(smear_factor(**columns), smear_factor(**columns, pt_gen=np.full_like(pt_gen, -1.0)))
    assert (smear_factor(**columns) != smear_factor(**columns, pt_gen=pt_gen)).any()


def test_jets_without_a_match_can_be_left_alone() -> None:
    columns = jets(1000)
    region = (np.abs(columns["eta"]) < 2.5) | (np.abs(columns["eta"]) > 3.0)
    everywhere, outside = smear_factor(**columns), smear_factor(**columns, stochastic=region)
    matched = np.abs(columns["pt"] - columns["pt_gen"]) < 3 * columns["sigma"] * columns["pt"]
    matched &= columns["pt_gen"] > 0
    np.testing.assert_array_equal(outside, np.where(region | matched, everywhere, 1.0))
    assert (outside[~region & ~matched] == 1.0).all()
    assert (~region & ~matched).any()
    with pytest.raises(InputError, match=r"stochastic: expected a flat mask of \(1000,\) jets, got float64"):
        smear_factor(**columns, stochastic=np.ones(1000))


def test_smears_to_the_resolution_of_data() -> None:
    """Both methods turn a Gaussian of width sigma into one of width sigma times the scale factor."""
    rng = np.random.default_rng(2)
    n = 100_000
    response = rng.normal(1, 0.1, n)
    columns = {"pt": 100 * response, "eta": np.zeros(n), "sigma": np.full(n, 0.1), "scale_factor": np.full(n, 1.3)}
    for pt_gen in (None, np.full(n, 100.0)):
        smeared = response * smear_factor(**columns, normal=rng.normal(0, 1, n), pt_gen=pt_gen)
        assert smeared.std() == pytest.approx(0.13, rel=0.02)
        assert smeared.mean() == pytest.approx(1.0, abs=3e-3)


def test_equals_coffea() -> None:
    from coffea.jetmet_tools.CorrectedJetsFactory import jer_smear

    columns = jets(2000)
    scale_factors = columns["scale_factor"][:, None] * np.array([1.0, 1.1, 0.9])
    for variation in range(3):
        for stochastic in (False, True):
            theirs = jer_smear(
                ak.Array(columns["pt_gen"]), ak.Array(columns["pt"]), columns["eta"], columns["sigma"],
                columns["normal"], scale_factors, variation, stochastic,
            )  # fmt: skip
            given = columns | {"scale_factor": scale_factors[:, variation]}
            if stochastic:
                del given["pt_gen"]
            np.testing.assert_allclose(smear_factor(**given), ak.to_numpy(theirs), rtol=1e-6)  # a floor in 32 bits


def test_columns_are_checked() -> None:
    with pytest.raises(InputError, match=r"column 'sigma' has shape \(1,\), pt has \(100,\)"):
        smear_factor(**jets(100) | {"sigma": np.ones(1)})
    with pytest.raises(InputError, match="column 'normal' is not a flat array of numbers"):
        smear_factor(**jets(1) | {"normal": np.array(["x"])})
    assert smear_factor(**jets(0)).size == 0


# --- the generator jet


def test_generator_jets_within_half_the_radius() -> None:
    eta, phi = np.array([0.0, 1.0, 0.0, 0.0]), np.array([3.14, 0.0, 0.0, 1.0])
    gen_pt, gen_eta = np.array([40.0, 50.0, 60.0, 70.0]), np.array([0.1, 1.25, 0.0, 0.05])
    gen_phi = np.array([-3.14, 0.0, 0.19, 1.0])
    offsets, gen_offsets = np.array([0, 2, 2, 4]), np.array([0, 2, 2, 4])
    got = generator_pt(eta, phi, offsets, gen_pt, gen_eta, gen_phi, gen_offsets, 0.4)
    assert got.tolist() == [40.0, -1.0, 60.0, 70.0]
    wide = generator_pt(eta, phi, offsets, gen_pt, gen_eta, gen_phi, gen_offsets, 0.8)
    assert wide.tolist() == [40.0, 50.0, 60.0, 70.0]
    none = generator_pt(eta, phi, offsets, gen_pt[:0], gen_eta[:0], gen_phi[:0], np.zeros(4, int), 0.4)
    assert none.tolist() == [-1.0] * 4  # never 0
    with pytest.raises(InputError, match="cannot match collections of 3 and 2 events"):
        generator_pt(eta, phi, offsets, gen_pt, gen_eta, gen_phi, gen_offsets[:-1], 0.4)


# --- the JERC group's own


def jersmear_columns(n: int = 500) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    columns: dict[str, Any] = jets(n)
    del columns["normal"]
    return columns | {"rho": rng.uniform(0, 60, n), "event": rng.integers(0, 2**40, n)}


def node(kind: str, **content: Any) -> dict[str, Any]:
    return {"nodetype": kind, **content}


def toy_tool() -> dict[str, Any]:
    """A file with the inputs of the JERC group's: a hash for jets without a match, a formula for the others."""
    reals = [{"name": name, "type": "real"} for name in ("JetPt", "JetEta", "GenPt", "Rho", "JER", "JERSF")]
    drawn = node(
        "transform", input="GenPt",
        rule=node("hashprng", inputs=["JetPt", "JetEta", "Rho", "EventID"], distribution="normal"),
        content=node(
            "formula", expression="1+sqrt(max(x*x-1,0))*y*z", parser="TFormula", variables=["JERSF", "JER", "GenPt"]
        ),
    )  # fmt: skip
    scaled = node("formula", expression="1+(x-1)*(y-z)/y", parser="TFormula", variables=["JERSF", "JetPt", "GenPt"])
    data = node("binning", input="GenPt", edges=[-1.0, 0.0, 1.0], content=[drawn, scaled], flow="clamp")
    inputs = [*reals[:4], {"name": "EventID", "type": "int"}, *reals[4:]]
    entry = {"name": "JERSmear", "version": 1, "inputs": inputs, "output": {"name": "c", "type": "real"}, "data": data}
    return {"schema_version": 2, "corrections": [entry]}


@pytest.fixture(params=["toy", "real"])
def tool_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "real":
        folder: Path = request.getfixturevalue("real_data")
        return folder / "jec" / "jer_smear.json.gz"
    path = tmp_path / "jer_smear.json"
    path.write_text(json.dumps(toy_tool()))
    return path


@pytest.fixture
def tool(tool_file: Path) -> JERSmear:
    return JERSmear(tool_file)


def test_jersmear_equals_correctionlib(tool: JERSmear, tool_file: Path) -> None:
    import correctionlib

    columns = jersmear_columns()
    theirs = correctionlib.CorrectionSet.from_file(str(tool_file))["JERSmear"]
    pt, pt_gen = columns["pt"], columns["pt_gen"]
    matched = (pt_gen > 0) & (np.abs(pt - pt_gen) < 3 * columns["sigma"] * pt)
    want = theirs.evaluate(
        pt, columns["eta"], np.where(matched, pt_gen, -1.0), columns["rho"], columns["event"] % 2**31,
        columns["sigma"], columns["scale_factor"],
    )  # fmt: skip
    floor = 0.01 / (pt * np.cosh(columns["eta"]))
    np.testing.assert_array_equal(tool.factor(columns), np.maximum(want, floor))
    ours = smear_factor(**{name: columns[name] for name in FIRST if name != "normal"}, normal=np.zeros(pt.size))
    np.testing.assert_allclose(tool.factor(columns)[matched], ours[matched], rtol=1e-12)


def test_jersmear_masks_long_event_numbers(tool: JERSmear) -> None:
    columns = jersmear_columns()
    short = columns | {"event": columns["event"] & (2**31 - 1)}
    assert (columns["event"] >= 2**31).any()
    np.testing.assert_array_equal(tool.factor(columns), tool.factor(short))
    top = columns | {"event": np.full(500, 2**64 - 1, np.uint64)}
    assert np.isfinite(tool.factor(top)).all()


def test_jersmear_takes_no_zero_for_a_match(tool: JERSmear) -> None:
    columns = jersmear_columns()
    unmatched = tool.factor(columns | {"pt_gen": np.full(500, -1.0)})
    for none in (0.0, np.nan):
        np.testing.assert_array_equal(tool.factor(columns | {"pt_gen": np.full(500, none)}), unmatched)


def test_jersmear_does_not_depend_on_the_chunk(tool: JERSmear) -> None:
    columns = jersmear_columns()
    whole = tool.factor(columns)
    halves = [tool.factor({name: column[part] for name, column in columns.items()}) for part in (
        slice(0, 123), slice(123, None), slice(0, 0),
    )]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate(halves), whole)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(tool)).factor(columns), whole)


def test_jersmear_leaves_bad_jets_alone(tool: JERSmear) -> None:
    columns = jersmear_columns()
    for name, value in (("pt", 0.0), ("pt", -1.0), ("pt", np.nan), ("sigma", np.nan), ("scale_factor", np.nan)):
        changed = {key: column.copy() for key, column in columns.items()}
        changed[name][3] = value
        assert tool.factor(changed)[3] == 1.0
    region = np.zeros(500, bool)
    left = tool.factor(columns | {"pt_gen": np.full(500, -1.0)}, stochastic=region)
    assert (left == 1.0).all()
    with pytest.raises(InputError, match=r"event: expected integers .* got float64"):
        tool.factor(columns | {"event": np.ones(500)})
    with pytest.raises(InputError, match="missing sigma"):
        tool.factor({name: column for name, column in columns.items() if name != "sigma"})


def test_jersmear_files(tmp_path: Path) -> None:
    with pytest.raises(PayloadError, match="no such payload"):
        JERSmear(tmp_path / "none.json.gz")
    path = tmp_path / "jer_smear.json.gz"
    path.write_bytes(b"\x1f\x8bshort")
    with pytest.raises(PayloadError, match=r"cut short: expected .*copy it again"):
        JERSmear(path)
    path.write_text('{"schema_version": 2, "corrections": []}')
    with pytest.raises(PayloadError, match=r"jer_smear\.json.gz holds no JERSmear that correctionlib can read"):
        JERSmear(path)
    content = toy_tool()
    content["corrections"][0]["inputs"].append({"name": "Nothing", "type": "real"})
    path.write_text(json.dumps(content))
    with pytest.raises(PayloadError, match="JERSmear needs Nothing, which is not known here"):
        JERSmear(path)
