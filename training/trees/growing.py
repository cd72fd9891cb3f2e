"""Boosted trees: prepared jets -> splits -> sampling -> lightgbm -> a run folder, like a network's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import write_text
from coffea_mljec.support.progress import Bar
from coffea_mljec.support.progress import progress as progress_bar
from training.learning.run_folder import check_resumable, read_run, run_record, write_record
from training.learning.sampling import accept
from training.learning.training_data import TrainingData, prepare_data
from training.onnx.trees import parameter_count

if TYPE_CHECKING:
    from training.learning.recipe import TreesRecipe

__all__ = ["grow", "lightgbm_module", "read_trees"]


def grow(recipe: TreesRecipe, resume: bool = False, progress: bool = True) -> Path:
    """Grow the trees of a recipe and return the run's folder.

    Trees grow in minutes: an interrupted run starts again with ``resume``.

    Returns
    -------
    Path
        With ``recipe.yaml``, ``trees.txt`` (lightgbm's own text, the best number of trees), ``run.json``,
        ``metrics.csv`` (validation loss after every tree) and ``sampling.png``. ``run.json`` also has ``importance``:
        feature -> share of the gain.

    Raises
    ------
    InputError
        If lightgbm is missing, the run is finished already, or is that of another recipe.
    """
    lightgbm = lightgbm_module()
    folder = recipe.folder
    if resume and (folder / "run.json").exists():
        raise InputError(f"the run {folder} is finished: export it, or rename the recipe to grow other trees")
    check_resumable(folder, recipe, resume)
    data = prepare_data(recipe, progress)
    names = list(recipe.feature_set.jet)
    rows = data.rows["train"]
    # The jets of one epoch: a tree does not see others than its predecessor.
    rows = rows[accept(data.weights.acceptance[rows], recipe.seed, 0)]
    train = _data(lightgbm, recipe, data, rows, data.weights.loss_weight, names)
    val = _data(lightgbm, recipe, data, data.rows["val"], data.weights.expected, names, train)
    history: dict[str, dict[str, list[float]]] = {}
    note = "validation loss {loss:.5f}"
    with progress_bar("growing trees", recipe.trees.rounds, note=note, shown=progress, loss=float("nan")) as bar:
        booster = lightgbm.train(
            _parameters(recipe), train, recipe.trees.rounds, valid_sets=[val], valid_names=["val"],
            callbacks=[
                lightgbm.early_stopping(recipe.trees.stop_rounds, verbose=False), lightgbm.record_evaluation(history),
                _Shown(bar),
            ],
        )  # fmt: skip
    write_text(folder / "trees.txt", booster.model_to_string(num_iteration=booster.best_iteration))
    curve = history["val"]["l1"]
    lines = ["trees,val_l1", *(f"{number},{value:.7g}" for number, value in enumerate(curve, start=1))]
    write_text(folder / "metrics.csv", "\n".join(lines) + "\n")
    kept = read_text(folder / "trees.txt")
    gain = kept.feature_importance("gain")
    importance = {name: float(value) for name, value in zip(names, gain / max(gain.sum(), 1e-300), strict=True)}
    described = run_record(recipe, data, parameter_count(kept), _losses(kept, data, recipe), ("lightgbm",))
    write_record(folder, described | {"importance": importance, "trees": kept.num_trees()})
    return folder


def read_trees(folder: Path) -> Any:
    """Return the lightgbm booster of a finished run.

    Raises
    ------
    InputError
        If the run is not finished, or lightgbm is missing.
    """
    read_run(folder)
    return read_text(folder / "trees.txt")


def read_text(path: Path) -> Any:
    """Return the booster of one of lightgbm's text files (plain numbers: nothing in it is run)."""
    return lightgbm_module().Booster(model_file=str(path))


def lightgbm_module() -> Any:
    """Return lightgbm, or say how to install it."""
    try:
        import lightgbm
    except ImportError:
        raise InputError("boosted trees need lightgbm: pip install 'coffea-mljec[train]', or make train-env") from None
    return lightgbm


def _parameters(recipe: TreesRecipe) -> dict[str, Any]:
    trees = recipe.trees
    return {
        "objective": "regression_l1", "metric": "l1", "learning_rate": trees.learning_rate, "num_leaves": trees.leaves,
        "min_data_in_leaf": trees.min_jets_in_leaf, "max_bin": trees.bins, "feature_fraction": trees.feature_share,
        "bagging_fraction": trees.jet_share, "bagging_freq": int(trees.jet_share < 1.0), "lambda_l2": trees.l2,
        "num_threads": trees.threads, "seed": recipe.seed, "deterministic": True, "force_row_wise": True,
        "use_missing": False, "verbosity": -1,
    }  # fmt: skip


def _data(
    lightgbm: Any,
    recipe: TreesRecipe,
    data: TrainingData,
    rows: NDArray[np.int64],
    weight: NDArray[np.float32],
    names: list[str],
    reference: Any = None,
) -> Any:
    """Return lightgbm's data set of some jets; those beyond the loss's range, which contribute 0, are left out."""
    target = data.jets.columns["target"][rows]
    inside = (np.abs(target) < recipe.trees.loss_range) & (weight[rows] > 0)
    rows, target = rows[inside], target[inside]
    return lightgbm.Dataset(
        data.jets.features["jet_features"][rows], target, weight=weight[rows], feature_name=names,
        reference=reference, params={"max_bin": recipe.trees.bins, "verbosity": -1},
    )  # fmt: skip


def _losses(booster: Any, data: TrainingData, recipe: TreesRecipe) -> dict[str, float]:
    """Return the networks' losses (`training.learning.loop.final_losses`) of the trees, and those of no correction."""
    metrics = {}
    for name in ("val", "test"):
        rows = data.rows[name]
        if not len(rows):
            continue
        weight = data.weights.expected[rows].astype(np.float64)
        target = data.jets.columns["target"][rows].astype(np.float64)
        inside = weight * (np.abs(target) < recipe.trees.loss_range)
        predicted = booster.predict(data.jets.features["jet_features"][rows])
        for label, values in (("loss", predicted), ("loss_uncorrected", 0.0)):
            metrics[f"{name}_{label}"] = float((inside * np.abs(target - values)).sum() / weight.sum())
    return metrics


class _Shown:
    """A bar as a callback of lightgbm: the trees so far and their validation loss."""

    order = 50
    before_iteration = False

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def __call__(self, environment: Any) -> None:
        loss = environment.evaluation_result_list[0][2]
        self._bar.update(completed=environment.iteration + 1, loss=loss)
