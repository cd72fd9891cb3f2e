"""Whole little trainings: reproducible, resumable, best weights kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from tests.training.learning.tiny import tiny
from training.learning.recipe import read_recipe


def test_a_training_learns_and_writes_its_run(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    folder = toy_training(tiny(tmp_path, learning={"max_epochs": 12}), plots=True)
    record = json.loads((folder / "run.json").read_text())
    metrics = record["metrics"]
    assert metrics["val_loss"] < 0.85 * metrics["val_loss_uncorrected"]
    assert metrics["test_loss"] < 0.85 * metrics["test_loss_uncorrected"]
    assert record["jets"]["train"] + record["jets"]["val"] + record["jets"]["test"] == 900
    assert record["domain"]["pt_raw"][0] < 20 < 500 < record["domain"]["pt_raw"][1]
    assert record["domain"]["abs_eta"][0] == 0.0
    assert 4 < record["domain"]["abs_eta"][1] <= 4.7
    assert read_recipe(folder / "recipe.yaml").learning.max_epochs == 12
    speeds = record["speed"]
    assert speeds["jets_per_second"] > 0
    assert 0 <= speeds["waiting"] <= 1
    assert record["device"] == "cpu"
    from training.learning.run_folder import describe_run

    text = describe_run(record)
    assert "jets a second reached the network" in text
    assert f"val_loss {metrics['val_loss']:.5f}" in text
    for name in ("sampling.png", "loss.png", "network.npz", "checkpoints/last.ckpt"):
        assert (folder / name).stat().st_size > 0
    with (folder / "metrics.csv").open() as file:
        speeds = list(csv.DictReader(file))
    assert all(float(line["jets_per_second"]) > 0 and 0 <= float(line["waiting"]) <= 1 for line in speeds)
    assert all(int(line["jets"]) % 64 == 0 for line in speeds)
    # The weights kept are those of the best epoch, not of the last.
    with (folder / "metrics.csv").open() as file:
        losses = [float(line["val_loss"]) for line in csv.DictReader(file)]
    assert len(losses) == 12
    assert metrics["val_loss"] == pytest.approx(min(losses), rel=1e-4)


def test_the_same_seed_gives_the_same_network(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    arrays = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        folder = toy_training(tiny(tmp_path, name=name, seed=seed, learning={"max_epochs": 1}))
        with np.load(folder / "network.npz") as weights:
            arrays.append({key: weights[key] for key in weights.files})
    assert all(np.array_equal(arrays[0][key], arrays[1][key]) for key in arrays[0])
    assert not np.array_equal(arrays[0]["output.weight"], arrays[2]["output.weight"])


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    # Rejection, so that the rows of an epoch depend on its number too.
    rejection = {"least_acceptance": 0.3}
    whole = toy_training(tiny(tmp_path, name="whole", sampling=rejection, learning={"max_epochs": 4}))
    toy_training(tiny(tmp_path, name="parts", sampling=rejection, learning={"max_epochs": 2}))
    parts = toy_training(tiny(tmp_path, name="parts", sampling=rejection, learning={"max_epochs": 4}), resume=True)
    with np.load(whole / "network.npz") as one, np.load(parts / "network.npz") as other:
        for key in one.files:
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    metrics = [json.loads((folder / "run.json").read_text())["metrics"] for folder in (whole, parts)]
    assert metrics[0] == metrics[1]
    with (parts / "metrics.csv").open() as file:
        assert [line["epoch"] for line in csv.DictReader(file)] == ["0", "1", "2", "3"]


def test_existing_absent_and_other_runs_are_refused(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    recipe = tiny(tmp_path, learning={"max_epochs": 1})
    with pytest.raises(InputError, match="nothing to resume"):
        toy_training(recipe, resume=True)
    toy_training(recipe)
    with pytest.raises(InputError, match="exists: --resume goes on with it"):
        toy_training(recipe)
    with pytest.raises(InputError, match="differs in learning, seed: a run goes on with its own recipe only"):
        toy_training(tiny(tmp_path, seed=9, learning={"max_epochs": 1, "learning_rate": 1e-3}), resume=True)


def test_a_pass_may_be_several_epochs(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    folder = toy_training(tiny(tmp_path, learning={"max_epochs": 4, "jets_per_epoch": 250, "validation_jets": 50}))
    with (folder / "metrics.csv").open() as file:
        jets = [int(line["jets"]) for line in csv.DictReader(file)]
    train = json.loads((folder / "run.json").read_text())["jets"]
    assert train["val"] == 50
    # Equal parts of the accepted jets, whole batches of each.
    part = train["train"] // round(train["train"] / 250)
    assert jets == [part // 64 * 64] * 4


def test_a_part_of_the_training_jets_is_drawn_by_the_seed(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    folder = toy_training(tiny(tmp_path, train_jets=200, learning={"max_epochs": 1}))
    run = json.loads((folder / "run.json").read_text())
    assert run["jets"]["train"] == run["sampling"]["train"]["jets"] == 200


def test_a_flavour_term_needs_more_jets_than_a_batch_has(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    learning = {"max_epochs": 1, "batch_size": 4096, "flavour": {"weight": 0.3}}
    with pytest.raises(InputError, match=r"batches of 4096 jets or more, and an epoch of 'tiny' has about \d+"):
        toy_training(tiny(tmp_path, learning=learning))


def test_a_training_of_the_first_scatters(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    folder = toy_training(tiny(tmp_path, train_scatters=60, train_passes=1, learning={"max_epochs": 1}))
    run = json.loads((folder / "run.json").read_text())
    assert run["scatters"]["train"] == 60
    assert 60 <= run["jets"]["train"] < 300


def test_time_ends_a_training_after_its_epoch(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    folder = toy_training(tiny(tmp_path, learning={"max_epochs": 50, "max_minutes": 1e-6}))
    with (folder / "metrics.csv").open() as file:
        epochs = {line["epoch"] for line in csv.DictReader(file)}
    assert epochs == {"0"}
    assert (folder / "run.json").is_file()
