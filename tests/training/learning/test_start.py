"""Trainings that start from a run or from a model: what they take over, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.models import open_folder
from tests.training.learning.tiny import SMALL, tiny
from training.learning.export import export
from training.learning.start import read_start

pytest.importorskip("onnx")

LEARNT = {"max_epochs": 12, "learning_rate": 1e-2}
#: So slow that a training stays where it starts.
AT_REST = {"max_epochs": 1, "learning_rate": 1e-9}


def weights_of(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "network.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def losses(run: Path) -> dict[str, float]:
    return dict(json.loads((run / "run.json").read_text())["metrics"])


def test_a_training_goes_on_from_a_run_and_from_its_model(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    """A start at rest says what the network said; its own settings of the sample do not change the standardisation."""
    first = toy_training(tiny(tmp_path, name="first", learning=LEARNT))
    model = export(first, tmp_path / "model")
    of_run = toy_training(tiny(tmp_path, name="of-run", seed=5, learning=AT_REST | {"start_from": first}))
    of_model = toy_training(tiny(tmp_path, name="of-model", seed=5, learning=AT_REST | {"start_from": model}))
    fresh = toy_training(tiny(tmp_path, name="fresh", seed=5, learning=AT_REST))
    records = [json.loads((run / "run.json").read_text()) for run in (first, of_run, of_model)]
    assert records[1]["standardisations"] == records[0]["standardisations"]
    assert losses(of_run)["val_loss"] == pytest.approx(losses(first)["val_loss"], rel=0.02)
    assert losses(of_model)["val_loss"] == pytest.approx(losses(first)["val_loss"], rel=0.1)
    assert losses(fresh)["val_loss"] > 2 * losses(first)["val_loss"]
    before, after = weights_of(first), weights_of(of_run)
    for name in before:
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            np.testing.assert_allclose(after[name], before[name], atol=1e-6, err_msg=name)
    digest = open_folder(model).card.sha256
    assert records[2]["started_from"] == f"first ({digest[:16]})"
    card = open_folder(export(of_model, tmp_path / "again")).card
    assert card.training.started_from == f"first ({digest[:16]})"
    assert open_folder(model).card.training.started_from is None


def test_other_outputs_keep_the_correction(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    first = toy_training(tiny(tmp_path, name="first", learning=LEARNT | {"loss": "quantiles"}))
    before = weights_of(first)
    wider = toy_training(tiny(tmp_path, name="w", learning=AT_REST | {"loss": "gaussian", "start_from": first}))
    after = weights_of(wider)
    np.testing.assert_allclose(after["output.weight"][0], before["output.weight"][0], atol=1e-6)
    np.testing.assert_allclose(after["output.bias"], [before["output.bias"][0], -2.0], atol=1e-6)
    same = toy_training(tiny(tmp_path, name="s", learning=AT_REST | {"loss": "quantiles", "start_from": first}))
    # Widths are settled anew at the end of every training.
    np.testing.assert_allclose(weights_of(same)["output.weight"][0], before["output.weight"][0], atol=1e-6)
    model = export(first, tmp_path / "model")
    one = toy_training(tiny(tmp_path, name="one", learning=AT_REST | {"start_from": model}))
    np.testing.assert_allclose(weights_of(one)["output.weight"], before["output.weight"][:1], atol=1e-6)


def test_a_resumed_training_keeps_its_start(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    first = toy_training(tiny(tmp_path, name="first", learning={"max_epochs": 2}))
    model = export(first, tmp_path / "model")

    def go(name: str, epochs: int, start: Path | None = model, resume: bool = False) -> Path:
        return toy_training(
            tiny(tmp_path, name=name, learning={"max_epochs": epochs, "start_from": start}), resume=resume
        )

    go("parts", 1)
    whole, parts = weights_of(go("whole", 3)), weights_of(go("parts", 3, resume=True))
    for name in whole:
        np.testing.assert_array_equal(whole[name], parts[name], err_msg=name)
    with pytest.raises(InputError, match="differs in learning: a run goes on with its own recipe only"):
        go("parts", 4, start=None, resume=True)
    export(toy_training(tiny(tmp_path, name="other", learning={"max_epochs": 1})), model)
    with pytest.raises(InputError, match=r"started from first \([0-9a-f]{16}\), which is now other"):
        go("parts", 4, resume=True)


def test_what_does_not_fit_is_refused(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    first = toy_training(tiny(tmp_path, name="first", learning={"max_epochs": 1}))
    model = export(first, tmp_path / "model")
    other = {"phi_candidate": (8, 6), "phi_vertex": (4,), "head": (16, 8), "momentum": 0.2}
    fewer = {"jet": ("log_pt",), "charged": ("rel_pt",), "neutral": ("pt", "rel_pt")}
    transforms = {"neutral": {"pt": {"kind": "symlog", "unit": 7.0}}}

    def refused(start: Path, message: str, **changes: Any) -> None:
        with pytest.raises(InputError, match=message):
            toy_training(tiny(tmp_path, name="new", learning={"max_epochs": 1, "start_from": start}, **changes))

    refused(first, r"in phi_candidate: phi_candidate is \(8, 8\), the recipe's \(8, 6\)", architecture=other)
    refused(model, "model 'first' is of another architecture than the recipe", architecture=other)
    for start in (first, model):
        refused(start, "'first' reads other jet features than the recipe", features=fewer)
        refused(start, r"other transforms of neutral\.pt than the recipe", transforms=transforms)
    (tmp_path / "runs" / "begun").mkdir()
    tiny(tmp_path, name="begun").write(tmp_path / "runs" / "begun" / "recipe.yaml")
    refused(tmp_path / "runs" / "begun", "no finished run")
    record = json.loads((first / "run.json").read_text())
    record["recipe"]["learning"]["loss"] = "quantiles"
    (first / "run.json").write_text(json.dumps(record))
    refused(first, "does not fit the network of run.json")
    (first / "run.json").write_text(json.dumps({"format": 1, "recipe": {"name": "t", "trees": {}}}))
    refused(first, "holds trees, and a training starts from a network")


def test_norms_forget_as_fast_as_the_recipe_says(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    first = toy_training(tiny(tmp_path, name="first", learning={"max_epochs": 1}))
    shape = tiny(tmp_path).widths
    start = read_start(first, shape.model_copy(update={"momentum": 0.31}), SMALL)
    assert {norm.momentum for norm in start.network.modules() if hasattr(norm, "momentum")} == {0.31}
