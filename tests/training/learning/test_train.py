"""Recipes, the loss, and whole little trainings: reproducible, resumable, best weights kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet
from training.learning.recipe import Learning, Recipe, read_recipe

CONFIGS = Path(__file__).resolve().parents[3] / "training" / "configs"
SMALL = FeatureSet(jet=("log_pt", "eta"), charged=("rel_pt",), neutral=("pt", "rel_pt"))


def tiny(tmp_path: Path, **changes: Any) -> Recipe:
    learning = {"batch_size": 64, "max_epochs": 3, "threads": 1, "accelerator": "cpu"} | changes.pop("learning", {})
    return Recipe.model_validate(
        {
            "name": "tiny",
            "description": "a test",
            "sample": "toy jets",
            "fast_simulation": True,
            "productions": ["unused"],
            "cache": tmp_path / "cache",
            "runs": tmp_path / "runs",
            "features": SMALL.names(),
            "architecture": {"phi_candidate": (8, 8), "phi_vertex": (4,), "head": (16, 8), "momentum": 0.2},
            "learning": learning,
            **changes,
        }
    )


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


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe.fast_simulation


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
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


def test_loss_is_the_formula() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")
    from training.learning.losses import LOSSES, mean_absolute_error

    assert LOSSES[Learning().loss] is mean_absolute_error

    predicted = torch.tensor([0.1, 0.0, 3.0, -0.2])
    target = torch.tensor([0.3, -0.5, 1.5, -1.0])
    one = torch.ones(4)
    # |y| < 1 strictly: the third and fourth count 0 but stay in the denominator.
    assert float(mean_absolute_error(predicted, target, one)) == pytest.approx((0.2 + 0.5) / 4)
    weight = torch.tensor([2.0, 1.0, 1.0, 4.0])
    assert float(mean_absolute_error(predicted, target, weight)) == pytest.approx((2 * 0.2 + 0.5) / 8)
    assert float(mean_absolute_error(predicted, target, one, loss_range=2.0)) == pytest.approx(
        (0.2 + 0.5 + 1.5 + 0.8) / 4
    )


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


def test_parts_of_a_pass_hold_every_accepted_jet_once(toy_jets: Callable[..., Any]) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")
    from training.learning.batches import JetBatches
    from training.learning.recipe import Learning
    from training.learning.sampling import JetWeights, accept

    jets = toy_jets(300, feature_set=SMALL)
    weights = JetWeights(np.full(300, 0.8, np.float32), np.ones(300, np.float32), {})
    rows = np.arange(300)
    batches = JetBatches(jets, rows, rows[:5], weights, Learning(batch_size=10, jets_per_epoch=80), seed=4)

    class AtEpoch:
        current_epoch = 0

    batches.trainer = AtEpoch()
    seen = []
    for AtEpoch.current_epoch in (3, 4, 5):
        seen.append(batches.train_dataloader().rows)
    assert sum(map(len, seen)) > 200
    together = np.concatenate(seen)
    assert len(np.unique(together)) == len(together)
    assert set(together) <= set(accept(weights.acceptance, 4, 1))


def test_time_ends_a_training_after_its_epoch(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    folder = toy_training(tiny(tmp_path, learning={"max_epochs": 50, "max_minutes": 1e-6}))
    with (folder / "metrics.csv").open() as file:
        epochs = {line["epoch"] for line in csv.DictReader(file)}
    assert epochs == {"0"}
    assert (folder / "run.json").is_file()


def test_learning_rate_falls_and_training_stops_on_a_plateau(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    """With a gain of 10 asked for, no epoch after the first counts."""
    limits = {"max_epochs": 50, "least_gain": 10.0, "plateau_patience": 2, "stop_patience": 5}
    folder = toy_training(tiny(tmp_path, learning=limits))
    with (folder / "metrics.csv").open() as file:
        rates = [float(line["learning_rate"]) for line in csv.DictReader(file)]
    # Falls after 2 and 4 epochs without gain, stops after 5.
    assert rates == pytest.approx([2e-3, 2e-3, 2e-3, 4e-4, 4e-4, 8e-5])


def rates_of(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open() as file:
        return [float(line["learning_rate"]) for line in csv.DictReader(file)]


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


def test_the_command_passes_its_changes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer
    from typer.testing import CliRunner

    from training.cli import train as module

    seen: dict[str, Any] = {}

    def pretend(recipe: Recipe, resume: bool, progress: bool) -> Path:
        seen.update(recipe=recipe, resume=resume, progress=progress)
        return recipe.runs / recipe.name

    monkeypatch.setattr("training.learning.train.train", pretend)
    monkeypatch.setattr("training.learning.run_folder.read_run", lambda folder: {})
    monkeypatch.setattr("training.learning.run_folder.describe_run", lambda run: "described")
    app = typer.Typer()
    app.command()(module.command)
    tiny(tmp_path).write(tmp_path / "r.yaml")
    options = ["--resume", "--quiet", "--seed", "9", "--threads", "3", "--max-minutes", "2.5", "--production", "a.root"]
    options += ["--name", "tiny-9"]
    result = CliRunner().invoke(
        app, [str(tmp_path / "r.yaml"), *options, "--production", "b", "--runs", str(tmp_path / "other")]
    )
    assert result.exit_code == 0, result.output
    recipe = seen["recipe"]
    assert (seen["resume"], seen["progress"]) == (True, False)
    assert (recipe.seed, recipe.learning.threads, recipe.learning.max_minutes) == (9, 3, 2.5)
    assert recipe.productions == (Path("a.root"), Path("b"))
    assert recipe.learning.batch_size == 64
    assert recipe.name == "tiny-9"
    assert "python -m training export" in result.output.replace("\n", " ")
