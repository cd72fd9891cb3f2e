"""What a training starts from, whatever it trains: prepared jets, splits, and the weights of the target density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder
from coffea_mljec.workers.pool import Workers
from training.dataset import SPLITS, PreparedJets, first_scatters, prepare, split_of
from training.learning.classes import with_classes
from training.learning.figures import plot_sampling
from training.learning.recipe import AnyRecipe, Recipe
from training.learning.sampling import JetWeights, weigh_jets
from training.random_streams import RunStream, run_generator

__all__ = ["TrainingData", "prepare_data"]


@dataclass(frozen=True)
class TrainingData:
    """Jets, and what becomes of them.

    Attributes
    ----------
    jets : PreparedJets
        All selected jets.
    rows : dict of str to int64 array
        ``train``, ``val`` and ``test`` -> rows of the jets.
    weights : JetWeights
        Of all jets, each split on its own; ``report`` by split.
    """

    jets: PreparedJets
    rows: dict[str, NDArray[np.int64]]
    weights: JetWeights


def prepare_jets(recipe: AnyRecipe, progress: bool = True, workers: Workers = 1) -> PreparedJets:
    """Prepare the jets of a recipe; see `prepare`."""
    return prepare(
        recipe.productions, recipe.feature_set, recipe.selection, recipe.cache, progress, recipe.algorithm, workers
    )


def prepare_data(recipe: AnyRecipe, progress: bool = True) -> TrainingData:
    """Prepare the jets of a recipe, split and weigh them.

    The run's folder starts with ``recipe.yaml`` and ``sampling.png``.

    Raises
    ------
    InputError
        If the split of training or validation is empty; see also `prepare` and `weigh_jets`.
    """
    jets = prepare_jets(recipe, progress)
    split = split_of(jets.columns["scatter"], recipe.split)
    usable = np.ones(len(jets), np.bool_)
    if isinstance(recipe, Recipe) and recipe.learning.loss_function.of_classes:
        jets, usable = with_classes(jets, recipe.learning.classes)
    rows = {name: np.flatnonzero((split == i) & usable) for i, name in enumerate(SPLITS)}
    if empty := [name for name in ("train", "val") if not len(rows[name])]:
        raise InputError(f"no jets in {', '.join(empty)} of {len(jets)} selected ones: simulate more, or change split")
    if (recipe.train_scatters, recipe.train_passes) != (None, None):
        scatter, event = (jets.columns[name][rows["train"]] for name in ("scatter", "event"))
        rows["train"] = rows["train"][first_scatters(scatter, event, recipe.train_scatters, recipe.train_passes)]
    if recipe.train_jets is not None and recipe.train_jets < len(rows["train"]):
        drawn = run_generator(recipe.seed, RunStream.TRAINING).choice(rows["train"], recipe.train_jets, replace=False)
        rows["train"] = np.sort(drawn)
    weights = _weigh_splits(jets, rows, recipe)
    make_folder(recipe.folder)
    recipe.write(recipe.folder / "recipe.yaml")
    chosen = rows["train"]
    pt, eta, flavour = (jets.columns[name][chosen] for name in ("pt_gen", "eta_gen", "flavour"))
    of_training = JetWeights(weights.acceptance[chosen], weights.loss_weight[chosen], weights.report)
    plot_sampling(recipe.folder / "sampling.png", pt, eta, flavour, of_training, recipe.sampling)
    return TrainingData(jets, rows, weights)


def _weigh_splits(jets: PreparedJets, rows: dict[str, NDArray[np.int64]], recipe: AnyRecipe) -> JetWeights:
    # Each split on its own, so that each follows the target and nothing of one enters the weights of another.
    acceptance = np.zeros(len(jets), np.float32)
    weight = np.zeros(len(jets), np.float32)
    reports = {}
    for name, chosen in rows.items():
        if len(chosen):
            pt, eta, flavour = (jets.columns[column][chosen] for column in ("pt_gen", "eta_gen", "flavour"))
            part = weigh_jets(pt, eta, flavour, recipe.sampling)
            acceptance[chosen], weight[chosen], reports[name] = part.acceptance, part.loss_weight, part.report
    return JetWeights(acceptance, weight, reports)
