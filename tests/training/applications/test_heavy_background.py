"""Subtraction by every method, and what is said of it, on jets drawn at random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from tests.training.applications.toy_background import toy_jets, write_batch
from training.applications.subtraction import JET_INPUTS, jet_inputs
from training.simulate.batch import Jagged

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("lightgbm")

from training.applications.heavy_background import compare, heavy_background


def test_inputs_of_a_jet_by_hand() -> None:
    jets = toy_jets(5)
    found = jet_inputs(jets)
    for j in range(5):
        rows = slice(*jets.constituents.offsets[j : j + 2])
        pt = jets.constituents["pt"][rows].astype(float)
        away = np.hypot(jets.constituents["rel_eta"][rows], jets.constituents["rel_phi"][rows])
        wanted = [jets["pt_raw"][j] - 56.0, jets["pt_raw"][j], len(pt), (pt * away).sum() / pt.sum()]
        np.testing.assert_allclose(found[j], [*wanted, *np.sort(pt)[::-1][:8]], rtol=1e-6)
    assert found.shape == (5, len(JET_INPUTS))


def test_jets_without_constituents_are_refused() -> None:
    jets = toy_jets(3)
    none = type(jets)(
        jets.columns, Jagged(np.zeros(4, np.int64), {n: v[:0] for n, v in jets.constituents.columns.items()})
    )
    with pytest.raises(InputError, match="3 of 3 jets have no constituents"):
        jet_inputs(none)


def test_widths_and_their_errors() -> None:
    """Of Gaussians of 10 and 5 GeV: errors of width / sqrt(n) or so, and a gain of 2."""
    rng = np.random.default_rng(1)
    true = rng.uniform(40.0, 60.0, 4000)
    pt = {"area": true + rng.normal(1.0, 10.0, 4000), "pfn": true + rng.normal(0.0, 5.0, 4000)}
    found = compare(pt, true, (40.0, 60.0))
    for method, width in (("area", 10.0), ("pfn", 5.0)):
        assert found[method].width[0] == pytest.approx(width, rel=0.05)
        assert 0.007 < found[method].width[1] / width < 0.03
        assert found[method].mean[1] == pytest.approx(width / np.sqrt(4000), rel=0.3)
    assert found["pfn"].gain[0] == pytest.approx(2.0, rel=0.07)
    assert found["area"].gain == (1.0, 0.0)
    with pytest.raises(InputError, match="0 test jets of a true pT of 80 to 120 GeV are too few"):
        compare(pt, true, (80.0, 120.0))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The whole on 1,500 jets that stand in the place of embedded ones."""
    output = tmp_path_factory.mktemp("heavy")
    write_batch(toy_jets(1500), output / "jets" / "batch-0000.npz", 0.4)
    write_batch(toy_jets(300, seed=2), output / "softened" / "batch-1000.npz", 0.4)
    return output, heavy_background(output, 100, radii=(0.4,), epochs=8, progress=False)


def test_the_multiplicity_knows_more_than_the_area(result: tuple[Path, dict[str, Any]]) -> None:
    """Without their number, 80 particles of 0.7 GeV fluctuate by 7.7 GeV, with it by 4.4; a network finds this."""
    output, found = result
    points = found["radii"]["0.4"]["points"]["all"]
    assert points["area"]["width"][0] == pytest.approx(7.7, rel=0.15)
    for method in ("multiplicity", "trees", "network", "pfn"):
        assert points[method]["gain"][0] > 1.15, method
    assert abs(found["radii"]["0.4"]["bias"]["area"]["gluon - quark"][0]) < 2.0
    # A gluon has six particles more than a quark here: they are taken for background.
    shift, error = found["radii"]["0.4"]["bias"]["multiplicity"]["gluon - quark"]
    assert shift == pytest.approx(-6 * 0.7, abs=4 * error)
    text = (output / "report.md").read_text()
    assert "| 0.4 | PFN, constituents |" in text
    assert json.loads((output / "results.json").read_text())["scatters"] == 100
    assert (output / "heavy_background.png").stat().st_size > 10_000


def test_a_folder_of_other_jets(result: tuple[Path, dict[str, Any]]) -> None:
    output, _ = result
    with pytest.raises(InputError, match="holds jets of other settings"):
        heavy_background(output, 100, radii=(0.4,), density=900.0, progress=False)
