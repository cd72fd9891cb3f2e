"""Trainings of a start's last layers alone: what stays is the start's, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")

from tests.training.learning.tiny import tiny
from training.learning.settings import Learning


@pytest.mark.parametrize(("layers", "moved"), [("head", ("head.", "output.")), ("output", ("output.",))])
def test_only_the_named_layers_move(
    tmp_path: Path, toy_training: Callable[..., Path], layers: str, moved: tuple[str, ...]
) -> None:
    start = toy_training(tiny(tmp_path, name="first", learning={"max_epochs": 1}))
    learning = {"max_epochs": 1, "start_from": start, "trained_layers": layers}
    folder = toy_training(tiny(tmp_path, name="second", learning=learning))
    with np.load(start / "network.npz") as old, np.load(folder / "network.npz") as new:
        changed = {name for name in old.files if not np.array_equal(old[name], new[name])}
        # Norms keep their statistics, those of the head too.
        free = {
            name for name in old.files if name.startswith(moved) and "running" not in name and "tracked" not in name
        }
    assert changed
    assert changed <= free
    assert any(name.startswith("output.") for name in changed)


def test_layers_that_stay_need_a_start() -> None:
    with pytest.raises(ValueError, match="trained_layers 'head' leaves other layers as the start has them"):
        Learning(trained_layers="head")
