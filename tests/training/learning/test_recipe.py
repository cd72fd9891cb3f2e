"""Recipes: defaults, reading, writing, what is refused; those that are shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from coffea_mljec.errors import InputError
from coffea_mljec.features import FEATURE_SETS
from tests.training.learning.tiny import tiny
from training.learning.recipe import Recipe, read_recipe
from training.learning.settings import Learning

CONFIGS = Path(__file__).resolve().parents[3] / "training" / "configs"
SHIPPED = sorted([*CONFIGS.glob("*.yaml"), *CONFIGS.glob("resonances/*.yaml"), CONFIGS / "tagging" / "joint.yaml"])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe.fast_simulation


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_hold_every_setting(path: Path) -> None:
    def missing(given: Any, known: Any) -> list[str]:
        if not isinstance(known, dict) or not isinstance(given, dict):
            return []
        lacking = [name for name in known if name not in given]
        return lacking + [f"{name}.{one}" for name in given for one in missing(given[name], known.get(name))]

    assert missing(yaml.safe_load(path.read_text()), read_recipe(path).model_dump(mode="json")) == []


def test_defaults_of_the_learning() -> None:
    learning = Learning()
    assert (learning.batch_size, learning.learning_rate, learning.loss_range) == (1024, 2e-3, 1.0)
    assert (learning.plateau_factor, learning.plateau_patience, learning.least_gain) == (0.2, 5, 1e-4)
    assert (learning.schedule, learning.stop_patience, learning.weight_decay) == ("plateau", 7, 0.0)
    assert not learning.symmetries


def test_the_default_recipe_has_the_reference_network() -> None:
    recipe = read_recipe(CONFIGS / "pfn-r-lite.yaml")
    assert sum(recipe.split) == pytest.approx(1.0)
    assert recipe.features == "pfnano"
    assert isinstance(recipe, Recipe)
    assert recipe.widths == Recipe.model_validate(recipe.model_dump() | {"architecture": "pfn-r-lite"}).widths


def test_the_recipe_for_poor_files_differs_by_its_features_alone() -> None:
    rich, poor = (read_recipe(CONFIGS / f"{name}.yaml") for name in ("pfn-r-lite", "pfn-k-lite"))
    said = {"name", "description", "features"}
    assert rich.model_dump(exclude=said) == poor.model_dump(exclude=said)
    assert poor.feature_set == FEATURE_SETS["kinematics"]
    assert read_recipe(CONFIGS / "pfn-k-lite.yaml", features="kinematics-pv").feature_set.constituents == (
        "charged", "neutral",
    )  # fmt: skip


def test_all_recipes_share_what_defines_the_loss() -> None:
    """Split, selection and sampling: losses of different networks would not compare otherwise."""
    recipes = [read_recipe(path) for path in sorted(CONFIGS.glob("*.yaml"))]
    assert len(recipes) > 4
    for recipe in recipes[1:]:
        assert (recipe.split, recipe.selection, recipe.sampling) == (
            recipes[0].split, recipes[0].selection, recipes[0].sampling
        )  # fmt: skip


def test_settings_for_a_gpu_take_the_place_of_others(tmp_path: Path) -> None:
    on_gpu = {"train_jets": None, "learning": {"batch_size": 256, "precision": "bf16"}}
    recipe = tiny(tmp_path, train_jets=100, on_gpu=on_gpu)
    settled = recipe.settled(gpu=True)
    assert (settled.train_jets, settled.learning.batch_size, settled.learning.precision) == (None, 256, "bf16")
    assert settled.learning.max_epochs == recipe.learning.max_epochs
    assert settled.on_gpu == {} == settled.settled(gpu=True).on_gpu
    assert recipe.settled(gpu=False) == recipe.model_copy(update={"on_gpu": {}})
    with pytest.raises(ValueError, match="greater than 0"):
        tiny(tmp_path, on_gpu={"learning": {"batch_size": 0}})


def test_recipes_survive_writing_and_reading(tmp_path: Path) -> None:
    recipe = tiny(
        tmp_path, transforms={"charged": {"rel_pt": {"kind": "symlog", "unit": 0.1}}}, sampling={"p_ref": 400.0}
    )
    recipe.write(tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe
    assert read_recipe(tmp_path / "recipe.yaml", seed=77).seed == 77


def test_toml_recipes_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(
        'name = "a"\ndescription = "b"\nsample = "c"\nfast_simulation = false\n'
        'productions = ["d"]\n[learning]\nmax_epochs = 4\n'
    )
    recipe = read_recipe(tmp_path / "r.toml")
    assert recipe.learning.max_epochs == 4
    assert recipe.productions == (Path("d"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"features": "cms"}, "unknown feature set 'cms': choose one of thesis, pfnano"),
        ({"features": {"jet": ["ptt"]}}, "unknown feature 'ptt' of collection 'jet'"),
        ({"architecture": "pfn"}, "unknown architecture 'pfn': choose one of pfn-r-lite, pfn-r"),
        ({"learning": {"plateau_factor": 2}}, "learning.plateau_factor: Input should be less than 1"),
        ({"learning": {"schedule": "steps"}}, "learning.schedule: Input should be 'plateau' or 'cosine'"),
        (
            {"learning": {"loss": "mea"}},
            "unknown loss 'mea': Did you mean 'mae'? choose one of mae",
        ),
        ({"learning": {"schedule_jets": 1000}}, "schedule_jets is the length of a cosine: set schedule to cosine"),
        ({"architecture": {"pooling": ["pt", "pt"]}}, "each way of pooling can stand once, got pt, pt"),
        ({"name": "../up"}, "name: String should match pattern"),
    ],
)
def test_impossible_recipes_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    good = tiny(tmp_path).model_dump(mode="json")
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(good | change))
    with pytest.raises(InputError, match="impossible settings") as error:
        read_recipe(tmp_path / "r.yaml")
    assert message in str(error.value)


def test_missing_and_broken_recipe_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recipe at"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "r.yaml").write_text("a: [")
    with pytest.raises(InputError, match="cannot be parsed"):
        read_recipe(tmp_path / "r.yaml")
    (tmp_path / "r.yaml").write_text("just text")
    with pytest.raises(InputError, match="must hold settings by name, got str"):
        read_recipe(tmp_path / "r.yaml")
