"""The learning rate on a plateau and along a cosine, and when a training ends."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.learning.tiny import tiny
from training.learning.settings import Learning


def rates_of(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open() as file:
        return [float(line["learning_rate"]) for line in csv.DictReader(file)]


def test_learning_rate_falls_and_training_stops_on_a_plateau(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    """With a gain of 10 asked for, no epoch after the first counts."""
    limits = {"max_epochs": 50, "least_gain": 10.0, "plateau_patience": 2, "stop_patience": 5}
    folder = toy_training(tiny(tmp_path, learning=limits))
    with (folder / "metrics.csv").open() as file:
        rates = [float(line["learning_rate"]) for line in csv.DictReader(file)]
    # Falls after 2 and 4 epochs without gain, stops after 5.
    assert rates == pytest.approx([2e-3, 2e-3, 2e-3, 4e-4, 4e-4, 8e-5])


def test_a_cosine_rises_and_falls_to_nothing(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    cosine = {"schedule": "cosine", "warm_up": 0.2, "max_epochs": 10, "learning_rate": 0.01, "weight_decay": 0.01}
    folder = toy_training(tiny(tmp_path, learning=cosine))
    rates = rates_of(folder)
    # After the last batch of every epoch; the warm-up is the first two.
    wanted = [0.01 * min(i / 2, 0.5 * (1 + np.cos(np.pi * max(i - 2, 0) / 8))) for i in range(1, 11)]
    assert rates == pytest.approx(wanted, rel=1e-3, abs=1e-9)
    metrics = json.loads((folder / "run.json").read_text())["metrics"]
    assert metrics["val_loss"] < 0.9 * metrics["val_loss_uncorrected"]


def test_a_cosine_ends_after_its_jets(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    # 11 batches of 64, whatever an epoch has: it ends amid one, and validates.
    folder = toy_training(
        tiny(tmp_path, learning={"schedule": "cosine", "schedule_jets": 11 * 64 + 3, "max_epochs": 50})
    )
    with (folder / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert sum(int(line["jets"]) for line in lines) == 11 * 64
    assert float(lines[-1]["learning_rate"]) == pytest.approx(0.0, abs=1e-12)
    assert json.loads((folder / "run.json").read_text())["metrics"]["val_loss"] > 0


def test_time_ends_a_cosine_at_once(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    folder = toy_training(tiny(tmp_path, learning={"schedule": "cosine", "max_epochs": 500, "max_minutes": 1e-6}))
    with (folder / "metrics.csv").open() as file:
        assert [int(line["jets"]) for line in csv.DictReader(file)] == [64]


def test_a_resumed_cosine_equals_an_uninterrupted_one(
    tmp_path: Path, toy_training: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.learning.batches import JetBatches

    cosine = {"schedule": "cosine", "schedule_jets": 20 * 64, "symmetries": True, "max_epochs": 50}
    whole = toy_training(tiny(tmp_path, name="whole", learning=cosine))
    # Interrupted after the first epoch.
    pass_of = JetBatches.train_dataloader

    def broken(self: JetBatches) -> Any:
        if self.trainer.current_epoch == 1:
            raise RuntimeError("the power fails")
        return pass_of(self)

    with monkeypatch.context() as patch:
        patch.setattr(JetBatches, "train_dataloader", broken)
        with pytest.raises(RuntimeError, match="the power fails"):
            toy_training(tiny(tmp_path, name="parts", learning=cosine))
    parts = toy_training(tiny(tmp_path, name="parts", learning=cosine), resume=True)
    with np.load(whole / "network.npz") as one, np.load(parts / "network.npz") as other:
        for key in one.files:
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    assert rates_of(whole) == rates_of(parts)


def test_the_schedule_counts_the_minutes_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")
    from training.learning import schedule

    now = [100.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now[0])

    class Trainer:
        global_step = 0
        should_stop = False

    learning = Learning(schedule="cosine", max_minutes=10.0)
    first = schedule.CosineSchedule(learning, 1000)
    first.on_train_start(Trainer, None)
    now[0] += 240.0
    assert first.done(100) == pytest.approx(0.4)  # of the time; of the batches a tenth
    assert first.done(700) == pytest.approx(0.7)
    second = schedule.CosineSchedule(learning, 1000)
    second.load_state_dict(first.state_dict())
    now[0] += 5000.0  # what lies between does not count
    second.on_train_start(Trainer, None)
    assert not Trainer.should_stop
    now[0] += 60.0
    assert second.done(100) == pytest.approx(0.5)
    over = schedule.CosineSchedule(learning, 1000)
    over.load_state_dict({"seconds": 600.0})
    over.on_train_start(Trainer, None)
    assert Trainer.should_stop
    assert schedule.rate_share(0.0, 0.03) == 0.0
    assert schedule.rate_share(0.03, 0.03) == 1.0
    assert schedule.rate_share(1.0, 0.03) == pytest.approx(0.0, abs=1e-15)
