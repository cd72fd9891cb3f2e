"""Boosted trees: prepared jets -> splits -> sampling -> lightgbm -> a run folder, like a network's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import write_text
from coffea_mljec.support.progress import Bar
from coffea_mljec.support.progress import progress as progress_bar
from training.dataset.selection import mass_column
from training.learning.losses import MASS_RANGE
from training.learning.recipe import TreesRecipe, parse_recipe
from training.learning.run_folder import check_resumable, read_run, run_record, write_record
from training.learning.sampling import accept
from training.learning.training_data import TrainingData, prepare_data
from training.onnx.trees import parameter_count

__all__ = ["grow", "lightgbm_module", "read_trees"]


def grow(recipe: TreesRecipe, resume: bool = False, progress: bool = True) -> Path:
    """Grow the trees of a recipe and return the run's folder.

    Trees grow in minutes: an interrupted run starts again with ``resume``.

    Returns
    -------
    Path
        With ``recipe.yaml``, ``trees.txt`` (lightgbm's own text, the best number of trees), ``run.json``,
        ``metrics.csv`` (validation loss after every tree) and ``sampling.png``. ``run.json`` also has ``importance``:
        feature -> share of the gain. Masses have trees of their own, ``trees-mass.txt``.

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
    rows = data.rows["train"]
    # The jets of one epoch: a tree does not see others than its predecessor.
    rows = rows[accept(data.weights.acceptance[rows], recipe.seed, 0)]
    kept, curves = [], []
    for target in _targets(recipe):
        booster, curve = _grown(lightgbm, recipe, data, rows, target, progress)
        write_text(folder / target.file, booster.model_to_string(num_iteration=booster.best_iteration))
        kept.append(read_text(folder / target.file))
        curves.append((target.column, curve))
    lines = ["target,trees,val_l1"]
    lines += [f"{name},{number},{loss:.7g}" for name, curve in curves for number, loss in enumerate(curve, start=1)]
    write_text(folder / "metrics.csv", "\n".join(lines) + "\n")
    gain = kept[0].feature_importance("gain")
    names = recipe.feature_set.jet
    importance = {name: float(value) for name, value in zip(names, gain / max(gain.sum(), 1e-300), strict=True)}
    described = run_record(recipe, data, parameter_count(kept), _losses(kept, data, recipe), ("lightgbm",))
    write_record(folder, described | {"importance": importance, "trees": sum(one.num_trees() for one in kept)})
    return folder


class _Target(NamedTuple):
    """What some trees learn: a column of the prepared jets, up to a size; and their file."""

    column: str
    limit: float
    file: str


def _targets(recipe: TreesRecipe) -> list[_Target]:
    masses = [_Target(mass_column(name), MASS_RANGE, f"trees-{name}.txt") for name in recipe.selection.masses]
    return [_Target("target", recipe.trees.loss_range, "trees.txt"), *masses]


def _grown(
    lightgbm: Any, recipe: TreesRecipe, data: TrainingData, rows: NDArray[np.int64], target: _Target, progress: bool
) -> tuple[Any, list[float]]:
    """Return the trees of a target, and their validation loss after every tree."""
    train = _data(lightgbm, recipe, data, rows, data.weights.loss_weight, target)
    val = _data(lightgbm, recipe, data, data.rows["val"], data.weights.expected, target, train)
    history: dict[str, dict[str, list[float]]] = {}
    note = "validation loss {loss:.5f}"
    with progress_bar(
        f"growing trees of {target.column}", recipe.trees.rounds, note=note, shown=progress, loss=float("nan")
    ) as bar:
        booster = lightgbm.train(
            _parameters(recipe), train, recipe.trees.rounds, valid_sets=[val], valid_names=["val"],
            callbacks=[
                lightgbm.early_stopping(recipe.trees.stop_rounds, verbose=False), lightgbm.record_evaluation(history),
                _Shown(bar),
            ],
        )  # fmt: skip
    return booster, history["val"]["l1"]


def read_trees(folder: Path) -> list[Any]:
    """Return the lightgbm boosters of a finished run: of the correction of pT, and of each mass.

    Raises
    ------
    InputError
        If the run is not finished, or lightgbm is missing.
    """
    recipe = parse_recipe(read_run(folder)["recipe"])
    assert isinstance(recipe, TreesRecipe)
    return [read_text(folder / target.file) for target in _targets(recipe)]


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
    target: _Target,
    reference: Any = None,
) -> Any:
    """Return lightgbm's data set of some jets; those beyond the loss's range, which contribute 0, are left out."""
    values = data.jets.columns[target.column][rows]
    inside = (np.abs(values) < target.limit) & (weight[rows] > 0)
    rows, values = rows[inside], values[inside]
    return lightgbm.Dataset(
        data.jets.features["jet_features"][rows], values, weight=weight[rows],
        feature_name=list(recipe.feature_set.jet), reference=reference,
        params={"max_bin": recipe.trees.bins, "verbosity": -1},
    )  # fmt: skip


def _losses(boosters: list[Any], data: TrainingData, recipe: TreesRecipe) -> dict[str, float]:
    """Return the networks' losses (`training.learning.loop.final_losses`) of the trees, and those of no correction."""
    metrics: dict[str, float] = {}
    for name in ("val", "test"):
        rows = data.rows[name]
        if not len(rows):
            continue
        weight = data.weights.expected[rows].astype(np.float64)
        loss = np.zeros(2)
        for booster, target in zip(boosters, _targets(recipe), strict=True):
            true = data.jets.columns[target.column][rows].astype(np.float64)
            inside = weight * (np.abs(true) < target.limit)
            predicted = booster.predict(data.jets.features["jet_features"][rows])
            loss += [(inside * np.abs(true - values)).sum() / weight.sum() for values in (predicted, 0.0)]
        metrics |= {f"{name}_loss": float(loss[0]), f"{name}_loss_uncorrected": float(loss[1])}
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
