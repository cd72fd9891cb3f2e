"""Networks in the published bins: numbers that can be known, and the published ones beside them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.validation.common.binning import FLAVOURS
from tests.models import toy
from tests.training.opendata import tuples
from training.evaluate.jets import EvaluatedJets
from training.opendata import comparison
from training.opendata.comparison import INTERVALS, REGIONS, compare, measured
from training.opendata.convert import convert


def made_up(n: int = 60_000) -> EvaluatedJets:
    """Jets whose stored response has a width of 20 % and depends on the flavour; the model's is half of both."""
    rng = np.random.default_rng(3)
    flavour = rng.integers(0, 6, n)
    pt_gen = rng.uniform(31, 99, n)
    shift, spread = 0.02 * (flavour - 2.5), rng.normal(0, 0.1, n)
    columns: dict[str, Any] = {
        "pt_gen": pt_gen, "abs_eta_gen": rng.uniform(0, 1.2, n), "flavour": flavour,
        "pt_stored": pt_gen * (1 + shift + spread), "run": np.ones(n, int), "scatter": np.arange(n),
    }  # fmt: skip
    return EvaluatedJets(columns, {"half": pt_gen * (1 + (shift + spread) / 2)}, {}, {}, ())


def test_numbers_that_are_known():
    jets = made_up()
    found = measured(jets, np.random.default_rng(1).poisson(1, (len(jets), 10)).astype(np.uint8))
    near, away = REGIONS
    for group in ("all", "uds", "b"):
        assert found["beta"]["half"][near][group]["30-100"].value == pytest.approx(50, abs=1.5)
    assert found["alpha"]["half"][near]["30-100"].value == pytest.approx(50, abs=4)
    assert 0 < found["beta"]["half"][near]["all"]["30-100"].error < 1
    assert np.isnan(found["beta"]["half"][near]["all"]["100-300"].value)
    assert str(found["alpha"]["half"][away][">30"]) == "-"


def test_quantiles_of_whole_weights_are_those_of_repeated_jets():
    rng = np.random.default_rng(5)
    values, weights = rng.normal(1, 0.2, 400), rng.integers(0, 4, (400, 3)).astype(np.uint8)
    found = comparison._quantiles(values, weights, (0.25, 0.5, 0.75))
    for column in range(3):
        repeated = np.repeat(values, weights[:, column])
        np.testing.assert_allclose(found[:, column], np.quantile(repeated, (0.25, 0.5, 0.75)), atol=4e-3)


def test_the_published_numbers_are_whole():
    published = json.loads((Path(comparison.__file__).parent / "published.json").read_text())
    for region in REGIONS:
        assert set(published["beta"][region]) == {"all", "uds", "c", "b", "g"}
        for row in [*published["beta"][region].values(), published["alpha"][region]]:
            assert list(row) == list(INTERVALS)
            assert all(set(cell) == set(comparison.PUBLISHED) for cell in row.values())
    assert published["alpha"]["|eta| < 1.3"][">30"]["PFN"] == 35.55
    assert {"u", "d", "s", "c", "b", "g"} <= set(FLAVOURS)


def test_a_report(sample, tmp_path):
    """A network by hand on a converted tuple; the page says what it was trained on, and has the published numbers."""
    source = tuples.write(tmp_path / "a.root", tuples.jets_of(sample, 400))
    convert([str(source)], tmp_path / "in", progress=False)
    names = {"jet": ("pt", "eta"), "charged": ("rel_pt", "pt"), "neutral": ("rel_pt",)}
    training = {"sample": "CMS full simulation", "seed": 1, "n_jets": 1, "fast_simulation": False}
    model = toy.write(tmp_path / "toy", features=names, training=training)
    report = compare([tmp_path / "in"], tmp_path / "r", [str(model)], replicas=3, progress=False).read_text()
    assert "- toy was trained on: CMS full simulation\n" in report
    assert "arXiv:2308.12724" in report
    cells = [row.strip("| ").split(" | ") for row in report.splitlines() if row.startswith("| beta, all | >30")]
    assert [row[3:] for row in cells] == [["2.2", "2.5"], ["5.9", "5.8"]]
    assert re.fullmatch(r"-?\d+\.\d ± \d+\.\d", cells[0][2])
    numbers = json.loads((tmp_path / "r" / "opendata.json").read_text())
    assert numbers["models"]["toy"]["fast_simulation"] is False
    assert f"{numbers['measured']['beta']['toy']['|eta| < 1.3']['all']['>30'][0]:.1f} ±" in cells[0][2]
    with pytest.raises(InputError, match="give models of different names, got toy, toy"):
        compare([tmp_path / "in"], tmp_path / "r", [str(model), str(model)])
