"""Resolutions: jets that have CMS's, or a known multiple of it, must be found so."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.realism.toys import toy_sample
from training.realism.jets import Sample
from training.realism.resolution import PT_POINTS, against_cms, against_thesis, cms_cells, thesis_cells
from training.realism.row import MISS, PASS
from training.realism.spread import GAUSSIAN
from training.realism.targets import JER_ETA_EDGES, jer, targets


def central_jets(scale: float) -> Sample:
    """Jets around 50 GeV at rho 20 in the innermost bin, with CMS's core times ``scale`` and some tail."""
    rng = np.random.default_rng(5)
    n = 60_000
    pt = np.exp(rng.uniform(np.log(42.0), np.log(59.0), n))
    rho = rng.uniform(16.0, 24.0, n)
    cms = jer()
    sigma = scale * np.array([cms.at(0, 20.0, p) for p in np.geomspace(42, 59, 200)])
    width = np.interp(pt, np.geomspace(42, 59, 200), sigma)
    response = rng.normal(1.0, width)
    response[: n // 50] = rng.uniform(0.2, 0.6, n // 50)
    return toy_sample(n, pt_gen=pt, eta_gen=rng.uniform(-0.5, 0.5, n), rho=rho, response=response)


@pytest.mark.parametrize(("scale", "verdict"), [(1.0, PASS), (1.10, PASS), (0.9, PASS), (1.25, MISS), (0.75, MISS)])
def test_a_known_multiple_of_cms_is_found(scale: float, verdict: str) -> None:
    part = against_cms(central_jets(scale))
    row = part.rows[0]
    assert row.deviation == pytest.approx(scale - 1.0, abs=0.02)
    assert row.verdict == verdict
    assert {other.verdict for other in part.rows[1:]} == {"too few jets"}


def test_cells_are_those_of_a_loop() -> None:
    jets = toy_sample(3000, seed=6)
    cell, shape = cms_cells(jets)
    for index in range(0, 3000, 7):
        rho, eta, pt = (jets[name][index] for name in ("rho", "eta", "pt_gen"))
        wanted = -1
        for i, (low, high) in enumerate(((2.5, 7.5), (7.5, 12.5), (15.0, 25.0), (25.0, 35.0))):
            for j in range(len(JER_ETA_EDGES) - 1):
                for k, point in enumerate(PT_POINTS):
                    in_eta = JER_ETA_EDGES[j] <= abs(eta) < JER_ETA_EDGES[j + 1]
                    if low <= rho < high and in_eta and point / 1.2 <= pt < point * 1.2:
                        wanted = (i * shape[1] + j) * shape[2] + k
        assert cell[index] == wanted


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
