"""Resolutions: jets that have CMS's, or a known multiple of it, must be found so."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.realism.toys import toy_sample
from training.realism.jets import SimulatedJets
from training.realism.resolution import (
    PT_EDGES,
    RHO_EDGES,
    against_cms,
    against_thesis,
    in_units_of_cms,
    thesis_cells,
)
from training.realism.row import MISS, PASS
from training.realism.spread import GAUSSIAN
from training.realism.targets import JER_ETA_EDGES, jer, targets


def central_jets(scale: float) -> SimulatedJets:
    """Jets of 50 to 100 GeV in the innermost bin, with CMS's core at their own rho and pT times ``scale``."""
    rng = np.random.default_rng(5)
    n = 60_000
    pt, rho = np.exp(rng.uniform(np.log(50.0), np.log(100.0), n)), rng.uniform(5.0, 30.0, n)
    response = 1.03 * rng.normal(1.0, scale * jer().of_jets(0, rho, pt))
    response[: n // 50] = rng.uniform(0.2, 0.6, n // 50)
    return toy_sample(n, pt_gen=pt, eta_gen=rng.uniform(-0.5, 0.5, n), rho=rho, response=response)


@pytest.mark.parametrize(("scale", "verdict"), [(1.0, PASS), (1.10, PASS), (0.9, PASS), (1.25, MISS), (0.75, MISS)])
def test_a_known_multiple_of_cms_is_found(scale: float, verdict: str) -> None:
    part = against_cms(central_jets(scale))
    row = part.rows[0]
    assert row.measured == pytest.approx(scale, abs=0.02)
    assert row.verdict == verdict
    assert "pt_gen 50-100" in row.where
    assert {other.verdict for other in part.rows[1:]} == {"too few jets"}


def test_each_jet_is_measured_in_its_own_unit_and_cell() -> None:
    jets = toy_sample(2000, seed=6, response=np.random.default_rng(6).normal(1.0, 0.1, 2000))
    value, cell = in_units_of_cms(jets)
    cms = jer()
    inside = 0
    for index in range(0, 2000, 7):
        rho, eta, pt = (jets[name][index] for name in ("rho", "eta", "pt_gen"))
        places = [
            np.flatnonzero((edges[:-1] <= x) & (x < edges[1:]))
            for edges, x in ((RHO_EDGES, rho), (JER_ETA_EDGES, abs(eta)), (PT_EDGES, pt))
        ]
        if not all(len(place) for place in places) or np.isnan(cms.at(int(places[1][0]), rho, pt)):
            assert cell[index] == -1
            continue
        i, j, k = (int(place[0]) for place in places)
        assert cell[index] == (i * 13 + j) * 5 + k
        # The slow twin of the interpolation, one jet at a time.
        at_rho = []
        for number in range(4):
            curve = cms.sigma[number, j]
            known = np.isfinite(curve)
            at_rho.append(np.exp(np.interp(np.log(pt), np.log(cms.pt[known]), np.log(curve[known]))))
        sigma = np.interp(rho, cms.rho, at_rho)
        assert value[index] == pytest.approx(1.0 + 0.1 * (jets["response"][index] - 1.0) / sigma)
        inside += 1
    assert inside > 50


def test_the_thesis_is_compared_with_quartiles() -> None:
    rng = np.random.default_rng(7)
    edges = np.array(targets()["thesis"]["pt_edges"])
    n = 200_000
    pt = np.exp(rng.uniform(np.log(26.2), np.log(800.0), n))
    number = np.digitize(pt, edges) - 1
    wanted = np.array(targets()["thesis"]["resolution"]["central"]["value"], float)[number]
    jets = toy_sample(
        n, pt_gen=pt, eta_gen=rng.uniform(-2.4, 2.4, n), response=rng.normal(1.0, 1.08 * wanted / GAUSSIAN)
    )
    rows = [row for row in against_thesis(jets).rows if row.where.startswith("central") and row.verdict == PASS]
    assert len(rows) >= 8
    assert np.mean([row.deviation for row in rows]) == pytest.approx(0.08, abs=0.01)
    cell, n_bins = thesis_cells(jets)
    assert n_bins == 19
    np.testing.assert_array_equal(cell, number)
