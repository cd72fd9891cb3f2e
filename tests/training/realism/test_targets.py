"""The targets, against numbers that the project's founders wrote down independently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.payloads import read_text
from training.realism.targets import JER_ETA_EDGES, jer, targets


def test_the_resolution_at_the_points() -> None:
    # /shared/reference/detector.md: 17.5 % at 30 GeV, 10.4 % at 100, 5.2 % at 1 TeV for eta 0.2, rho 20.
    for pt, sigma in ((30.0, 0.175), (100.0, 0.104), (1000.0, 0.052)):
        assert jer().at(0, 20.0, pt) == pytest.approx(sigma, abs=6e-4)
    assert len(JER_ETA_EDGES) - 1 == len(jer().abs_eta)
    inside = (jer().abs_eta > JER_ETA_EDGES[:-1]) & (jer().abs_eta < JER_ETA_EDGES[1:])
    assert inside.all()


def test_between_the_points_it_lies_between_them() -> None:
    cms = jer()
    assert cms.at(0, 20.0, 30.0) > cms.at(0, 20.0, 38.0) > cms.at(0, 20.0, 50.0)
    assert cms.at(0, 15.0, 30.0) == pytest.approx(0.5 * (cms.at(0, 10.0, 30.0) + cms.at(0, 20.0, 30.0)))
    assert cms.at(0, 45.0, 30.0) == cms.at(0, 30.0, 30.0)
    assert np.isnan(cms.at(12, 20.0, 1000.0)), "there are no such jets at |eta| 4"


def test_the_raw_response_and_the_offset_are_those_of_the_payload(real_data: Path) -> None:
    folder = real_data / "jec" / "txt"
    response, first = (
        read_text([folder / f"Summer19UL18_V5_MC_{level}_AK4PFchs.jec.txt"]) for level in ("L2Relative", "L1FastJet")
    )
    for point in targets()["raw_response"]["points"]:
        n = len(point["pt"])
        factor, _ = response.evaluate({"pt_raw": np.array(point["pt"], float), "eta": np.full(n, point["abs_eta"])})
        np.testing.assert_allclose(1.0 / factor, point["value"], atol=6e-4)
    found = targets()["offset"]
    for point in found["points"]:
        same = {name: np.array([found[key]]) for name, key in (("pt_raw", "pt"), ("area", "area"), ("rho", "rho"))}
        factor, _ = first.evaluate(same | {"eta": np.array([point["eta"]])})
        assert found["pt"] * (1 - factor[0]) == pytest.approx(point["value"], abs=0.05)
