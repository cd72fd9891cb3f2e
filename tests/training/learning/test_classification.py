"""A classification from flavours to probabilities of jets."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import MLJEC, Network, Status
from coffea_mljec.errors import InputError
from coffea_mljec.models import open_folder
from tests.training.learning.tiny import SMALL, tiny
from training.dataset import PreparedJets
from training.learning.classes import class_numbers
from training.learning.export import export

pytest.importorskip("onnx")
torch = pytest.importorskip("torch")

import training.learning.training_data as training_data  # noqa: E402
from training.learning.losses import LOSSES, class_term, loss_named  # noqa: E402

CLASSES = {"quark": (1, 2, 3), "gluon": (21,)}
SHARES = {"shares": {"b": 0.0, "c": 0.0, "uds": 1.0, "g": 1.0}}


@pytest.fixture
def told_jets(
    toy_training: Callable[..., Path], toy_jets: Callable[..., PreparedJets], monkeypatch: pytest.MonkeyPatch
) -> PreparedJets:
    """Jets whose response tells their class, a tenth of them of none; `toy_training` gets them in place of its own."""
    jets = toy_jets(900, feature_set=SMALL)
    target = jets.columns["target"]
    flavour = np.where(target > np.median(target), 21, 2).astype("i4")
    flavour[:90] = 5
    told = replace(jets, columns=jets.columns | {"flavour": flavour})
    monkeypatch.setattr(training_data, "prepare", lambda *a, **k: told)
    return told


def test_the_loss_is_the_logarithm_of_the_probability() -> None:
    """By hand, with a class beyond the range of a regression's targets."""
    loss = loss_named("cross-entropy", ("b", "c", "light"))
    logits = torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    weight = torch.tensor([1.0, 3.0])
    by_hand = [
        math.log(sum(map(math.exp, row))) - row[k] for row, k in ((logits[0].tolist(), 2), (logits[1].tolist(), 0))
    ]
    found = float(loss(logits, torch.tensor([2.0, 0.0]), weight, 1.0))
    assert found == pytest.approx((by_hand[0] + 3 * by_hand[1]) / 4, rel=1e-5)
    assert [output.quantity for output in loss.outputs] == ["probability:b", "probability:c", "probability:light"]


@pytest.mark.usefixtures("told_jets")
def test_from_training_to_probabilities_of_jets(
    tmp_path: Path, toy_training: Callable[..., Path], sample: Path, open_nano: Callable[..., Any]
) -> None:
    """Jets whose response tells their class; a few of other flavours are left out."""
    learning = {"max_epochs": 12, "loss": "cross-entropy", "classes": CLASSES, "learning_rate": 1e-2}
    run = toy_training(tiny(tmp_path, sampling=SHARES, learning=learning))
    record = json.loads((run / "run.json").read_text())
    assert sum(record["jets"].values()) == 810
    assert record["metrics"]["val_loss_uncorrected"] == pytest.approx(math.log(2), rel=1e-4)
    assert record["metrics"]["val_loss"] < 0.5
    model = open_folder(export(run, tmp_path / "model"))
    assert [(o.name, o.quantity, o.transform) for o in model.card.outputs] == [
        ("quark", "probability:quark", "softmax"), ("gluon", "probability:gluon", "softmax"),
    ]  # fmt: skip
    assert not model.card.corrects
    found = Network(model).outputs(open_nano(sample, entry_stop=30))
    total = ak.to_numpy(ak.flatten(found.quark + found.gluon))
    assert np.isfinite(total).sum() > 50
    np.testing.assert_allclose(total[np.isfinite(total)], 1.0, rtol=1e-6)


def test_classes_beside_a_regression_by_hand() -> None:
    """Those of the last columns; a jet of no class counts in the denominator alone. The weight 0 means none."""
    predicted = torch.tensor([[9.0, 0.0, 1.0], [9.0, 2.0, 0.0], [9.0, 5.0, 5.0]])
    number, weight = torch.tensor([0, 0, -1]), torch.tensor([1.0, 2.0, 5.0])
    by_hand = (math.log1p(math.e) + 2 * math.log1p(math.exp(-2.0))) / 8
    assert float(class_term(predicted, number, weight, 2)) == pytest.approx(by_hand, rel=1e-6)
    joint = loss_named("quantiles", CLASSES)
    assert [output.name for output in joint.outputs] == ["q50", "q16", "q84", "quark", "gluon"]
    assert not joint.of_classes
    target, one = torch.tensor([0.3, -0.2]), torch.ones(2)
    wide = torch.rand(2, 5)
    assert float(joint(wide, target, one)) == float(LOSSES["quantiles"](wide[:, :3], target, one))
    assert loss_named("mae", CLASSES, 0.0) == LOSSES["mae"]


def test_one_network_corrects_and_tags(
    tmp_path: Path, toy_training: Callable[..., Path], told_jets: PreparedJets, sample: Path,
    open_nano: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """All jets teach the correction, those of a class the probabilities too; applied, jets have both."""
    learning = {"max_epochs": 12, "classes": CLASSES, "learning_rate": 1e-2}
    shares = {"shares": {"b": 1.0, "c": 0.0, "uds": 2.0, "g": 2.0}}
    record = json.loads((toy_training(tiny(tmp_path, sampling=shares, learning=learning)) / "run.json").read_text())
    assert sum(record["jets"].values()) == 900
    assert record["metrics"]["val_loss"] < record["metrics"]["val_loss_uncorrected"]
    model = open_folder(export(tmp_path / "runs" / "tiny", tmp_path / "model"))
    assert [(o.quantity, o.transform) for o in model.card.outputs] == [
        ("pt", "exp"), ("probability:quark", "softmax"), ("probability:gluon", "softmax"),
    ]  # fmt: skip
    corrected = MLJEC(model).apply(open_nano(sample, entry_stop=30))
    applied = ak.flatten(Status.APPLIED.of(corrected))
    assert ak.sum(applied) > 25
    total = ak.to_numpy(ak.flatten(corrected.mljec_quark + corrected.mljec_gluon)[applied])
    np.testing.assert_allclose(total, 1.0, rtol=1e-6)
    none = replace(told_jets, columns=told_jets.columns | {"flavour": np.full(900, 5, "i4")})
    monkeypatch.setattr(training_data, "prepare", lambda *a, **k: none)
    with pytest.raises(InputError, match="no jet of class quark, gluon"):
        toy_training(
            tiny(
                tmp_path,
                name="none",
                sampling={"shares": {"b": 1.0, "c": 0.0, "uds": 0.0, "g": 0.0}},
                learning=learning,
            )
        )


def test_classes_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no jet of class gluon; jets by class: \{'quark': 2, 'gluon': 0\}"):
        class_numbers(np.array([1, 3, 5]), CLASSES)
    np.testing.assert_array_equal(class_numbers(np.array([21, 5, 1]), CLASSES), [1, -1, 0])
    for learning, message in (
        ({"loss": "cross-entropy"}, "is of classes: give them, or another loss"),
        ({"loss": "cross-entropy", "classes": CLASSES, "flavour": {"weight": 0.3}}, "not for a classification"),
        ({"loss": "mae", "classes": {"b": (5,)}}, "two classes or more"),
        ({"loss": "cross-entropy", "classes": {"b": (5,)}}, "two classes or more"),
        ({"loss": "cross-entropy", "classes": {"b": (5,), "heavy": (4, 5)}}, "each flavour in one of them"),
        ({"loss": "cross-entropie", "classes": CLASSES}, "Did you mean 'cross-entropy'"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny(tmp_path, learning=learning)
