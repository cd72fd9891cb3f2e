"""Little trainings on toy jets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.learning.tiny import SMALL
from training.learning.recipe import Recipe


@pytest.fixture
def toy_training(toy_jets: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``toy_training(recipe)``: `train` on 900 toy jets in place of a production's files, plots only if asked for."""
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")
    import training.learning.loop as loop
    import training.learning.train as module
    import training.learning.training_data as training_data

    monkeypatch.setattr(training_data, "prepare", lambda *a, **k: toy_jets(900, feature_set=SMALL))

    def run(recipe: Recipe, plots: bool = False, **options: Any) -> Path:
        with monkeypatch.context() as patch:
            if not plots:
                patch.setattr(training_data, "plot_sampling", lambda *a: None)
                patch.setattr(module, "plot_losses", lambda *a: None)
                patch.setattr(loop, "_logger", lambda *a: False)
            return module.train(recipe, progress=False, **options)

    return run
