"""Studies: what varies, trainings kept and gone on with, the table and its figures."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from coffea_mljec.errors import InputError
from tests.training.learning.tiny import SMALL, tiny
from tests.training.studies.toy_table import toy_table
from training.studies.settings import Study, read_study
from training.studies.table import read_table
from training.studies.workflow import redraw_study, run_study

STUDIES = Path(__file__).resolve().parents[3] / "training" / "configs" / "studies"


def study_of(tmp_path: Path, **settings: Any) -> Study:
    path = tmp_path / "recipe.yaml"
    tiny(tmp_path).write(path)
    return Study.model_validate({"name": "toy", "recipe": path, "test": ["production"]} | settings)


def test_every_combination_is_a_variant(tmp_path: Path) -> None:
    vary = {"train_scatters": [10, None], "learning.loss": ["mae", "gaussian"]}
    study = study_of(
        tmp_path, settings={"learning.max_epochs": 7}, vary=vary,
        variants=[{"learning.flavour.weight": 0.5, "learning.batch_size": 4096}],
    )  # fmt: skip
    recipes = study.recipes()
    assert list(recipes) == [
        "toy-train_scatters-10-loss-mae", "toy-train_scatters-10-loss-gaussian", "toy-train_scatters-all-loss-mae",
        "toy-train_scatters-all-loss-gaussian", "toy-weight-0.5-batch_size-4096",
    ]  # fmt: skip
    last = recipes["toy-weight-0.5-batch_size-4096"][1]
    assert (last.learning.flavour.weight, last.learning.max_epochs) == (0.5, 7)
    assert last.folder == tmp_path / "runs" / "toy-study" / "runs" / last.name


def test_closures_leave_out_what_trainings_have(tmp_path: Path) -> None:
    vary = {"seed": [1]}
    split = study_of(tmp_path, vary=vary).base().split[0]
    assert study_of(tmp_path, vary=vary).train_share == split
    assert study_of(tmp_path, vary=vary, closure_from=["unused", "more"]).train_share == split
    assert study_of(tmp_path, vary=vary, closure_from=["apart"]).train_share == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vary": {"learning.los": ["mae"]}}, "the recipe 'tiny' has no setting 'learning.los' to vary"),
        ({"vary": {"seed": [1, 1]}}, "has the variant 'toy-seed-1' twice"),
        ({"vary": {"learning.flavour.weight": [0.3]}}, "flavour term needs batches of 4096 jets or more"),
        ({"vary": {"learning.loss": ["median"]}}, "unknown loss 'median'"),
    ],
)
def test_impossible_variants_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        study_of(tmp_path, **settings).recipes()


def test_files_that_are_no_study_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study at"):
        read_study(tmp_path / "absent.yaml")
    path = tmp_path / "study.yaml"
    path.write_text("name: [")
    with pytest.raises(InputError, match="cannot be parsed"):
        read_study(path)
    content = {"name": "s", "recipe": "r.yaml", "test": ["t"]}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="give vary, variants, runs or models"):
        read_study(path)
    path.write_text(yaml.safe_dump(content | {"vary": {"seed": [1]}, "kind": "curve"}))
    with pytest.raises(InputError, match="kind"):
        read_study(path)


@pytest.fixture
def trainable(tmp_path: Path, toy_jets: Callable[..., Any], sample: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Toy jets in place of a production's, closures of 1; a production to close on."""
    pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install 'coffea-mljec[train]'")
    import training.learning.loop as loop
    import training.learning.train as module
    import training.learning.training_data as training_data
    import training.studies.measuring as measuring

    class One:
        def evaluate(self, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            return np.ones(len(columns["eta"])), np.ones(len(columns["eta"]), bool)

    monkeypatch.setattr(training_data, "prepare", lambda *a, **k: toy_jets(900, feature_set=SMALL))
    monkeypatch.setattr(training_data, "plot_sampling", lambda *a: None)
    monkeypatch.setattr(module, "plot_losses", lambda *a: None)
    monkeypatch.setattr(loop, "_logger", lambda *a: False)
    monkeypatch.setattr(measuring, "closures", lambda providers, *a: dict.fromkeys(providers, One()))
    monkeypatch.setattr(measuring, "time_per_jet", lambda path, providers: dict.fromkeys(providers, 3.0))
    return Path(shutil.copy(sample, tmp_path / "other.root"))


def test_a_study_trains_measures_and_goes_on(
    tmp_path: Path, trainable: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "kind": "learning-curve", "vary": {"train_scatters": [60, 120]}, "models": ["pfn-r-lite"], "replicas": 4,
        "settings": {"learning.max_epochs": 2}, "test": [sample], "closure_from": [trainable],
    }  # fmt: skip
    folder = run_study(study_of(tmp_path, **settings), progress=False)
    table = read_table(folder)
    assert [row.label for row in table.rows] == ["toy-train_scatters-60", "toy-train_scatters-120", "pfn-r-lite"]
    assert [row.scatters for row in table.rows] == [60, 120, None]
    losses = [row.measured["loss"] for row in table.rows]
    assert all(len(values) == 5 for values in losses)
    # Two epochs of a few hundred jets are worse than the bundled network.
    assert losses[2][0] < 0.8 * min(losses[0][0], losses[1][0])
    with (folder / "study.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[2]["loss - first"]) == pytest.approx(losses[2][0] - losses[0][0], rel=0.01)
    assert rows[0]["train_scatters"] == "60"
    assert float(rows[2]["beta_central"]) > 2
    assert "too few points" in (folder / "laws.md").read_text()
    assert (folder / "study.png").stat().st_size > 0

    # Again with a variant more: the first two are not trained again, the third is.
    import training.studies.running as running

    trained = []
    train = running.train
    monkeypatch.setattr(running, "train", lambda recipe, **k: trained.append(recipe.name) or train(recipe, **k))
    settings["vary"] = {"train_scatters": [60, 120, 150]}
    run_study(study_of(tmp_path, **settings), progress=False)
    assert trained == ["toy-train_scatters-150"]
    again = read_table(folder)
    assert [row.measured["loss"] for row in again.rows[:2]] == losses[:2]
    # An interrupted training goes on; one of other settings is refused.
    run = folder / "runs" / "toy-train_scatters-150"
    (run / "run.json").unlink()
    resumed = []
    monkeypatch.setattr(running, "train", lambda recipe, **k: resumed.append(k["resume"]) or train(recipe, **k))
    run_study(study_of(tmp_path, **settings), progress=False)
    assert resumed == [True]
    with pytest.raises(InputError, match=r"differs in seed: a run goes on with its own recipe only"):
        run_study(study_of(tmp_path, **settings | {"settings": {"learning.max_epochs": 2, "seed": 9}}), progress=False)


def test_finished_runs_join_under_the_settings_in_which_they_differ(
    tmp_path: Path, trainable: Path, sample: Path
) -> None:
    from training.learning.train import train
    from training.studies.running import trained_rows

    run = train(tiny(tmp_path, name="mine", train_scatters=90, learning={"max_epochs": 1}), progress=False)
    study = study_of(tmp_path, runs=[run], settings={"learning.max_epochs": 1})
    ((row, model),) = trained_rows(study, tmp_path / "study", False)
    assert (row.label, row.settings, row.scatters) == ("mine", {"train_scatters": 90}, 90)
    assert (Path(model) / "card.json").is_file()
    twice = study_of(tmp_path, runs=[run, run])
    with pytest.raises(InputError, match="has two models called mine"):
        trained_rows(twice, tmp_path / "study", False)


@pytest.mark.parametrize("kind", ["learning-curve", "frontier", "cost", "table"])
def test_a_table_is_enough_to_draw_again(tmp_path: Path, kind: str) -> None:
    table = toy_table(kind)
    table.write(tmp_path)
    assert read_table(tmp_path) == table
    drawn = {path.name for path in redraw_study(tmp_path)}
    assert drawn == {
        "learning-curve": {"study.png", "laws.md"}, "frontier": {"study.png"}, "cost": {"study.png"}, "table": set()
    }[kind]  # fmt: skip
    (tmp_path / "study.json").write_text(json.dumps({"format": 0}))
    with pytest.raises(InputError, match="has another format than 1"):
        read_table(tmp_path)


def test_a_study_is_drawn_by_the_command(tmp_path: Path) -> None:
    import typer
    from typer.testing import CliRunner

    from training.cli import redraw

    app = typer.Typer()
    app.command()(redraw.command)
    toy_table("frontier").write(tmp_path)
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "study.png" in result.output
    with pytest.raises(InputError, match="give a folder that `python -m training study` wrote"):
        redraw_study(tmp_path / "absent")


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(STUDIES.parents[2])
    study = read_study(path)
    assert study.name == path.stem
    assert len(study.recipes()) + len(study.models) > 2
