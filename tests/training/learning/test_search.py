"""The hyperparameter search: two tiny trials, continued, kept as a table."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.features import JETS
from training.learning.recipe import Recipe, TreesRecipe, parse_recipe

pytest.importorskip("optuna", reason="optuna is not installed: pip install 'coffea-mljec[train]'")


class Fixed:
    """A trial that always takes the lower end."""

    def suggest_float(self, name: str, low: float, high: float, **_: Any) -> float:
        return low

    def suggest_int(self, name: str, low: int, high: int, **_: Any) -> int:
        return low

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        return choices[0]


def recipe_of(tmp_path: Path, **changes: Any) -> Recipe | TreesRecipe:
    settings = {
        "name": "tiny", "description": "a test", "sample": "toy jets", "fast_simulation": True,
        "productions": ["unused"], "runs": tmp_path / "runs", "seed": 3,
    }  # fmt: skip
    return parse_recipe(settings | changes)


def test_a_study_is_continued_and_kept_as_a_table(
    tmp_path: Path, toy_jets: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import training.learning.training_data as training_data
    from training.learning.search import search

    monkeypatch.setattr(training_data, "prepare", lambda *a, **k: toy_jets(1500, feature_set=JETS))
    monkeypatch.setattr(training_data, "plot_sampling", lambda *a: None)
    recipe = recipe_of(tmp_path, trees={"rounds": 10, "leaves": 7, "min_jets_in_leaf": 10, "threads": 1})
    folder = search(recipe, trials=2, progress=False)
    assert folder == tmp_path / "runs" / "tiny-search"
    with (folder / "study.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["trial"] for row in rows} == {"0", "1"}
    assert float(rows[0]["val_loss"]) <= float(rows[1]["val_loss"])
    # The first trial is the recipe itself.
    assert next(row for row in rows if row["trial"] == "0")["leaves"] == "recipe"
    assert float(next(row for row in rows if row["trial"] == "1")["learning_rate"]) > 0
    search(recipe, trials=2, progress=False)
    assert len((folder / "study.csv").read_text().splitlines()) == 3
    search(recipe, trials=3, progress=False)
    assert len((folder / "study.csv").read_text().splitlines()) == 4
    assert (folder / "study.md").read_text().count("\n") == 5
    assert (folder / "trial-002" / "run.json").is_file()
    assert (folder / "study.png").stat().st_size > 1000


def test_with_data_the_slides_settings_are_varied() -> None:
    from training.learning.search import suggest

    in_situ = {"factor": 3.0, "data": ["x"], "way": "pairs"}
    given = recipe_of(Path("x"), learning={"loss": "gaussian", "start_from": "before", "in_situ": in_situ})
    assert isinstance(given, Recipe)
    tried = suggest(Fixed(), given)
    assert isinstance(tried, Recipe)
    assert (tried.learning.learning_rate, tried.learning.in_situ.factor) == (1e-4, 0.01)
    kept = {"learning_rate", "in_situ"}
    assert tried.learning.model_dump(exclude=kept) == given.learning.model_dump(exclude=kept)
    assert tried.learning.in_situ.way == "pairs"
    assert tried.widths == given.widths
    assert "dropout" in tried.widths.model_dump()
    other = suggest(Fixed(), given.model_copy(update={"architecture": "pfn-c-lite"}))
    assert isinstance(other, Recipe)
    assert "dropout" not in other.widths.model_dump()


def test_what_is_varied() -> None:
    from training.learning.search import suggest

    network = recipe_of(Path("x"), architecture="pfn-r-lite")
    tried = suggest(Fixed(), network)
    assert isinstance(tried, Recipe)
    assert tried.learning.batch_size == 256
    assert tried.widths.model_dump()["phi_candidate"] == (8, 16, 32)
    assert tried.widths.model_dump()["head"] == (64, 32)
    assert tried.widths.model_dump()["pooling"] == ("sum",)
    assert (tried.sampling, tried.split, tried.selection) == (network.sampling, network.split, network.selection)
    graph = suggest(Fixed(), recipe_of(Path("x"), architecture="particlenet-r-lite"))
    assert isinstance(graph, Recipe)
    assert graph.widths.model_dump()["k_candidate"] == 16
