"""Rates of a score, jets of four-momenta and their files, and taggers on little samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec import defaults
from coffea_mljec.errors import InputError
from tests.training.applications.toy_tops import toy_tops
from training.applications.four_vectors import FourVectorJets, prepared, read_reference, write_reference
from training.applications.rates import rates
from training.applications.top_jets import joined, top_jets


def test_rates_by_hand() -> None:
    """Ten jets: two of the five of background are above the lowest signal; ties count half."""
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.45, 0.65, 0.5, 0.4, 0.2, 0.45])
    signal = np.arange(10) < 5
    pairs = [(s > b) + 0.5 * (s == b) for s in score[signal] for b in score[~signal]]
    found = rates(score, signal)
    assert found.auc[0] == pytest.approx(np.mean(pairs))
    assert found.accuracy[0] == pytest.approx(0.5 * (4 / 5 + 4 / 5))
    assert found.rejection_50[0] == np.inf
    assert (found.signal, found.background) == (5, 5)
    heavier = rates(score, signal, np.where(score == 0.65, 3.0, 1.0))
    assert heavier.auc[0] == pytest.approx((np.sum(pairs) + 2 * 3) / (5 * 7))


def test_rates_of_gaussians() -> None:
    """Of scores one standard deviation apart, with errors that cover."""
    rng = np.random.default_rng(4)
    score = np.concatenate([rng.normal(1.0, 1.0, 3000), rng.normal(0.0, 1.0, 3000)])
    found = rates(score, np.arange(6000) < 3000)
    for (value, error), wanted in ((found.auc, 0.7602), (found.rejection_50, 1 / 0.1587), (found.rejection_30, 15.67)):
        assert abs(value - wanted) < 4 * error
        assert error < 0.1 * wanted
    # Four passes of a scatter that look alike are no four jets: the error is that of a fourth of them.
    alike = np.repeat(score[::4], 4), np.arange(6000) < 3000
    apart, together = rates(*alike), rates(*alike, scatter=np.arange(6000) // 4)
    assert together.auc[0] == apart.auc[0]
    assert together.auc[1] / apart.auc[1] == pytest.approx(2.0, rel=0.3)


def test_a_class_without_jets() -> None:
    with pytest.raises(InputError, match="no background among 4 jets"):
        rates(np.zeros(4), np.ones(4, bool))
    with pytest.raises(InputError, match="1 of 2 scores are NaN"):
        rates(np.array([np.nan, 1.0]), np.array([True, False]))
    jets = toy_tops(20)
    only = FourVectorJets(jets.momenta, jets.offsets, np.ones(20, bool))
    with pytest.raises(InputError, match="no QCD jet among 20"):
        joined([only])


def test_files_of_the_reference_set(tmp_path: Path) -> None:
    """Written in its layout and read again; what is laid out differently is refused."""
    h5py = pytest.importorskip("h5py")
    jets = toy_tops(30)
    path = tmp_path / "train.h5"
    write_reference(path, jets)
    with h5py.File(path) as file:
        table = file["table/table"]
        assert table.dtype["values_block_0"].shape == (804,)
        assert table.dtype["values_block_1"].shape == (2,)
        assert (table["values_block_0"][0, 4 * np.diff(jets.offsets)[0] :] == 0).all()
        rows = table[:]
    again = read_reference(path, 5, 25)
    np.testing.assert_array_equal(again.top, jets.top[5:25])
    np.testing.assert_array_equal(again.momenta, jets.momenta[jets.offsets[5] : jets.offsets[25]])
    np.testing.assert_array_equal(np.diff(again.offsets), np.diff(jets.offsets)[5:25])
    with pytest.raises(InputError, match="jets 100 to 100: no jet"):
        read_reference(path, 100)
    rows["values_block_0"][3] = 0.0
    with h5py.File(path, "w") as file:
        file["table/table"] = rows
    with pytest.raises(InputError, match="1 jets without constituents"):
        read_reference(path)
    with h5py.File(path, "w") as file:
        file["table/table"] = np.zeros(3, [("values_block_0", "f4", (12,)), ("values_block_1", "i8", (2,))])
    with pytest.raises(
        InputError, match=r"values_block_0 of table/table should have 804 numbers a jet, it has \(12,\)"
    ):
        read_reference(path)
    with h5py.File(path, "w") as file:
        file["jets"] = np.zeros(3)
    with pytest.raises(InputError, match="no data set table/table, it has jets"):
        read_reference(path)
    path.write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        read_reference(path)


def test_inputs_from_four_momenta() -> None:
    """Turned about the beam and mirrored, a jet has the same inputs; its mass is that of the sum."""
    jets = toy_tops(6)
    plain = prepared(jets).features
    total = np.add.reduceat(jets.momenta.astype(float), jets.offsets[:-1])
    mass = np.sqrt(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1))
    np.testing.assert_allclose(plain["jet_features"][:, 1], mass, rtol=1e-3)
    turned = jets.momenta * np.array([1.0, -1.0, -1.0, -1.0])
    other = prepared(FourVectorJets(turned, jets.offsets, jets.top)).features
    for name, values in plain.items():
        np.testing.assert_allclose(other[name], values, atol=2e-4, err_msg=name)


def test_jets_without_constituents_are_refused() -> None:
    jets = toy_tops(6)
    offsets = np.insert(jets.offsets, 3, jets.offsets[3])
    with pytest.raises(InputError, match="1 of 7 jets have no constituents"):
        prepared(FourVectorJets(jets.momenta, offsets, np.append(jets.top, True)))


def test_top_jets_of_pythia() -> None:
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    jets = top_jets(("ttbar", 3, 12, 0))
    assert 1 <= len(jets) <= 16
    assert jets.top.all()
    total = np.add.reduceat(jets.momenta.astype(float), jets.offsets[:-1])
    pt = np.hypot(total[:, 1], total[:, 2])
    assert (np.abs(pt - 600.0) < 51.0).all()
    mass = np.sqrt(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1))
    assert 130.0 < np.median(mass) < 230.0
    first = jets.momenta[: jets.offsets[1]]
    assert (np.diff(np.hypot(first[:, 1], first[:, 2])) <= 0).all()


def test_correlation_at_equal_pt() -> None:
    """What both have of pT does not count."""
    pytest.importorskip("lightning")
    from training.applications.tagging import correlation

    rng = np.random.default_rng(5)
    pt = rng.uniform(30.0, 300.0, 4000)
    score, response = rng.random(4000) + pt / 100, rng.random(4000) + pt / 100
    value, error = correlation(score, response, pt)
    assert 0.0 < value < 0.25
    assert 0.01 < error < 0.025
    assert correlation(response, response, pt)[0] == pytest.approx(1.0)
    with pytest.raises(InputError, match="50 jets are too few"):
        correlation(score[:50], response[:50], pt[:50])


@pytest.mark.slow
def test_taggers_of_a_small_sample(tmp_path: Path, sample: Path) -> None:
    """The whole command on the bundled sample and two files of the reference set's layout."""
    pytest.importorskip("lightning")
    pytest.importorskip("h5py")
    from training.applications.tagging import tagging

    files = []
    for i in range(2):
        files.append(tmp_path / f"tops-{i}.h5")
        write_reference(files[-1], toy_tops(500, seed=i))
    output = tmp_path / "tagging"
    found: dict[str, Any] = tagging(output, [sample], top_files=files, epochs=3, progress=False)
    assert found["top"]["rates"]["top against QCD"]["auc"][0] > 0.9
    judged = found["quark-gluon"]["rates"]["quark against gluon"]
    assert judged["signal"] + judged["background"] == found["quark-gluon"]["jets"]["test"]
    assert 0.0 < judged["auc"][1] < 0.1
    assert set(found["flavour"]["rates"]) == {"b against light", "b against c", "c against light"}
    for values in (found["quark-gluon"]["correlation"][what] for what in ("raw", defaults.MODEL)):
        assert set(values) == {"all", "quarks", "gluons"}
        assert all(abs(value) < 1.0 and 0.0 < error < 0.5 for value, error in values.values())
    text = (output / "report.md").read_text()
    assert "| PFN, published | 0.9819 |" in text
    assert "Top jets of the reference set." in text
    assert json.loads((output / "results.json").read_text())["top"]["jets"]["train"] == 500
    assert (output / "tagging.png").stat().st_size > 10_000
