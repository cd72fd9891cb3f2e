"""What a fine-tuning takes over from a network, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")

import coffea_mljec
from coffea_mljec.errors import InputError, MLJECError
from tests.training.learning.tiny import SMALL, tiny
from training.__main__ import app
from training.learning.export import export
from training.learning.fine_tune import fine_tuning_recipe

SAMPLE = Path(coffea_mljec.__file__).parent / "data" / "mljec_sample.root"


def test_of_a_bundled_model_features_and_architecture_are_found(tmp_path: Path) -> None:
    recipe = fine_tuning_recipe(Path("pfn-r-lite"), [SAMPLE], "tuned", tmp_path, {"max_epochs": 2})
    assert recipe.architecture == "pfn-r-lite"
    assert recipe.feature_set.names()["sv"][0] == "mass"
    assert (recipe.learning.loss, recipe.learning.max_epochs) == ("quantiles", 2)
    assert recipe.learning.start_from == Path("pfn-r-lite")


def test_of_a_run_its_own_widths_and_loss(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    run = toy_training(tiny(tmp_path, learning={"max_epochs": 1, "loss": "gaussian"}))
    recipe = fine_tuning_recipe(run, [SAMPLE], "tuned", tmp_path, {})
    assert recipe.widths == tiny(tmp_path).widths
    assert recipe.feature_set == SMALL
    assert recipe.learning.loss == "gaussian"
    # Its exported graph does not say its widths by a name.
    model = export(run, tmp_path / "model")
    with pytest.raises(InputError, match=r"model 'tiny' has none of the architectures .*give the folder of its run"):
        fine_tuning_recipe(model, [SAMPLE], "tuned", tmp_path, {})


def test_what_cannot_be_tuned_is_refused(tmp_path: Path, mean_model: Path) -> None:
    with pytest.raises(InputError, match="is the mean of several networks"):
        fine_tuning_recipe(mean_model, [SAMPLE], "tuned", tmp_path, {})
    in_situ = {"factor": 1.0, "way": "pairs", "data": [SAMPLE]}
    with pytest.raises(InputError, match=r"asks for both jets' widths, and the loss 'quantiles' teaches none"):
        fine_tuning_recipe(Path("pfn-r-lite"), [SAMPLE], "tuned", tmp_path, {"in_situ": in_situ})
    arguments = ["fine-tune", "nothing", "--simulation", str(SAMPLE), "--data", str(SAMPLE), "-o", str(tmp_path / "m")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, MLJECError)
    assert "nothing" in str(result.exception)
